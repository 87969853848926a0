"""Recognisers of every family by the ways of devices, beside those of the CPU's kernels."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import AutoModel
from support.audio import recordings, speech
from support.cases import CASES, FamilyCase, live_answers, of_calls, plain
from support.ragged import on_tensor_op_path

pytest.importorskip("funasr", reason="funasr makes the models")

LENGTHS = [0.03, 0.05, 0.2, 0.7, 1.7, 3.3, 6.1, 15.2, 0.02, 4.4]


def both_ways(make: Callable[[], AutoModel], ask: Callable[[AutoModel], Any]) -> tuple[Any, Any]:
    """The answers of the CPU's kernels and of the ways of devices."""
    usual = ask(make())
    with on_tensor_op_path():
        model = make()
        forced = ask(model)
        model.close()
    return usual, forced


def test_recordings(make_model: Callable[..., AutoModel]) -> None:
    """Text and times: features, encoder, CIF and decoder in batches of any lengths."""
    clips = [*recordings(), *(speech(seconds, seed=i) for i, seconds in enumerate(LENGTHS))]

    def ask(model: AutoModel) -> Any:
        listed = model.generate(clips, key=["k"] * len(clips), pred_timestamp=True)
        alone = [model.generate(clip, key="k", pred_timestamp=True)[0] for clip in clips[:4]]
        assert alone == listed[:4]
        return listed

    usual, forced = both_ways(
        lambda: make_model("demo", max_batch_size=16, max_wait_ms=20, num_workers=2), ask
    )
    real = len(recordings())
    assert forced[real:] == usual[real:]
    assert sum(len(one["text"]) for one in usual) > 20
    for one, other in zip(forced[:real], usual[:real], strict=True):
        assert one["text"] == other["text"]
        # Over a minute, sums of CIF weights come so near to a whole number that other roundings
        # fire a frame earlier or later.
        found, wanted = np.array(one["timestamp"]), np.array(other["timestamp"])
        assert np.abs(found - wanted).max() <= 62
        assert (found == wanted).mean() > 0.98


@of_calls()
@pytest.mark.slow
def test_calls(case: FamilyCase, tmp_path: Path, make_model: Callable[..., AutoModel]) -> None:
    """Requests of all lengths and options in common batches."""
    directory = case.write(tmp_path)
    jobs = [
        (case.clip(seconds, i), case.calls[i % len(case.calls)])
        for i, seconds in enumerate([*LENGTHS, *case.lengths])
        if seconds >= case.shortest
    ]

    def ask(model: AutoModel) -> Any:
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(lambda job: model.generate(job[0], key="k", **job[1]), jobs))
        return plain(results)

    usual, forced = both_ways(lambda: make_model(directory, max_batch_size=16, max_wait_ms=20), ask)
    assert forced == usual


@pytest.mark.parametrize(
    ("case", "shape"),
    [(case, shape) for case in CASES if case.live for shape in case.shapes],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
@pytest.mark.slow
def test_live_streams(
    case: FamilyCase, shape: str, tmp_path: Path, make_model: Callable[..., AutoModel]
) -> None:
    """Rings in slabs that wrap and grow, beside rings of their own; slots that others had before.

    More streams than the first slab has slots, from several workers.
    """
    assert case.live is not None
    directory = case.shapes[shape](tmp_path)
    work = case.live(40)

    def ask(model: AutoModel) -> Any:
        with ThreadPoolExecutor(len(work)) as pool:
            twice = [list(pool.map(lambda job: live_answers(model, job), work)) for _ in range(2)]
        assert twice[0] == twice[1]
        return twice[0]

    usual, forced = both_ways(lambda: make_model(directory, num_workers=3, max_wait_ms=10), ask)
    assert forced == usual
    # Conversations may have equal segments by chance; nearly all differ, or nothing was compared.
    assert len({"".join(texts) for texts in usual}) > 0.75 * len(work)
