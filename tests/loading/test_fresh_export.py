"""A fresh export of each family loads and answers equally where there is no FunASR."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from safeasr.bundles.bundle import is_bundle
from safeasr.families import FAMILIES
from safeasr.loading.export import export_bundle
from support.audio import speech

pytest.importorskip("funasr", reason="funasr makes the models")

from support import models, sense_voice, streaming, vad

DIRECTORIES: dict[str, Callable[[Path], Path]] = {
    "paraformer": models.write_model_dir,
    "paraformer_streaming": streaming.write_streaming_dir,
    "sense_voice": sense_voice.write_model_dir,
    "fsmn_vad": lambda path: vad.write_vad_dir(path, vad.SHAPES[0]),
}
#: Prints what a model says of a recording: at once, and in chunks where it is for streams.
ANSWERS = """
import json, sys
if sys.argv[3] == "without":
    sys.modules["funasr"] = None
import numpy as np
from safeasr import AutoModel

wave = np.load(sys.argv[2])
with AutoModel(model=sys.argv[1], disable_pbar=True) as model:
    said = [model.generate(wave, key="one")]
    if sys.argv[4] == "streams":
        with model.stream(key="one") as stream:
            said += [stream.feed(chunk) for chunk in np.array_split(wave, 7)]
            said.append(stream.finish())
assert sys.argv[3] == "with" or sys.modules["funasr"] is None
print(json.dumps(said))
"""


def test_every_family_is_here() -> None:
    assert {family.name for family in FAMILIES} == set(DIRECTORIES)


@pytest.mark.parametrize("family", sorted(DIRECTORIES))
def test_a_fresh_export_answers_equally_without_funasr(
    family: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_python: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    monkeypatch.setenv("SAFEASR_CACHE", str(tmp_path / "cache"))
    directory = DIRECTORIES[family](tmp_path / "model")
    wave = tmp_path / "wave.npy"
    np.save(wave, speech(4.0, seed=5))
    kind = "streams" if family in ("paraformer_streaming", "fsmn_vad") else "whole"

    def answers(model: Path, funasr: str, cache: str) -> object:
        places = {"SAFEASR_CACHE": str(tmp_path / cache)}
        done = run_python(ANSWERS, model, wave, funasr, kind, **places)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    bundle = export_bundle(directory, tmp_path / "bundle")
    assert bundle.family == family
    assert is_bundle(bundle.path)
    expected = answers(directory, "with", "cache")
    shutil.rmtree(directory)
    assert answers(bundle.path, "without", "another") == expected
    assert any(one for one in expected)
