"""A fresh export of each family loads and answers equally where there is no FunASR."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from safeasr.bundles.bundle import is_bundle
from safeasr.loading.export import export_bundle
from support.audio import speech
from support.cases import FamilyCase, of_all

pytest.importorskip("funasr", reason="funasr makes the models")

#: Prints what a model says of a recording: at once, and in chunks where it is for streams.
ANSWERS = """
import json, pickle, sys
if sys.argv[3] == "without":
    sys.modules["funasr"] = None
import numpy as np
from safeasr import AutoModel
from support.cases import plain

with open(sys.argv[2], "rb") as file:
    wave = pickle.load(file)
# A bundle that comes from another machine runs for those who trust its maker.
trust = sys.argv[3] == "without"
with AutoModel(model=sys.argv[1], disable_pbar=True, trust_remote_code=trust) as model:
    said = [plain(model.generate(wave, key="one"))]
    if sys.argv[4] == "streams":
        with model.stream(key="one") as stream:
            said += [stream.feed(chunk) for chunk in np.array_split(wave, 7)]
            said.append(stream.finish())
assert sys.argv[3] == "with" or sys.modules["funasr"] is None
print(json.dumps(said, default=lambda tensor: tensor.tolist()))
"""


@of_all()
@pytest.mark.slow
def test_a_fresh_export_answers_equally_without_funasr(
    case: FamilyCase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_python: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    monkeypatch.setenv("SAFEASR_CACHE", str(tmp_path / "cache"))
    directory = case.write(tmp_path / "model")
    wave = tmp_path / "wave.pickle"
    wave.write_bytes(pickle.dumps(case.given(speech(4.0, seed=5))))
    kind = "streams" if case.live else "whole"

    def answers(model: Path, funasr: str, cache: str) -> object:
        places = {"SAFEASR_CACHE": str(tmp_path / cache)}
        done = run_python(ANSWERS, model, wave, funasr, kind, **places)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    bundle = export_bundle(directory, tmp_path / "bundle")
    assert bundle.family == case.name
    assert is_bundle(bundle.path)
    expected = answers(directory, "with", "cache")
    shutil.rmtree(directory)
    assert answers(bundle.path, "without", "another") == expected
    assert any(one for one in expected)
