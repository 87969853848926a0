"""Whole programs and recognisers by the ways of devices, beside those of the CPU's kernels."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import AutoModel, InferenceError
from safeasr.loading.export import open_bundle
from support import models, sense_voice, streaming, streaming_programs
from support.audio import recordings, speech
from support.encoding import Floats, encode
from support.ragged import by_device_ways

pytest.importorskip("funasr", reason="funasr makes the models")

LENGTHS = [0.03, 0.05, 0.2, 0.7, 1.7, 3.3, 6.1, 15.2, 0.02, 4.4]


def rows(width: int) -> list[Floats]:
    rng = np.random.default_rng(3)
    return [rng.standard_normal((n, width)).astype(np.float32) for n in (1, 7, 40, 41, 200)]


@pytest.mark.parametrize("shape", models.SHAPES, ids=lambda shape: shape.name)
def test_encoders(shape: models.Shape, tmp_path: Path) -> None:
    bundle = open_bundle(models.write_model_dir(tmp_path, shape))
    arrays = rows(bundle.frontend["n_mels"] * bundle.frontend["lfr_m"])
    expected = encode(bundle, arrays)
    with by_device_ways():
        found = encode(bundle, arrays)
    for (hidden, alphas), (other_hidden, other_alphas) in zip(found, expected, strict=True):
        np.testing.assert_allclose(hidden, other_hidden, rtol=0, atol=1e-4)
        np.testing.assert_allclose(alphas, other_alphas, rtol=0, atol=1e-5)


def both_ways(make: Callable[[], AutoModel], ask: Callable[[AutoModel], Any]) -> tuple[Any, Any]:
    """The answers of the CPU's kernels and of the ways of devices."""
    usual = ask(make())
    with by_device_ways():
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


def test_sense_voice(tmp_path: Path, make_model: Callable[..., AutoModel]) -> None:
    """Rows of queries, banned tokens, log probabilities of those who ask."""
    directory = sense_voice.write_model_dir(tmp_path)
    clips = [speech(seconds, seed=i) for i, seconds in enumerate(LENGTHS)]

    def ask(model: AutoModel) -> Any:
        def one(i: int) -> Any:
            return model.generate(
                clips[i], key="k", language=["auto", "zh", "en"][i % 3], ban_emo_unk=i % 2 == 0,
                output_timestamp=i % 4 == 1,
            )[0]  # fmt: skip

        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(one, range(len(clips))))

    usual, forced = both_ways(lambda: make_model(directory, max_batch_size=16, max_wait_ms=20), ask)
    assert forced == usual


def jobs(count: int) -> list[tuple[Any, dict[str, Any]]]:
    """Streams of several chunk sizes and look-backs; pieces of one step, of none, of many."""
    made = []
    for seed in range(count):
        chunk = [[0, 10, 5], [0, 8, 4], [5, 10, 5], [4, 10, 0]][seed % 4]
        back = [(4, 1), (0, 0), (-1, -1), (2, 2), (-1, 1)][seed % 5]
        step = chunk[1] * 960
        sizes: Any = [step, streaming.random_sizes(seed, 12000), 3 * step + 77][seed % 3]
        made.append(
            (
                streaming.pieces_of(speech(2.5 + 0.4 * (seed % 7), seed=seed), sizes),
                {
                    "chunk_size": chunk,
                    "encoder_chunk_look_back": back[0],
                    "decoder_chunk_look_back": back[1],
                },
            )
        )
    return made


@pytest.mark.parametrize("shape", streaming.SHAPES, ids=lambda shape: shape.name)
def test_live_streams(
    shape: models.Shape, tmp_path: Path, make_model: Callable[..., AutoModel]
) -> None:
    """Rings in slabs that wrap and grow, beside rings of their own; slots that others had before.

    More streams than the first slab has slots, from several workers.
    """
    directory = streaming.write_streaming_dir(tmp_path, shape)
    work = jobs(40)

    def ask(model: AutoModel) -> Any:
        with ThreadPoolExecutor(len(work)) as pool:
            twice = [
                list(pool.map(lambda job: streaming.safe_texts(model, *job), work))
                for _ in range(2)
            ]
        assert twice[0] == twice[1]
        return twice[0]

    usual, forced = both_ways(lambda: make_model(directory, num_workers=3, max_wait_ms=10), ask)
    assert forced == usual
    assert len({"".join(texts) for texts in usual}) == len(work)


@pytest.mark.parametrize("forced", [False, True], ids=["kernels", "device ways"])
@pytest.mark.parametrize("steps", [1, 3])
def test_steps_that_fail_never_were(
    steps: int, forced: bool, tmp_path: Path, make_model: Callable[..., AutoModel]
) -> None:
    """Every step fails once, when all of it is written; also in the middle of a long piece."""
    directory = streaming.write_streaming_dir(tmp_path / "model", streaming.SHAPES[1])
    countdown = streaming_programs.Countdown(tmp_path / "countdown")
    bundle = streaming_programs.failing_streaming_bundle(directory, tmp_path / "failing", countdown)
    options = {
        "chunk_size": [5, 10, 5],
        "encoder_chunk_look_back": 2,
        "decoder_chunk_look_back": 1,
    }
    pieces = streaming.pieces_of(speech(12.0, seed=5), steps * 9600 + 77)
    with by_device_ways() if forced else nullcontext():
        model = make_model(bundle)
        expected = streaming.safe_texts(model, pieces, options)
        cache: dict[str, Any] = {}
        texts, failed = [], 0
        for number, (samples, is_final) in enumerate(pieces):
            countdown.set(1 + number % steps)
            try:
                answer = model.generate(samples, cache=cache, is_final=is_final, **options)
            except InferenceError:
                failed += 1
                countdown.set(0)
                answer = model.generate(samples, cache=cache, is_final=is_final, **options)
            texts.append(answer[0]["text"])
        model.close()
    assert tuple(texts) == expected
    assert failed > len(pieces) / 2
