"""FSMN-VAD, for the suites that take every family."""

from __future__ import annotations

from functools import partial

from support.cases import FamilyCase, LiveJob
from support.vad import SHAPES, conversation, cut, write_vad_dir


def live(count: int) -> list[LiveJob]:
    """Conversations in pieces of one size, of random sizes, and whole."""
    jobs: list[LiveJob] = []
    for seed in range(count):
        size = [960, 3200, None][seed % 3]
        pieces = cut(conversation(8, seed), size, seed)
        last = len(pieces) - 1
        options = {"chunk_size": [60, 200][seed % 2], "is_streaming_input": True}
        jobs.append(([(piece, i == last) for i, piece in enumerate(pieces)], options))
    return jobs


CASE = FamilyCase(
    name="fsmn_vad",
    model_class="FsmnVADStreaming",
    shapes={shape.name: partial(write_vad_dir, shape=shape) for shape in SHAPES},
    calls=[{}, {"max_end_silence_time": 300}],
    live=live,
    clip=conversation,
    lengths=(2, 5, 9, 14, 22, 70),
)
