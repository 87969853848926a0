"""What a system without room for another thread says, as an error of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from safeasr.errors import OutOfMemoryError

__all__ = ["starting_threads"]

#: The words of Python, which has no class for it.
_NO_ROOM = "can't start new thread"


@contextmanager
def starting_threads() -> Iterator[None]:
    """Around whatever starts threads.

    Raises:
        OutOfMemoryError: if the system starts no more of them: for want of memory for their stacks,
            or by a limit of processes.
    """
    try:
        yield
    except RuntimeError as error:
        if _NO_ROOM not in str(error):
            raise
        raise OutOfMemoryError("the system starts no more threads") from error
