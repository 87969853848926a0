"""How far a call is: its progress bar and its callback. Neither can make it fail."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import TracebackType
from typing import Any

from safeasr.warn import log_exception

__all__ = ["Progress"]

_log = logging.getLogger("safeasr")


class Progress:
    """Counts what is done; a context manager."""

    def __init__(
        self, total: int, *, bar: bool, callback: Callable[[int, int], object] | None
    ) -> None:
        """Nothing is done yet.

        Args:
            total: how many there will be.
            bar: show a bar on the standard error.
            callback: called as ``fn(done, total)``.
        """
        self._total = total
        self._done = 0
        self._callback = callback
        self._bar: Any = None
        if bar:
            self._on_bar(self._open_bar)

    def _open_bar(self) -> None:
        from safeasr.calls.bar import Bar

        self._bar = Bar(total=self._total, colour="blue", dynamic_ncols=True)

    def _on_bar(self, do: Callable[[], object]) -> None:
        """Whoever closed the standard error, or its other end, wants no bar; the call goes on."""
        try:
            do()
        except Exception:
            bar, self._bar = self._bar, None
            if bar is not None:
                bar.disable = True  # or it would try again when it is collected

    def step(self) -> None:
        """One more is done."""
        self._done += 1
        if self._bar is not None:
            self._on_bar(lambda: self._bar.update(1))
        if self._callback is not None:
            try:
                self._callback(self._done, self._total)
            except Exception:
                log_exception(_log, "progress_callback raised")

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._on_bar(self._bar.close)
