"""A family that lives in a folder of its own: exported, loaded, and served from 16 threads."""

from __future__ import annotations

import json
import random
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from safeasr import AutoModel, CorruptBundleError, UnsupportedModelError
from safeasr.families import register_family
from safeasr.families.table import _TABLE
from support.audio import Samples, speech
from support.paths import ROOT

WORDS = "hum hiss click buzz ring thud".split()
FRAME, UNITS = 320, 24
LENGTHS = [0.01, 0.02, 0.05, 0.3, 0.7, 1.1, 1.9, 2.4, 3.3, 5.2, 8.0]
CLIPS = [speech(seconds, seed=seed) for seed, seconds in enumerate(LENGTHS)]


def write_model_dir(path: Path) -> Path:
    """A model directory as FunASR has them, with random weights."""
    path.mkdir()
    config = {"model": "ToneNamer", "encoder_conf": {"frame": FRAME, "units": UNITS}}
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    (path / "tokens.json").write_text(json.dumps(WORDS))
    g = torch.Generator().manual_seed(0)
    weights = {
        "hidden.weight": torch.randn(UNITS, FRAME, generator=g),
        "hidden.bias": torch.randn(UNITS, generator=g),
        "head.weight": torch.randn(len(WORDS), UNITS, generator=g),
        "head.bias": torch.zeros(len(WORDS)),
    }
    torch.save(weights, path / "model.pt")
    return path


def says(directory: Path, clip: Samples) -> str:
    """What the model says, worked out by hand."""
    weights = torch.load(directory / "model.pt")
    rows = torch.from_numpy(np.pad(clip, (0, -len(clip) % FRAME)).reshape(-1, FRAME))
    hidden = torch.relu(rows @ weights["hidden.weight"].T + weights["hidden.bias"])
    best = (hidden @ weights["head.weight"].T + weights["head.bias"]).argmax(1)
    return " ".join(WORDS[i] for i in torch.unique_consecutive(best))


@pytest.fixture
def no_family(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of the table that a test writes, and the module they lead to, are gone afterwards."""
    monkeypatch.setattr("safeasr.families.table._TABLE", dict(_TABLE))
    monkeypatch.delitem(sys.modules, "my_family", raising=False)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_family: None) -> Iterator[Path]:
    """A model of a family that a folder outside the package holds."""
    (tmp_path / "code").mkdir()
    source = Path(__file__).with_name("tone_namer.py")
    shutil.copyfile(source, tmp_path / "code" / "my_family.py")
    monkeypatch.syspath_prepend(tmp_path / "code")
    register_family("ToneNamer", "my_family:FAMILY")
    assert "my_family" not in sys.modules, "it was imported before it was needed"
    yield write_model_dir(tmp_path / "model")
    sys.modules.pop("my_family", None)


def from_16_threads(model: AutoModel, expected: list[str]) -> None:
    jobs = [i for i in range(len(CLIPS)) for _ in range(16)]
    random.Random(0).shuffle(jobs)

    def ask(i: int) -> tuple[str, Any]:
        upper = i % 3 == 0
        [result] = model.generate(CLIPS[i], key="k", upper=upper)
        assert result["key"] == "k"
        return (expected[i].upper() if upper else expected[i]), result["text"]

    with ThreadPoolExecutor(16) as pool:
        for wanted, found in pool.map(ask, jobs):
            assert found == wanted


def test_alone_and_in_company(directory: Path, make_model: Callable[..., AutoModel]) -> None:
    expected = [says(directory, clip) for clip in CLIPS]
    assert len(set(expected)) > len(CLIPS) / 2
    alone = make_model(directory, max_batch_size=1)
    assert [alone.generate(clip)[0]["text"] for clip in CLIPS] == expected
    model = make_model(directory, num_workers=2, max_wait_ms=5)
    from_16_threads(model, expected)
    stats = model.stats()
    assert stats["failed"] == 0
    assert stats["mean_batch_size"] > 1.2, "nobody had company: nothing was shown"
    # And from a bundle that was exported before.
    finished = make_model(model.export(str(directory / "bundle")))
    assert [one["text"] for one in finished.generate(CLIPS)] == expected


def test_its_place_beside_others(directory: Path, make_model: Callable[..., AutoModel]) -> None:
    with pytest.raises(UnsupportedModelError, match=r"not a voice activity detector: it is an off"):
        make_model("demo", vad_model=str(directory))
    with pytest.warns(UserWarning, match="'uppe' of generate is ignored: did you mean 'upper'"):
        make_model(directory).generate(CLIPS[0], uppe=True)
    with pytest.raises(ValueError, match="upper must be true or false, got 'yes'"):
        make_model(directory, upper="yes")


def test_without_its_line(
    directory: Path, make_model: Callable[..., AutoModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_model(directory).export()
    monkeypatch.delitem(sys.modules["safeasr.families.table"].__dict__["_TABLE"], "ToneNamer")
    with pytest.raises(UnsupportedModelError, match="'ToneNamer' is not supported yet"):
        make_model(directory)
    with pytest.raises(CorruptBundleError, match=r"a family 'tone_namer' .* does not know"):
        make_model(bundle)


def test_the_documentation_shows_it() -> None:
    """Every piece of code in docs/adding-a-family.md is this family's, word for word."""
    page = (ROOT / "docs" / "adding-a-family.md").read_text(encoding="utf-8")
    source = Path(__file__).with_name("tone_namer.py").read_text(encoding="utf-8")
    shown = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(shown) == 5
    for code in shown[1:]:
        assert code in source, code
    assert shown[0].strip() in Path(__file__).read_text(encoding="utf-8")
