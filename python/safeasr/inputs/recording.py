"""A recording that is decoded as it is needed, so that its length costs no memory."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from safeasr.inputs.arrays import mono_float32
from safeasr.inputs.reading import Parts

__all__ = ["BLOCK_S", "Block", "Recording"]

_Samples = NDArray[np.float32]

#: Length of a block in seconds: FunASR's detector takes a recording in chunks of a minute.
BLOCK_S: Final = 60
#: So much more must be known before a block is given out that there is one behind it: what a
#: resampler adds or leaves out at the end is less.
_MORE_S: Final = 1


class Block(NamedTuple):
    """A piece of a recording.

    Attributes:
        samples: float32 (n,), mono.
        is_last: whether nothing comes after it.
    """

    samples: _Samples
    is_last: bool


class Recording:
    """The samples of one recording in blocks of :data:`BLOCK_S` seconds; the last has the rest.

    One thread at a time may read it, and any may close it.

    Attributes:
        read_s: seconds that reading took so far.
        read_until: time of the monotonic clock at which the last read ended.
    """

    def __init__(
        self,
        parts: Parts,
        rate: int,
        errors: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        """Nothing is read yet.

        Args:
            parts: what a decoder gives.
            rate: of the samples, in Hz.
            errors: what reading is done within, to say in which input something is wrong.
        """
        self._parts = parts
        self._errors = errors
        self._rate = rate
        self.read_s = 0.0
        self.read_until = time.monotonic()
        self._block, self._more = BLOCK_S * rate, _MORE_S * rate
        self._waiting: list[_Samples] = []
        self._count = 0  # of those that wait
        self._given = 0
        self._skip = 0  # so many of what comes were given out already
        self._idle: deque[None] = deque((None,))  # empty while a thread reads
        self._closed = False

    @classmethod
    def of_samples(cls, samples: _Samples, rate: int) -> Recording:
        """One that lies in memory: float32 (n,), mono. Its blocks are views."""

        def parts() -> Parts:
            yield samples
            return None

        return cls(parts(), rate)

    @property
    def ended(self) -> bool:
        """Whether nothing of it will be read any more."""
        return self._closed

    def read(self) -> Block:
        """The next block.

        Raises:
            AudioError: if it cannot be decoded, or the whole recording has no samples.
            DeadlineExceededError: if the deadline passed.
            ValueError: after the last block, or once it is closed.
        """
        if self._closed or not self._take():
            raise ValueError("the recording is closed, or being read by another thread")
        began = time.monotonic()
        try:
            with self._errors():
                return self._read()
        except BaseException:
            self._closed = True
            raise
        finally:
            self.read_until = time.monotonic()
            self.read_s += self.read_until - began
            self._idle.append(None)
            if self._closed:
                self._end()

    @property
    def given_s(self) -> float:
        """Seconds of audio that were given out so far."""
        return self._given / self._rate

    def _read(self) -> Block:
        while self._count < self._block + self._more:
            try:
                part = next(self._parts)
            except StopIteration:
                return self._last()
            if part is None:
                # What was given out stays as it is; what comes now goes on behind it.
                self._waiting.clear()
                self._count, self._skip = 0, self._given
            else:
                self._keep(part)
        samples = self._joined()
        self._waiting = [samples[self._block :]]
        self._count -= self._block
        self._given += self._block
        return Block(samples[: self._block], is_last=False)

    def _last(self) -> Block:
        self._closed = True
        samples = self._joined()
        if not self._given:
            samples = mono_float32(samples)  # raises if there are none
        self._given += len(samples)
        return Block(samples, is_last=True)

    def _keep(self, part: _Samples) -> None:
        again = min(self._skip, len(part))
        self._skip -= again
        part = part[again:]
        if len(part):
            self._waiting.append(part)
            self._count += len(part)

    def _joined(self) -> _Samples:
        if len(self._waiting) == 1:
            return self._waiting[0]
        return np.concatenate(self._waiting) if self._waiting else np.zeros(0, np.float32)

    def close(self) -> None:
        """Close what it is read from; if a thread reads just now, as soon as it has done that."""
        self._closed = True
        self._end()

    def _end(self) -> None:
        if self._take():
            self._parts.close()
            self._waiting.clear()
            self._idle.append(None)

    def _take(self) -> bool:
        with suppress(IndexError):
            self._idle.popleft()
            return True
        return False
