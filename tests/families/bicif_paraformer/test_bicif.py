"""BiCifParaformer's answers are FunASR's: texts and times, alone and in any company."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from safeasr import AutoModel, ExportError, UnsupportedModelError
from safeasr.loading.export import open_bundle
from support.audio import Samples, speech
from support.oracle import Answer, answer_of
from support.seaco import BICIF_SHAPES, TimedOracle, write_bicif
from support.shapes import usual_first

pytest.importorskip("funasr", reason="funasr is the reference")

#: In seconds. 0.05 s is a single frame of the network.
LENGTHS = [0.05, 0.09, 0.2, 0.5, 0.9, 1.4, 2.2, 3.3, 4.7, 6.1, 8.3, 11.0, 16.0, 31.0]
Clips = list[tuple[Samples, Answer]]


@pytest.fixture(scope="module", params=usual_first(BICIF_SHAPES), ids=lambda shape: shape.name)
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, TimedOracle, Clips]:
    """A model, FunASR's, and clips on whose answers FunASR leaves no doubt."""
    directory = write_bicif(tmp_path_factory.mktemp("bicif"), request.param, seed=3)
    oracle = TimedOracle(directory)
    clips: Clips = []
    doubtful = 0
    for index, seconds in enumerate(LENGTHS):
        for attempt in range(8):
            clip = speech(seconds, seed=1000 * attempt + index)
            answer = oracle.answer(clip)
            if answer.clear and answer.clear_times:
                clips.append((clip, answer))
                break
            doubtful += 1
    assert len(clips) > 0.8 * len(LENGTHS)
    assert doubtful < len(LENGTHS)
    return directory, oracle, clips


def test_alone(case: tuple[Path, TimedOracle, Clips], make_model: Callable[..., AutoModel]) -> None:
    directory, _, clips = case
    model = make_model(directory)
    for clip, answer in clips:
        result = model.generate(clip, key="k")[0]
        assert list(result) == ["key", "text", "timestamp"]
        assert answer_of(result) == answer.timed
    # The clips must be able to tell models apart.
    texts = {answer.text for _, answer in clips}
    assert len(texts) > len(clips) / 2
    assert max(len(answer.timed[1]) for _, answer in clips if answer.timed) > 20


def test_any_company_from_16_threads(
    case: tuple[Path, TimedOracle, Clips], make_model: Callable[..., AutoModel]
) -> None:
    directory, _, clips = case
    model = make_model(directory, num_workers=2, max_wait_ms=20, max_batch_frames=4000)
    jobs = clips * 8
    random.Random(0).shuffle(jobs)

    def wrong(thread: int) -> list[Any]:
        return [
            answer
            for clip, answer in jobs[thread::16]
            if answer_of(model.generate(clip)[0]) != answer.timed
        ]

    with ThreadPoolExecutor(16) as pool:
        assert not [one for part in pool.map(wrong, range(16)) for one in part]
    assert model.stats()["mean_batch_size"] > 1.2, "nobody had company: nothing was shown"


def test_begin_time(
    case: tuple[Path, TimedOracle, Clips], make_model: Callable[..., AutoModel]
) -> None:
    directory, oracle, clips = case
    model = make_model(directory, begin_time=700)
    clip, answer = clips[-1]
    for options, wanted in (({}, 700), ({"begin_time": 1234}, 1234), ({"begin_time": 0}, 0)):
        expected = oracle.answer(clip, begin_time=wanted).timed
        assert answer_of(model.generate(clip, **options)[0]) == expected
        assert (expected == answer.timed) == (wanted == 0)


def test_nothing_said(make_model: Callable[..., AutoModel], tmp_path: Path) -> None:
    """FunASR leaves out the input (docs/differences.md)."""
    directory = write_bicif(tmp_path)
    weights = torch.load(directory / "model.pt")
    weights["predictor.cif_output.bias"] -= 30
    torch.save(weights, directory / "model.pt")
    results = make_model(directory).generate([speech(1.0), speech(2.0)], key=["a", "b"])
    assert results == [{"key": key, "text": "", "timestamp": []} for key in "ab"]


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("predictor_conf", "upsample_times", 5),
        ("predictor_conf", "upsample_type", "cnn_attn"),
        ("predictor_conf", "use_cif1_cnn", True),
        ("predictor_conf", "use_cif1_cnn", None),
        ("encoder_conf", "output_size", 40),
    ],
)
def test_what_the_network_cannot_do(section: str, key: str, value: Any, tmp_path: Path) -> None:
    directory = write_bicif(tmp_path)
    config = yaml.safe_load((directory / "config.yaml").read_text())
    if value is None:
        del config[section][key]  # FunASR's default is another
    else:
        config[section][key] = value
    (directory / "config.yaml").write_text(yaml.safe_dump(config))
    error = ExportError if key == "output_size" else UnsupportedModelError
    with pytest.raises(error, match=key if error is UnsupportedModelError else "does not fit"):
        open_bundle(directory)
