"""Numbers of seconds, of whatever type and size."""

from __future__ import annotations

import math
import threading
import time
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from safeasr.deadlines import LONGEST_S, deadline_after, require_time, seconds_left, unless
from safeasr.errors import CancelledError, DeadlineExceededError


@pytest.mark.parametrize(
    "seconds", [5, 5.0, np.float32(5), np.float16(5), np.int64(5), Fraction(5), np.array(5.0)]
)
def test_numbers_of_any_type(seconds: Any) -> None:
    deadline = deadline_after(seconds)
    assert type(deadline) is float
    left = seconds_left(deadline)
    assert type(left) is float
    assert 4 < left <= 5


@pytest.mark.parametrize("seconds", [None, math.inf, 1e9, 1e10, 1e300, 10**400, np.float32("inf")])
def test_limits_that_nobody_lives_to_see_are_none(seconds: Any) -> None:
    assert deadline_after(seconds) is None


@pytest.mark.parametrize("seconds", [0, -1, -math.inf, -(10**400), np.float32(-2)])
def test_limits_that_have_passed(seconds: Any) -> None:
    deadline = deadline_after(seconds)
    assert seconds_left(deadline) == 0
    with pytest.raises(DeadlineExceededError):
        require_time(deadline)


@pytest.mark.parametrize("seconds", [math.nan, "5", b"5", True, [5], {}, object(), 1j])
def test_what_is_no_number_of_seconds(seconds: Any) -> None:
    with pytest.raises(ValueError, match="wait must be a number of seconds, got"):
        deadline_after(seconds, "wait")


def test_seconds_left_fit_what_waits() -> None:
    assert seconds_left(None) is None
    assert seconds_left(math.inf) == LONGEST_S
    assert seconds_left(-math.inf) == 0
    assert threading.Event().wait(0) is False
    require_time(None)
    require_time(time.monotonic() + 60)


def test_who_gives_up_is_heard_on_that_thread_only() -> None:
    elsewhere: list[bool] = []

    def look() -> None:
        require_time(None)
        elsewhere.append(True)

    with unless(lambda: True):
        with pytest.raises(CancelledError):
            require_time(None)
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    require_time(None)
    assert elsewhere == [True]
