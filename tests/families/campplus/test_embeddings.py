"""Embeddings of speakers, by CAM++ and ERes2NetV2: FunASR's numbers, from any number of threads."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from safeasr import AudioError, AutoModel, ExportError, UnsupportedModelError
from support.audio import Samples, speech
from support.cases import CASES
from support.funasr_model import funasr_model
from support.speakers import write_speaker_dir

pytest.importorskip("funasr", reason="funasr makes the models")

SPEAKERS = [case for case in CASES if case.name in ("campplus", "eres2netv2")]
SHAPES = [(case, shape) for case in SPEAKERS for shape in case.shapes]
of_shapes = pytest.mark.parametrize(
    ("case", "shape"), SHAPES, ids=lambda value: value if isinstance(value, str) else value.name
)
#: Of numbers up to about 2: other orders of sums.
TOLERANCE = 2e-5
CLIPS = [speech(seconds, seed=i) for i, seconds in enumerate((0.25, 0.8, 1.5, 1.5, 3.7, 9.2))]


def oracle(path: Path) -> Callable[..., torch.Tensor]:
    """FunASR's embedding of a recording."""
    model = funasr_model(model=str(path))

    def ask(wave: Samples, **options: Any) -> torch.Tensor:
        embedding: torch.Tensor = model.generate(wave.copy(), **options)[0]["spk_embedding"]
        return embedding

    return ask


@of_shapes
def test_parity(
    case: Any, shape: str, tmp_path: Path, make_model: Callable[..., AutoModel]
) -> None:
    path = case.shapes[shape](tmp_path)
    ask, model = oracle(path), make_model(path)
    for clip, found in zip(CLIPS, model.generate(CLIPS), strict=True):
        wanted = ask(clip)
        embedding = found["spk_embedding"]
        assert isinstance(embedding, torch.Tensor)
        assert (embedding.shape, embedding.dtype) == (wanted.shape, wanted.dtype)
        assert float((embedding - wanted).abs().max()) < TOLERANCE
        assert set(found) == {"key", "spk_embedding"}
    resampled = model.generate(CLIPS[2], fs=8000)[0]["spk_embedding"]
    assert float((resampled - ask(CLIPS[2], fs=8000)).abs().max()) < TOLERANCE


@pytest.mark.parametrize("case", SPEAKERS, ids=lambda case: case.name)
def test_company_changes_nothing(
    case: Any, tmp_path: Path, make_model: Callable[..., AutoModel]
) -> None:
    model = make_model(case.write(tmp_path), num_workers=2, max_wait_ms=5)
    alone = [model.generate(clip)[0]["spk_embedding"] for clip in CLIPS]
    with ThreadPoolExecutor(16) as pool:
        found = pool.map(lambda i: model.generate(CLIPS[i % len(CLIPS)])[0], range(48))
        for i, one in enumerate(found):
            # Not to the bit: oneDNN sums convolutions in another order with more threads.
            assert float((one["spk_embedding"] - alone[i % len(CLIPS)]).abs().max()) < TOLERANCE
    assert model.stats()["mean_batch_size"] > 1


@pytest.mark.parametrize("case", SPEAKERS, ids=lambda case: case.name)
def test_too_short(case: Any, tmp_path: Path, make_model: Callable[..., AutoModel]) -> None:
    """What is answered has numbers, what has none is refused; 0.2 s are enough."""
    model = make_model(case.write(tmp_path))
    for samples in [0, 1, 399, 400, 500, 720, 1000, 1600, 2400, 2960, 3200]:
        clip = speech(1.0, seed=3)[:samples]
        with contextlib.suppress(*[AudioError] * (samples < 3200)):
            found = model.generate(clip)[0]["spk_embedding"]
            assert bool(torch.isfinite(found).all())
    with pytest.raises(AudioError, match="too short to tell who speaks"):
        model.generate(speech(0.05, seed=3))
    assert "spk_embedding" in model.generate(np.zeros(16000, np.float32))[0]


def test_refused(tmp_path: Path, make_model: Callable[..., AutoModel]) -> None:
    conf = {"growth_rate": 4, "init_channels": 16}
    path = write_speaker_dir(tmp_path, "CAMPPlus", conf)
    with pytest.raises(UnsupportedModelError, match="output_level='frame'"):
        AutoModel(str(path), model_conf={"output_level": "frame"})
    with pytest.raises(UnsupportedModelError, match="config_str"):
        AutoModel(str(path), model_conf={"config_str": "batchnorm-prelu"})
    with pytest.raises(ExportError, match="checkpoint"):
        AutoModel(str(path), model_conf={"growth_rate": 8})
    for value in (0, -1, "abc", 10**9, 1.5, [4]):
        with pytest.raises(ExportError, match=r"model_conf\.growth_rate must be"):
            AutoModel(str(path), model_conf={"growth_rate": value})
    whole = next(case for case in SPEAKERS if case.name == "eres2netv2").write(tmp_path / "e")
    for blocks in ([1, 1, 1, 1], [1, 1, 3, 1], [1, 1, 2], [1, 1, 2, 0], 3, None):
        with pytest.raises(ExportError, match=r"checkpoint|model_conf\.num_blocks must be"):
            AutoModel(str(whole), model_conf={"num_blocks": blocks})
    with pytest.raises(AudioError, match="expected samples"):
        make_model(path).generate(np.zeros((20, 80), np.float32), data_type="fbank")


def test_the_published_checkpoint_of_eres2netv2(
    tmp_path: Path, make_model: Callable[..., AutoModel]
) -> None:
    """It holds the network by itself, and the directory has no configuration."""
    conf = {"m_channels": 8, "num_blocks": [1, 1, 1, 1]}
    whole = write_speaker_dir(tmp_path / "whole", "ERes2NetV2", conf)
    bare = write_speaker_dir(tmp_path / "bare", "ERes2NetV2", conf, name="pretrained.ckpt")
    state = torch.load(bare / "pretrained.ckpt")
    torch.save(
        {name.removeprefix("model."): value for name, value in state.items()},
        bare / "pretrained.ckpt",
    )
    found = [make_model(path).generate(CLIPS[1])[0]["spk_embedding"] for path in (whole, bare)]
    assert torch.equal(*found)
