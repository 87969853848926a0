"""Warnings of torch that nobody who uses safeasr can act on."""

from __future__ import annotations

import contextlib
import itertools
import warnings
from collections.abc import Iterator

__all__ = ["without_warnings"]

_count = itertools.count()


@contextlib.contextmanager
def without_warnings(*messages: str) -> Iterator[None]:
    """Ignore certain warnings, also where all others are errors (``python -W error``).

    ``warnings.catch_warnings`` would put all filters back at its end, also over what other threads
    set meanwhile. This adds one filter of its own and takes that one away.

    Args:
        messages: regular expressions for how they begin.
    """
    # The number, a comment to the expression, keeps apart the filters of several threads.
    pattern = f"(?#safeasr {next(_count)})({'|'.join(messages)})"
    warnings.filterwarnings("ignore", pattern)
    try:
        yield
    finally:
        for entry in list(warnings.filters):
            if getattr(entry[1], "pattern", None) == pattern:
                with contextlib.suppress(ValueError):
                    warnings.filters.remove(entry)  # type: ignore[attr-defined]
