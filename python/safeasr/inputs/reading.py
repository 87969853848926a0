"""How a recording is to be read, and what it may cost: the terms that every decoder works under."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from safeasr.deadlines import require_time
from safeasr.errors import AudioError, AudioTooLongError
from safeasr.inputs.arrays import DEFAULT_SAMPLE_RATE, fitted, length_at
from safeasr.warn import warn

__all__ = ["DEFAULT_MAX_SECONDS", "AtRate", "Parts", "Reading"]

#: The longest recording unless the caller says otherwise, in seconds: 10 hours. Longer than what
#: people record in one piece; at 16 kHz its samples take 2.3 GB, which a small machine may have.
DEFAULT_MAX_SECONDS: Final = 36_000.0
#: What a decoder gives: mono float32 samples at the wanted rate, bit by bit; None where all that
#: came before was wrong and it begins again. It returns what is wrong with the file, in words, or
#: None.
Parts = Generator["NDArray[np.float32] | None", None, "str | None"]
#: More samples than this are not in a byte of any format: FLAC packs 65,535 equal samples into 14
#: bytes. A header that claims more is wrong, and what is there counts.
_MOST_SAMPLES_A_BYTE: Final = 5000


@dataclass(frozen=True)
class Reading:
    """The terms of reading one recording.

    Attributes:
        sample_rate: the wanted rate in Hz.
        fs: rate in Hz of raw samples, which state none.
        fs_given: whether the caller said so, and so that there may be raw samples.
        is_pcm: raw 16-bit samples by the caller's word: nothing is looked at.
        deadline: time of the monotonic clock by which it must be done; None: no limit.
        max_seconds: the longest recording that is taken.
        strict: a damaged recording is refused.
    """

    sample_rate: int = DEFAULT_SAMPLE_RATE
    fs: int = DEFAULT_SAMPLE_RATE
    fs_given: bool = False
    is_pcm: bool = False
    deadline: float | None = None
    max_seconds: float = DEFAULT_MAX_SECONDS
    strict: bool = False

    def require_time(self) -> None:
        """Raise DeadlineExceededError if the deadline has passed."""
        require_time(self.deadline)

    def require_length(self, count: int, rate: int, shown: str, how: str = "lasts") -> None:
        """Raise if so many samples are more than the limit.

        Args:
            count: samples of one channel.
            rate: their rate in Hz.
            shown: the recording, for the message.
            how: how that is known, for the message.

        Raises:
            AudioTooLongError: if they are; it says both lengths.
        """
        if count > self.max_seconds * rate:
            raise AudioTooLongError(
                f"audio {shown} {how} {count / rate:,.1f} s, and max_audio_seconds allows "
                f"{self.max_seconds:,.1f} s"
            )

    def check_claim(self, count: int, rate: int, size: int, shown: str) -> None:
        """Raise if a header claims more than the limit, and the file may well hold that.

        Args:
            count: samples of one channel that the header claims.
            rate: their rate in Hz.
            size: of the file in bytes.
            shown: the recording, for the message.

        Raises:
            AudioTooLongError: if it does.
        """
        if count <= _MOST_SAMPLES_A_BYTE * size:
            self.require_length(count, rate, shown, "by its header lasts")

    def report_damage(self, shown: str, damage: str) -> None:
        """Refuse a damaged recording, or warn that only a part of it is used.

        Raises:
            AudioError: if damaged recordings are refused.
        """
        if self.strict:
            raise AudioError(f"audio {shown} is damaged: {damage} (strict_audio=True)")
        warn(f"audio {shown} is damaged: {damage}. What could be decoded is used")


class AtRate:
    """Blocks of a recording as they come out of a decoder, taken to the wanted rate.

    Together they are what resampling the recording as a whole gives, to the bit.
    """

    def __init__(self, rate: int, reading: Reading, shown: str) -> None:
        """Begin a recording.

        Args:
            rate: of the blocks that will come, in Hz.
            reading: the terms.
            shown: the recording, for messages.
        """
        self._rate = rate
        self._reading = reading
        self._shown = shown
        self._stream: Any = None
        self._made = 0
        self.count = 0

    def next(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """The next samples, mono; what can be told of them at the wanted rate.

        Raises:
            AudioTooLongError: if they are too many in all.
            DeadlineExceededError: if the deadline passed.
        """
        self._reading.require_time()
        self.count += len(block)
        self._reading.require_length(self.count, self._rate, self._shown, "lasts at least")
        return self._resampled(block, last=False)

    def last(self) -> NDArray[np.float32]:
        """What is still to be told at the end, so that the length is librosa's."""
        made_before = self._made
        rest = self._resampled(np.zeros(0, np.float32), last=True)
        if self._stream is None:
            return rest
        left = length_at(self.count, self._rate, self._reading.sample_rate) - made_before
        return fitted(rest, max(left, 0))

    def _resampled(self, block: NDArray[np.float32], *, last: bool) -> NDArray[np.float32]:
        wanted = self._reading.sample_rate
        if self._rate == wanted or not self.count:
            return block
        if self._stream is None:
            import soxr

            self._stream = soxr.ResampleStream(self._rate, wanted, 1, dtype="float32", quality="HQ")
        made: NDArray[np.float32] = self._stream.resample_chunk(block, last=last)
        self._made += len(made)
        return made
