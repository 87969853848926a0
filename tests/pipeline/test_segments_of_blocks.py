"""Segments of a recording that comes block by block: those of the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from safeasr import AutoModel
from safeasr.pipeline.segments import Merging, Tail, merge_segments
from support.audio import Samples
from support.vad import conversation


@pytest.fixture(scope="module")
def wave() -> Samples:
    """With a long pause in it."""
    return np.concatenate(
        [conversation(35, seed=5), np.zeros(16000 * 20, np.float32), conversation(30, seed=6)]
    )


@pytest.mark.parametrize("options", [{}, {"max_end_silence_time": 300}, {"chunk_size": 3000}])
def test_a_detector_takes_blocks(wave: Samples, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(1)
    with AutoModel("demo-vad", disable_pbar=True) as model:
        vad: Any = model._companions.main
        engine = model._engine
        at_once = vad.recording(options).submit(engine, wave, is_final=True)
        assert at_once.wait(60)
        whole = at_once.get()["segments"]
        assert len(whole) > 5
        for _ in range(10):
            stream = vad.recording(options)
            found: list[list[int]] = []
            at, needed = 0, 0
            while at < len(wave):
                size = int(rng.integers(0, 16000 * 20))
                block = np.ascontiguousarray(wave[at : at + size])
                at += size
                ticket = stream.submit(engine, block, is_final=at >= len(wave))
                assert ticket.wait(60)
                new = ticket.get()["segments"]
                assert all(start >= needed for start, _ in new)
                found += new
                if at < len(wave):
                    assert needed <= stream.needed_from <= at / 16
                    needed = stream.needed_from
            assert found == whole


def test_silence_is_not_kept() -> None:
    with AutoModel("demo-vad", disable_pbar=True) as model:
        vad: Any = model._companions.main
        stream = vad.recording({})
        for minute in range(1, 6):
            ticket = stream.submit(model._engine, np.zeros(16000 * 60, np.float32))
            assert ticket.wait(60)
            assert stream.needed_from > minute * 60_000 - 1000


def test_merging_bit_by_bit() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        edges = np.sort(rng.choice(60000, 2 * int(rng.integers(0, 12)), replace=False)).tolist()
        segments = [list(pair) for pair in zip(edges[::2], edges[1::2], strict=True)]
        longest = int(rng.integers(0, 30000))
        merging = Merging(longest)
        found: list[list[int]] = []
        for segment in segments:
            needed = merging.needed_from
            new = merging.add([segment])
            assert all(start >= needed for start, _ in new)
            found += new
        assert found + merging.end() == merge_segments(segments, longest)


def test_the_tail_of_a_recording() -> None:
    rng = np.random.default_rng(2)
    samples = rng.standard_normal(50_000).astype(np.float32)
    tail = Tail(8000)
    at = begin = 0
    while at < len(samples):
        size = int(rng.integers(0, 5000))
        tail.add(samples[at : at + size])
        at = min(at + size, len(samples))
        for _ in range(5):
            start, end = sorted(rng.integers(begin, at // 8 + 20, 2).tolist())
            np.testing.assert_array_equal(tail.cut(start, end), samples[:at][start * 8 : end * 8])
        begin = int(rng.integers(begin, max(begin, at // 8) + 1))
        tail.forget(begin)
        assert sum(map(len, tail._blocks)) <= at - begin * 8 + 5000
