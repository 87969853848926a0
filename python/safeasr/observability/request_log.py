"""The log of slow and failed requests: ``logging.getLogger("safeasr.requests")``.

Slow ones are warnings, for whoever set a limit wants to hear of them. Failed ones are of level
INFO, which nobody sees unless it is asked for: whoever called has the exception, and knows whether
it matters. Neither says what was said, nor where audio came from, nor an error's message, which may
hold either: only the key, the class of the error, and times.
"""

from __future__ import annotations

import logging
from typing import Final

from safeasr.observability.moments import Moments
from safeasr.printable import quoted

__all__ = ["log_request", "wants_failures"]

_log: Final = logging.getLogger("safeasr.requests")
#: A key is a name; a longer one is cut off.
_KEY_SHOWN: Final = 80


def wants_failures() -> bool:
    """Whether anybody reads of requests that failed."""
    return _log.isEnabledFor(logging.INFO)


def log_request(model: str, what: str, one: Moments, slow_s: float | None, now: float) -> None:
    """Log a request that was slow, or failed; others not.

    Args:
        model: its name.
        what: "request" or "chunk".
        one: the request.
        slow_s: what takes longer is slow; None: nothing is.
        now: time of the monotonic clock.
    """
    total_s = one.total_s(now)
    slow = slow_s is not None and total_s > slow_s
    if not (slow or one.error is not None):
        return
    level = logging.WARNING if slow else logging.INFO
    if not _log.isEnabledFor(level):
        return
    stages = one.stages()
    named = "no key" if one.key is None else f"key {quoted(one.key, _KEY_SHOWN)}"
    times = "".join(f", {stage} {seconds:.3f} s" for stage, seconds in stages.items())
    said = "" if one.error is None else f", {one.error}"
    _log.log(
        level,
        "%s %s of %s: %s: %.3f s%s%s",
        "slow" if slow else "failed",
        what,
        model,
        named,
        total_s,
        times,
        said,
        extra={
            "model": model,
            "key": None if one.key is None else quoted(one.key, _KEY_SHOWN)[1:-1],
            "total_s": total_s,
            "error": one.error,
            **{f"{stage}_s": seconds for stage, seconds in stages.items()},
        },
    )
