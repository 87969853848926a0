"""The progress bar."""

from __future__ import annotations

from typing import Any

from tqdm import tqdm

__all__ = ["Bar"]


# tqdm is generic for type checkers only.
class Bar(tqdm):  # type: ignore[type-arg]
    """tqdm's, which gives its lock back when it cannot write.

    tqdm itself keeps the lock that all bars of a process share when a broken standard error raises
    in the middle of drawing. Every other thread with a bar would wait for it for ever.
    """

    def refresh(self, nolock: bool = False, lock_args: Any = None) -> None:
        """Draw the bar; as of tqdm."""
        if nolock or lock_args:
            super().refresh(nolock, lock_args)
            return
        with self.get_lock():  # type: ignore[no-untyped-call]
            super().refresh(nolock=True)
