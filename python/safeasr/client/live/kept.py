"""The audio of a live session: what waits to be sent, and what may have to be sent again."""

from __future__ import annotations

from typing import Final

__all__ = ["KeptAudio"]

_WIDTH: Final = 2  # bytes of a sample


class KeptAudio:
    """16-bit samples from the last finished sentence on.

    Places are counted in samples of the whole session. Of what was sent before, at most a limit is
    kept: a microphone must not wait because nobody speaks. What was never sent is all kept, so
    whoever adds to it waits while it is :attr:`full`.

    Attributes:
        begin: of what is kept.
        end: of all that was given.
        sent: of what was sent on this connection.
    """

    def __init__(self, fs: int, keep_s: float) -> None:
        """Nothing was given yet.

        Args:
            fs: rate in Hz.
            keep_s: the limit, of what was sent and of what was not, in seconds.
        """
        self.begin = 0
        self.end = 0
        self.sent = 0
        self._most = max(1, int(fs * keep_s))
        self._data = bytearray()
        self._ever_sent = 0
        #: Where the last finished sentence ended.
        self._finished = 0

    @property
    def full(self) -> bool:
        """Whether no more may be added now."""
        return self.end - self._ever_sent >= self._most

    @property
    def new(self) -> bool:
        """Whether some of it was sent on no connection yet."""
        return self.end > self._ever_sent

    def add(self, pcm: bytes) -> None:
        """Take more, whole samples."""
        self._data += pcm
        self.end += len(pcm) // _WIDTH

    def take(self, most: int) -> bytes:
        """What is to be sent next, of at most so many samples; b"" if nothing waits."""
        first = (self.sent - self.begin) * _WIDTH
        piece = bytes(self._data[first : first + most * _WIDTH])
        self.sent += len(piece) // _WIDTH
        self._ever_sent = max(self._ever_sent, self.sent)
        self._drop(min(self.sent, self._ever_sent - self._most))
        return piece

    def finish(self, place: int) -> None:
        """A sentence has ended there; what was said before need not be said again."""
        # A server cannot have heard what it was not sent.
        self._finished = max(self._finished, min(place, self.sent))
        self._drop(self._finished)

    def rewind(self) -> tuple[int, int]:
        """Send all of it again, on another connection.

        Returns:
            how many samples are sent again, and how many of the open sentence are not kept.
        """
        lost = self.begin - self._finished
        self.sent = self._finished = self.begin
        return self._ever_sent - self.begin, lost

    def _drop(self, place: int) -> None:
        if place > self.begin:
            del self._data[: (place - self.begin) * _WIDTH]
            self.begin = place
