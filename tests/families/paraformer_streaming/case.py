"""Streaming Paraformer, for the suites that take every family."""

from __future__ import annotations

from functools import partial
from typing import Any

from support.audio import speech
from support.cases import FamilyCase, LiveJob
from support.streaming import SHAPES, pieces_of, random_sizes, write_streaming_dir

CHUNKS = [[0, 10, 5], [0, 8, 4], [5, 10, 5], [4, 10, 0], [2, 6, 4]]
#: How far encoder and decoder look back; -1 is without end.
BACK = [(4, 1), (0, 0), (-1, -1), (2, 2), (-1, 1), (2, 3)]


def live(count: int) -> list[LiveJob]:
    """Streams of several chunk sizes and look-backs.

    Pieces of one step, of none or many, of odd sizes, and all at once.
    """
    jobs: list[LiveJob] = []
    for seed in range(count):
        chunk, (encoder, decoder) = CHUNKS[seed % len(CHUNKS)], BACK[seed % len(BACK)]
        options = {
            "chunk_size": chunk,
            "encoder_chunk_look_back": encoder,
            "decoder_chunk_look_back": decoder,
        }
        step = chunk[1] * 960
        sizes: Any = [step, random_sizes(seed, 12000), 3 * step + 77, 10**9][seed % 4]
        wave = speech(2.5 + 0.4 * (seed % 7), seed=seed)
        jobs.append((pieces_of(wave, sizes), options))
    return jobs


CASE = FamilyCase(
    name="paraformer_streaming",
    model_class="ParaformerStreaming",
    shapes={shape.name: partial(write_streaming_dir, shape=shape) for shape in SHAPES},
    live=live,
    graphs=True,
)
