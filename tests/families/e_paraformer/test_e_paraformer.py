"""EParaformer's texts are FunASR's, alone and in any company."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from safeasr import AutoModel, ExportError, UnsupportedModelError
from safeasr.loading.export import open_bundle
from support.audio import Samples, speech
from support.e_paraformer import E_SHAPES, EOracle, write_e_paraformer
from support.shapes import usual_first

pytest.importorskip("funasr", reason="funasr is the reference")

#: In seconds. 0.05 s is a single frame of the network.
LENGTHS = [0.05, 0.09, 0.2, 0.5, 0.9, 1.4, 2.2, 3.3, 4.7, 6.1, 8.3, 11.0, 16.0, 31.0]
Case = tuple[Path, list[tuple[Samples, str]], dict[str, Any]]


@pytest.fixture(scope="module", params=usual_first(E_SHAPES), ids=lambda shape: shape.name)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A model, and clips on whose answers FunASR leaves no doubt."""
    directory = write_e_paraformer(tmp_path_factory.mktemp("e"), request.param, seed=3)
    oracle, options = EOracle(directory), {"fs": request.param.frontend.get("fs", 16000)}
    clips = []
    for index, seconds in enumerate(LENGTHS):
        for attempt in range(8):
            clip = speech(seconds, seed=1000 * attempt + index, rate=options["fs"])
            text, is_clear = oracle.answer(clip, **options)
            if is_clear:
                clips.append((clip, text))
                break
    assert len(clips) > 0.8 * len(LENGTHS)
    return directory, clips, options


def test_alone(case: Case, make_model: Callable[..., AutoModel]) -> None:
    directory, clips, options = case
    model = make_model(directory)
    for clip, text in clips:
        assert model.generate(clip, key="k", **options) == [{"key": "k", "text": text}]
    assert len({text for _, text in clips}) > len(clips) / 2, "the clips must tell models apart"
    assert max(len(text) for _, text in clips) > 40


def test_any_company_from_16_threads(case: Case, make_model: Callable[..., AutoModel]) -> None:
    directory, clips, options = case
    model = make_model(directory, num_workers=2, max_wait_ms=20, max_batch_frames=4000)
    jobs = clips * 8
    random.Random(0).shuffle(jobs)

    def wrong(thread: int) -> list[Any]:
        mine = jobs[thread::16]
        return [text for clip, text in mine if model.generate(clip, **options)[0]["text"] != text]

    with ThreadPoolExecutor(16) as pool:
        assert not [one for part in pool.map(wrong, range(16)) for one in part]
    assert model.stats()["mean_batch_size"] > 1.2, "nobody had company: nothing was shown"


def test_more_tokens_than_are_computed_at_a_time(
    make_model: Callable[..., AutoModel], tmp_path: Path
) -> None:
    directory = write_e_paraformer(tmp_path, replace(E_SHAPES[0], rate=0.45), seed=1)
    oracle, model = EOracle(directory), make_model(directory)
    clips = [(clip, *oracle.answer(clip)) for clip in (speech(42.0, seed=i) for i in range(6))]
    clear = [(clip, text) for clip, text, is_clear in clips if is_clear]
    assert clear
    for clip, text in clear:
        assert model.generate(clip)[0]["text"] == text
        assert len(text) > 256


def test_nothing_said(make_model: Callable[..., AutoModel], tmp_path: Path) -> None:
    """FunASR's answer has no key (docs/differences.md)."""
    directory = write_e_paraformer(tmp_path)
    weights = torch.load(directory / "model.pt")
    weights["predictor.cif_output.bias"] -= 30
    torch.save(weights, directory / "model.pt")
    assert EOracle(directory).model.generate(speech(1.0)) == [{"text": ""}]
    results = make_model(directory).generate([speech(1.0), speech(2.0)], key=["a", "b"])
    assert results == [{"key": key, "text": ""} for key in "ab"]


def test_times_are_refused(make_model: Callable[..., AutoModel], tmp_path: Path) -> None:
    """FunASR fails for them."""
    directory = write_e_paraformer(tmp_path)
    clip = speech(1.0)
    with pytest.raises(TypeError):
        EOracle(directory).model.generate(clip, pred_timestamp=True)
    model = make_model(directory)
    with pytest.raises(UnsupportedModelError, match="pred_timestamp"):
        model.generate(clip, pred_timestamp=True)
    assert model.generate(clip, pred_timestamp=False)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        (None, "encoder", "ConformerEncoder"),
        (None, "decoder", "ParaformerSANDecoder"),
        (None, "predictor", "CifPredictorV2"),
        ("predictor_conf", "threshold", 0.9),
        ("predictor_conf", "sigma_heads", 5),
        ("predictor_conf", "sigma_heads", 8),
        ("predictor_conf", "l_order", 2),
        ("model_conf", "share_embedding", True),
    ],
)
def test_what_the_network_cannot_do(
    section: str | None, key: str, value: Any, tmp_path: Path
) -> None:
    directory = write_e_paraformer(tmp_path)
    config = yaml.safe_load((directory / "config.yaml").read_text())
    (config if section is None else config[section])[key] = value
    (directory / "config.yaml").write_text(yaml.safe_dump(config))
    sizes = key in ("sigma_heads", "l_order")
    with pytest.raises(ExportError if sizes else UnsupportedModelError) as caught:
        open_bundle(directory)
    assert key in str(caught.value) or "does not fit" in str(caught.value)
