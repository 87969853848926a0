"""Downloads that no log shows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from logging import Filter, LogRecord, getLogger

__all__ = ["unlogged"]

_silent: ContextVar[bool] = ContextVar("safeasr_silent", default=False)


class _Silence(Filter):
    def filter(self, record: LogRecord) -> bool:
        return not _silent.get()


for _name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy"):
    getLogger(_name).addFilter(_Silence())


@contextlib.contextmanager
def unlogged() -> Iterator[None]:
    """Within it, httpx and httpcore log nothing on this thread: they would show whole URLs."""
    before = _silent.set(True)
    try:
        yield
    finally:
        _silent.reset(before)
