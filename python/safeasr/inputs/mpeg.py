"""MP3 or samples: the one case in which libsndfile is too easily convinced.

To libsndfile eleven set bits are the start of an MP3, and a sample of -1, common in quiet noise,
has sixteen. It then searches on, finds something, and decodes noise. Hence a look at the frames
first: two that fit together. FunASR's ``utils/load_utils.py`` draws the same line.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["LOOK_AT", "is_mpeg_stream"]

# MPEG-1 and MPEG-2 bit rates in kbit/s by layer, index 1 to 14 (ISO/IEC 11172-3, 13818-3).
_BITRATES_1 = {
    1: (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    2: (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    3: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
_BITRATES_2 = {
    1: (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    2: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    3: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_1 = (44100, 48000, 32000)
#: How far to look for the second frame of a stream that does not state its bit rate.
_FREE_FORMAT_SEARCH = 8192
#: Two frames of the longest kind fit well into this.
LOOK_AT = 2 * _FREE_FORMAT_SEARCH + 64


class _MpegFrame(NamedTuple):
    stream: tuple[int, int, int]  # version, layer and rate: the same in all frames of a stream
    length: int  # bytes including padding; 0 if the bit rate is not stated
    padding: int  # bytes


def is_mpeg_stream(data: bytes) -> bool:
    """Whether the bytes begin with two frames of one MPEG audio stream, without any tag before.

    Args:
        data: the beginning, of :data:`LOOK_AT` bytes if there are as many.
    """
    first = _mpeg_frame(data, 0)
    if first is None:
        return False
    if first.length:
        second = _mpeg_frame(data, first.length)
        return second is not None and second.stream == first.stream and second.length > 0
    # Free format: all frames have the same unstated length, so the third must be there as well.
    for offset in range(24, min(len(data) - 3, _FREE_FORMAT_SEARCH)):
        second = _mpeg_frame(data, offset)
        if second is None or second.stream != first.stream or second.length:
            continue
        third = _mpeg_frame(data, 2 * offset - first.padding + second.padding)
        if third is not None and third.stream == first.stream and not third.length:
            return True
    return False


def _mpeg_frame(data: bytes, offset: int) -> _MpegFrame | None:
    if offset + 4 > len(data):
        return None
    header = int.from_bytes(data[offset : offset + 4], "big")
    version = header >> 19 & 3  # 0: MPEG-2.5, 2: MPEG-2, 3: MPEG-1
    layer = 4 - (header >> 17 & 3)
    bitrate = header >> 12 & 15
    rate = header >> 10 & 3
    if header >> 21 != 0x7FF or version == 1 or layer == 4 or bitrate == 15 or rate == 3:
        return None
    slot = 4 if layer == 1 else 1
    padding = (header >> 9 & 1) * slot
    stream = (version, layer, rate)
    if bitrate == 0:
        return _MpegFrame(stream, 0, padding)
    bits_per_s = (_BITRATES_1 if version == 3 else _BITRATES_2)[layer][bitrate - 1] * 1000
    hertz = _RATES_1[rate] // {3: 1, 2: 2, 0: 4}[version]
    samples = 384 if layer == 1 else 576 if layer == 3 and version != 3 else 1152
    return _MpegFrame(stream, samples // 8 // slot * bits_per_s // hertz * slot + padding, padding)
