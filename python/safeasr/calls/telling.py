"""Log handlers and exporters of spans: code of others, on a thread that nothing waits for."""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from safeasr.calls.dispatcher import TELLING

__all__ = ["tell_later"]

#: What may wait to be told. Whoever tells more slowly than it comes misses what is beyond that.
_MOST: Final = 4096
#: How long the end of the process waits for what was not told yet.
_AT_EXIT_S: Final = 2.0

_until: float | None = None


def tell_later(tell: Callable[[], None]) -> None:
    """Call it on the thread for telling, soon; or never, if too much waits there.

    An exporter may take as long as its network does. On the threads that all pipelines share, or
    under a lock of a stream, it would hold up everybody's chunks.
    """
    if TELLING.waiting >= _MOST:
        return

    def run() -> None:
        with suppress(BaseException):  # SystemExit, too, ends nothing but this
            if _until is None or time.monotonic() < _until:
                tell()

    TELLING.run(run)


@atexit.register  # later than the dispatcher's, so it runs before that, which waits for the thread
def _hurry() -> None:
    global _until
    _until = time.monotonic() + _AT_EXIT_S
