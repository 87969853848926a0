"""Warnings blame the line outside of the package, however deep they come from."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

import safeasr
from safeasr.warn import warn


def run_in_the_package(source: str, **names: Any) -> None:
    """Run code as if it stood in a file of the package."""
    path = Path(safeasr.__file__).with_name("made_up.py")
    exec(compile(source, str(path), "exec"), {"warn": warn, **names})


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_frames_of_the_package_are_skipped(depth: int) -> None:
    source = (
        "def go(n):\n"
        "    return warn('here', DeprecationWarning) if n == 0 else go(n - 1)\n"
        f"go({depth})\n"
    )
    with pytest.warns(DeprecationWarning, match="here") as caught:
        run_in_the_package(source)
    assert caught[0].filename == __file__


def test_the_users_frame_between_is_blamed() -> None:
    """A callback of the user that calls the package again."""

    def callback() -> None:
        warn("from a callback")

    with pytest.warns(UserWarning, match="from a callback") as caught:
        run_in_the_package("callback()", callback=callback)
    line = Path(__file__).read_text().splitlines()[caught[0].lineno - 1]
    assert line.strip() == 'warn("from a callback")'


def test_filters_hold() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            warn("once at each line")
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="an error"):
            warn("an error")


def test_nothing_but_the_package() -> None:
    """All frames may be its own, as under a test runner that is run by a file of the package."""
    with pytest.warns(UserWarning, match="alone"):
        run_in_the_package("warn('alone')")
