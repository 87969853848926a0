"""A ticket that Python finishes: of a pipeline, or of a reader that waits for what comes next."""

from __future__ import annotations

from typing import Any

from safeasr._extension import _ext

__all__ = ["Promise"]


class Promise(_ext.Promise):
    """Finished once, by :meth:`resolve`, :meth:`fail` or ``cancel``; waited for like any ticket.

    What it was finished with lies here, where Python's garbage collector sees it: an error knows
    the frames that it came through, and they know the promise.
    """

    #: Whether more of its input is still to be read: then it holds more than a request does.
    reading = False

    def __init__(self) -> None:
        super().__init__()
        self._value: Any = None
        self._error: BaseException | None = None

    def resolve(self, value: Any) -> bool:
        """Finish it with a result; False if it was cancelled before."""
        self._value = value
        return self.finish()

    def fail(self, error: BaseException) -> bool:
        """Finish it with an error, which ``get`` will raise; False if it was cancelled before."""
        self._error = error
        return self.finish(failed=type(error).__name__)

    def runs_here(self) -> bool:
        """Whether the calling thread is in the middle of it: this is a signal handler then."""
        return False

    def require_elsewhere(self) -> None:
        """Raise where waiting for it could never end."""

    @property
    def state(self) -> str:
        """As of the engine's tickets."""
        known: str = super().state
        return "failed" if known == "done" and self._error is not None else known

    def get(self) -> Any:
        """The result; raises what it failed with, and CancelledError if it was cancelled."""
        super().get()
        if self._error is not None:
            raise self._error
        return self._value
