"""From the rate of a live stream's samples to that of a model, across chunks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["StreamResampler"]

_Samples = NDArray[np.float32]
#: How much of the past is kept, in s: far more than the filter is long or soxr holds back.
_KEEP_S = 1.0


class StreamResampler:
    """Resamples a stream chunk by chunk, without a seam; the last chunk can be taken back.

    What it returns for some chunks is, put together, what soxr makes of them as one recording. It
    belongs to one thread at a time.
    """

    def __init__(self, rate: int, target: int) -> None:
        """At the beginning of a stream.

        Args:
            rate: of the samples that will come, in Hz.
            target: of those that are returned, in Hz.
        """
        self.rate = rate
        self._target = target
        #: After so many samples both rates are at a whole number of samples again.
        self._period = rate // math.gcd(rate, target)
        self._restart()
        self._before = self._state()

    def _restart(self) -> None:
        self._stream: Any = None
        #: What the present stream will tell once more.
        self._told_before = 0
        self._past: _Samples = np.zeros(0, np.float32)
        self._taken = 0
        self._made = 0

    def _state(self) -> tuple[_Samples, int, int]:
        return self._past, self._taken, self._made

    def __call__(self, samples: _Samples, last: bool) -> _Samples:
        """The samples at the target's rate, as far as they can be told by now.

        Args:
            samples: (n,), what comes next.
            last: the stream ends with them; what comes next begins another.
        """
        self._before = self._state()
        if self.rate == self._target:
            return samples
        made = self._resample(samples, last)
        if last:
            self._restart()
        else:
            self._past = np.concatenate([self._past, samples])[-int(_KEEP_S * self.rate) :]
            self._taken += len(samples)
            self._made += len(made)
        return made

    def _resample(self, samples: _Samples, last: bool) -> _Samples:
        if self._stream is None:
            import soxr

            self._stream = soxr.ResampleStream(self.rate, self._target, 1, dtype="float32")
            self._told_before = 0
            if self._taken:
                # It hears the past again, from where both rates are at whole samples.
                began = self._taken - len(self._past)
                skipped = -began % self._period
                samples = np.concatenate([self._past[skipped:], samples])
                self._told_before = self._made - (began + skipped) * self._target // self.rate
        made: _Samples = self._stream.resample_chunk(samples, last=last)
        again = min(self._told_before, len(made))
        self._told_before -= again
        return made[again:]

    def take_back(self) -> None:
        """As if the last chunk had never come."""
        self._past, self._taken, self._made = self._before
        self._stream = None
