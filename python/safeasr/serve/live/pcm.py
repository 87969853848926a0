"""Raw samples as they arrive: frames that end in the middle of one, files that pass for raw."""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safeasr.serve.problems import Problem

__all__ = ["PcmFrames", "a_law", "mu_law"]

_LONGEST_HEADER: Final = 4096
_PCM: Final = 1
_EXTENSIBLE: Final = 0xFFFE


class PcmFrames:
    """Frames of 16-bit samples, little-endian, of one channel.

    Clients send WAV files as raw samples, header and all (FunASR's page does): a header at the very
    beginning is taken out, and what it says of the rate holds.

    Attributes:
        rate: in Hz; a header may change it before the first samples come out.
    """

    def __init__(self, rate: int) -> None:
        """Nothing has come yet."""
        self.rate = rate
        self._channels = 1
        self._left = b""
        self._at_the_beginning = True

    def take(self, frame: bytes) -> NDArray[np.int16]:
        """The samples (n,) that are whole by now.

        Raises:
            Problem: a header says that they are something else.
        """
        data = self._left + frame if self._left else frame
        if self._at_the_beginning:
            start = self._start(data)
            if start is None:
                self._left = bytes(data)
                return np.zeros(0, np.int16)
            self._at_the_beginning = False
            data = data[start:]
        size = 2 * self._channels
        whole = len(data) - len(data) % size
        self._left = bytes(data[whole:])
        samples = np.frombuffer(data, "<i2", whole // 2)
        if self._channels == 1:
            return samples
        mixed = samples.reshape(-1, self._channels).mean(axis=1)
        return np.asarray(mixed.round(), np.int16)

    def rest(self) -> NDArray[np.int16]:
        """What is left when nothing more comes; half a sample is none."""
        data, self._left = self._left, b""
        if not self._at_the_beginning or data[:4] == b"RIFF":
            return np.zeros(0, np.int16)
        return np.frombuffer(data, "<i2", len(data) // 2)

    def _start(self, data: bytes) -> int | None:
        """Where the samples begin; None: that is not known yet."""
        if data[:4] != b"RIFF"[: len(data)]:
            return 0
        if len(data) < 12:
            return None
        if data[8:12] != b"WAVE":
            return 0
        at = 12
        while at + 8 <= len(data):
            name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
            if name == b"data":
                return at + 8
            if name == b"fmt " and at + 24 <= len(data):
                self._read_format(data[at + 8 : at + 24])
            at += 8 + size + size % 2
            if at > _LONGEST_HEADER:
                raise Problem(400, "no samples follow the WAV header", "invalid_audio")
        return None

    def _read_format(self, fields: bytes) -> None:
        kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", fields)
        right = kind in (_PCM, _EXTENSIBLE) and bits == 16 and 1 <= channels <= 8
        if not right or not 1000 <= rate <= 384_000:
            raise Problem(400, "a WAV file that is sent live must be 16-bit PCM", "invalid_audio")
        self._channels, self.rate = channels, rate


def _tables() -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """G.711: the sample that each of the 256 codes stands for."""
    code = np.arange(256)
    inverted = code ^ 0xFF
    shift, step = (inverted >> 4) & 7, inverted & 15
    mu = (((step << 3) + 0x84) << shift) - 0x84
    mu = np.where(inverted & 0x80, -mu, mu)
    inverted = code ^ 0x55
    shift, step = (inverted >> 4) & 7, inverted & 15
    low, high = (step << 4) + 8, ((step << 4) + 0x108) << np.maximum(shift - 1, 0)
    a = np.where(shift == 0, low, high)
    a = np.where(inverted & 0x80, a, -a)
    return mu.astype(np.int16), a.astype(np.int16)


_MU, _A = _tables()


def mu_law(data: bytes) -> NDArray[np.int16]:
    """Samples (n,) of G.711 mu-law."""
    return np.asarray(_MU[np.frombuffer(data, np.uint8)])


def a_law(data: bytes) -> NDArray[np.int16]:
    """Samples (n,) of G.711 A-law."""
    return np.asarray(_A[np.frombuffer(data, np.uint8)])
