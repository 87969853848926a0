"""The segments of a recording in which somebody speaks."""

from __future__ import annotations

from itertools import pairwise

__all__ = ["Segments", "merge_segments"]

#: ``[start_ms, end_ms]``, in order.
Segments = list[list[int]]


def merge_segments(segments: Segments, longest_ms: int) -> Segments:
    """Put neighbouring segments together, with the silence between them.

    As in FunASR (``utils/vad_utils.py``), segments are cut at their own edges only, so one may
    become longer; the first one begins at 0.

    Args:
        segments: ``[start_ms, end_ms]``, in order.
        longest_ms: length up to which they are put together.
    """
    if len(segments) <= 1:
        return segments
    edges = sorted({edge for segment in segments for edge in segment})
    merged, begin = [], 0
    for edge, following in pairwise(edges):
        if following - begin < longest_ms:
            continue
        if edge > begin:
            merged.append([begin, edge])
        begin = edge
    return [*merged, [begin, edges[-1]]]
