"""Raw 16-bit samples: reading them, and telling them from other bytes.

Any bytes of an even number are valid samples, so a JSON page and a ZIP archive are too: noise, in
which a recogniser hears nothing or makes words up. Sound is known by what its two bytes are: the
low byte is close to random, and the high byte says how loud it is and changes little from sample
to sample. So samples cost few bits when read with the high byte second, and many when read the
other way round. Text, archives and pictures cost the same both ways.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safeasr.errors import AudioError

__all__ = ["decode_pcm16", "looks_like_pcm16"]

#: Samples in a block that is looked at, and blocks at most, spread over all.
_BLOCK: Final = 256
_MOST_BLOCKS: Final = 256
#: Fewer samples say nothing.
_TOO_FEW: Final = 16
#: Bits that a sample may cost; those of random bytes cost 16.4.
_MOST_BITS: Final = 15.8
#: So few bits cost nearly silent samples (-3 to 3), for which the other criteria are too coarse.
_QUIET_BITS: Final = 3.0
#: Bits that a sample costs more with its bytes swapped, at least, and in how many of the blocks.
_SWAPPED_BITS: Final = 0.6
_OF_BLOCKS: Final = 0.8
#: How much louder every other sample may be. Numbers of 32 bits are large and small by turns.
_BY_TURNS: Final = 1.3
#: The mean over the mean magnitude at most: sound goes to both sides of zero.
_ONE_SIDED: Final = 0.9


def decode_pcm16(data: bytes | bytearray | memoryview) -> NDArray[np.float32]:
    """Raw little-endian signed 16-bit mono samples as float32 in [-1, 1).

    Args:
        data: the bytes, contiguous.

    Raises:
        AudioError: if the number of bytes is odd.
    """
    size = memoryview(data).nbytes
    if size % 2:
        raise AudioError(
            f"bytes of raw samples are 16-bit PCM, and {size} bytes are not whole samples"
        )
    samples = np.frombuffer(data, dtype="<i2").astype(np.float32)
    samples *= 2.0**-15
    return samples


def looks_like_pcm16(data: bytes | bytearray | memoryview) -> bool:
    """Whether bytes are 16-bit samples by all appearance: speech, music, noise or silence.

    The criteria were chosen on recordings of speech at 8 to 48 kHz, cut into pieces and amplified
    by -50 to 10 dB, against programs, libraries, archives, pictures, fonts and texts. Of pieces of
    more than 50 samples less than 1 in 200 is not known. What is not 16-bit and little-endian is
    seldom taken for it: floats, 8, 24 and 32 bits, big-endian. Of less than a millisecond nothing
    can be said, nor heard: it passes.

    Args:
        data: any number of bytes; those of a last half sample are ignored.
    """
    whole = np.frombuffer(data, "<i2", memoryview(data).nbytes // 2)
    if len(whole) < _TOO_FEW:
        return len(whole) > 0
    blocks = whole[None]
    if len(whole) > _BLOCK:
        count = len(whole) // _BLOCK
        blocks = whole[: count * _BLOCK].reshape(count, _BLOCK)
        if count > _MOST_BLOCKS:
            blocks = blocks[np.linspace(0, count - 1, _MOST_BLOCKS).astype(int)]
    # Constant blocks are silence, or padding: they say nothing of the others.
    varied = blocks[(blocks != blocks[:, :1]).any(axis=1)]
    if not len(varied):
        return bool(np.abs(blocks[:, 0].astype(np.int32)).max() <= 1)
    samples, swapped = varied.astype(np.float32), varied.byteswap().astype(np.float32)
    bits = _bits(samples)
    if bits.mean() <= _QUIET_BITS:
        return True
    dearer = _bits(swapped) - bits
    doubt = 1 / math.sqrt(samples.size)  # of few samples, means say less
    size = np.abs(samples)
    evens, odds = float(size[:, ::2].mean()), float(size[:, 1::2].mean())
    return bool(
        bits.mean() <= _MOST_BITS
        and dearer.mean() > _SWAPPED_BITS + 2 * doubt
        and (dearer > _SWAPPED_BITS).mean() >= _OF_BLOCKS
        and max(evens, odds) + 1 <= (min(evens, odds) + 1) * (_BY_TURNS + 5 * doubt)
        and abs(float(samples.mean())) <= float(size.mean()) * (_ONE_SIDED + 5 * doubt)
    )


def _bits(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bits that a sample of each block costs, coded much as FLAC does it.

    That is what is left after the best of three predictors, with a code for its mean magnitude.
    """
    left = samples
    costs = []
    for _ in range(3):
        costs.append(np.log2(2 * math.e * np.abs(left).mean(axis=1) + 1))
        left = np.diff(left, axis=1)
        if not left.shape[1]:
            break
    cheapest: NDArray[np.float32] = np.min(costs, axis=0)
    return cheapest
