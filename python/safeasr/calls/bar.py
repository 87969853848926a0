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

    def refresh(self, nolock: bool = False, lock_args: Any = None) -> bool | None:
        """Draw the bar; as of tqdm.

        Returns:
            Whether it was drawn; None for a bar that shows nothing.
        """
        if nolock or lock_args:
            return super().refresh(nolock, lock_args)
        with self.get_lock():
            return super().refresh(nolock=True)
