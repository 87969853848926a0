"""No test has the level of logging that another one left behind."""

from __future__ import annotations

import logging

import pytest


def test_one_leaves_it_too_high() -> None:
    logging.getLogger().setLevel(logging.ERROR)
    logging.disable(logging.CRITICAL)


def test_the_next_one_hears_warnings(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("safeasr.of_a_test").warning("heard")
    assert caplog.messages == ["heard"]
