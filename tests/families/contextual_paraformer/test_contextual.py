"""ContextualParaformer's answers are FunASR's, with any hotwords, alone and in any company."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from safeasr import AutoModel, ExportError, HotwordError, UnsupportedModelError
from safeasr.loading.export import open_bundle
from support.audio import Samples, speech
from support.contextual import ContextualOracle, write_contextual
from support.models import SHAPES, USUAL
from support.seaco import many_hotwords

pytest.importorskip("funasr", reason="funasr is the reference")

LENGTHS = [0.05, 0.2, 0.9, 1.4, 2.2, 3.3, 4.7, 8.3, 16.0]
OPTIONS: list[dict[str, Any]] = [
    {}, {"hotword": ""}, {"hotword": "今天 天气"}, {"hotword": "hello qwerty"},
    {"hotword": "今天 天气", "clas_scale": 0.3}, {"hotword": "speech", "clas_scale": 2},
    {"hotword": " ".join(many_hotwords(30))}, {"hotword": " ".join(many_hotwords(90))},
    {"clas_scale": 0},
]  # fmt: skip
Job = tuple[Samples, dict[str, Any], str]


@pytest.fixture(scope="module", params=[(USUAL, False), (SHAPES[2], True)], ids=lambda p: p[0].name)
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Job]]:
    """A model, and requests with FunASR's texts, about which it leaves no doubt."""
    shape, own = request.param
    directory = write_contextual(
        tmp_path_factory.mktemp("contextual"), shape, seed=4, own_embedding=own
    )
    oracle = ContextualOracle(directory)
    jobs: list[Job] = []
    for index, seconds in enumerate(LENGTHS):
        clip = speech(seconds, seed=index)
        for options in OPTIONS:
            text, clear = oracle.said(clip, **options)
            if clear:
                jobs.append((clip, options, text))
    assert len(jobs) > 0.8 * len(LENGTHS) * len(OPTIONS)
    return directory, jobs


def wrong(model: AutoModel, job: Job) -> list[Any]:
    clip, options, text = job
    result = model.generate(clip, key="k", **options)[0]
    return [] if result == {"key": "k", "text": text} else [(options, result, text)]


def test_alone(case: tuple[Path, list[Job]], make_model: Callable[..., AutoModel]) -> None:
    directory, jobs = case
    model = make_model(directory)
    assert not [one for job in jobs for one in wrong(model, job)]
    longest = [text for clip, _, text in jobs if len(clip) == 16 * 16000]
    assert len(set(longest)) > len(longest) / 2, "hotwords make no difference"


def test_any_company_from_16_threads(
    case: tuple[Path, list[Job]], make_model: Callable[..., AutoModel]
) -> None:
    directory, jobs = case
    model = make_model(directory, num_workers=2, max_wait_ms=20, max_batch_frames=4000)
    mixed = jobs * 3
    random.Random(0).shuffle(mixed)
    with ThreadPoolExecutor(16) as pool:
        assert not [one for part in pool.map(lambda job: wrong(model, job), mixed) for one in part]
    assert model.stats()["mean_batch_size"] > 1.2, "nobody had company: nothing was shown"


def test_forms_and_wrong_ones(make_model: Callable[..., AutoModel], tmp_path: Path) -> None:
    model = make_model(write_contextual(tmp_path / "model"))
    clip = speech(4.0, seed=3)
    file = tmp_path / "words.txt"
    file.write_text("今天\nhello\n", encoding="utf-8")
    forms: list[Any] = ["今天 hello", ["今天", "hello"], str(file), file]
    assert len({model.generate(clip, hotword=one)[0]["text"] for one in forms}) == 1
    with pytest.raises(HotwordError, match="cannot be read"):
        model.generate(clip, hotword="/nowhere/words.txt")
    for scale in ("much", float("nan"), True):
        with pytest.raises(ValueError, match="clas_scale must be"):
            model.generate(clip, clas_scale=scale)


def test_nothing_said(make_model: Callable[..., AutoModel], tmp_path: Path) -> None:
    directory = write_contextual(tmp_path)
    weights = torch.load(directory / "model.pt")
    weights["predictor.cif_output.bias"] -= 30
    torch.save(weights, directory / "model.pt")
    results = make_model(directory).generate([speech(1.0), speech(2.0)], key=["a", "b"])
    assert results == [{"key": key, "text": ""} for key in "ab"]


@pytest.mark.parametrize(
    ("section", "key", "value", "match"),
    [
        ("model_conf", "bias_encoder_type", "mean", "bias_encoder_type"),
        ("model_conf", "inner_dim", 64, "inner_dim"),
        ("decoder_conf", "att_layer_num", 0, "att_layer_num"),
        ("decoder_conf", "att_layer_num", 3, "the checkpoint lacks"),
        ("tokenizer_conf", "unk_symbol", "<other>", "<other>"),
    ],
)
def test_what_the_network_cannot_do(
    section: str, key: str, value: Any, match: str, tmp_path: Path
) -> None:
    directory = write_contextual(tmp_path)
    config = yaml.safe_load((directory / "config.yaml").read_text())
    config[section][key] = value
    (directory / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises((UnsupportedModelError, ExportError), match=match):
        open_bundle(directory)
