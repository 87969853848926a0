"""A fresh export of each family loads and answers equally where there is no FunASR."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from safeasr import AutoModel
from safeasr.bundles.bundle import is_bundle
from safeasr.loading.export import export_bundle
from support.audio import speech
from support.cases import FamilyCase, of_all, whole_and_live

pytest.importorskip("funasr", reason="funasr makes the models")

#: Prints what a model says of a recording where FunASR cannot be imported.
WITHOUT = """
import json, pickle, sys
sys.modules["funasr"] = None
from safeasr import AutoModel
from support.cases import whole_and_live

with open(sys.argv[2], "rb") as file:
    wave = pickle.load(file)
# A bundle that comes from another machine runs for those who trust its maker.
with AutoModel(model=sys.argv[1], disable_pbar=True, trust_remote_code=True) as model:
    said = whole_and_live(model, wave, live=sys.argv[3] == "True")
assert sys.modules["funasr"] is None
print(json.dumps(said))
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
    wave = case.given(speech(4.0, seed=5))
    written = tmp_path / "wave.pickle"
    written.write_bytes(pickle.dumps(wave))
    live = case.live is not None
    bundle = export_bundle(directory, tmp_path / "bundle")
    assert bundle.family == case.name
    assert is_bundle(bundle.path)
    with AutoModel(model=str(directory), disable_pbar=True) as model:
        expected = json.loads(json.dumps(whole_and_live(model, wave, live)))
    assert any(one for one in expected)
    shutil.rmtree(directory)
    cache = str(tmp_path / "another")
    done = run_python(WITHOUT, bundle.path, written, live, SAFEASR_CACHE=cache)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected
