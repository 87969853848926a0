"""Damaged bundles are refused with the reason; whole ones load without FunASR."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from safeasr import AutoModel, CorruptBundleError, ExportError
from safeasr.bundles.bundle import read_bundle
from safeasr.loading.export import open_bundle
from support.audio import speech
from support.programs import reseal

CLIP = speech(2.0)


@pytest.fixture
def bundle(model_dir: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    out = tmp_path / "bundle"
    shutil.copytree(open_bundle(model_dir).path, out)
    return out


def edit(bundle: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    facts = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    change(facts)
    (bundle / "bundle.json").write_text(json.dumps(facts), encoding="utf-8")
    with contextlib.suppress(CorruptBundleError):  # what it should be refused for
        reseal(bundle)


def truncate(bundle: Path) -> None:
    file = bundle / "encoder.ts"
    file.write_bytes(file.read_bytes()[:-100])


def garble(bundle: Path) -> None:
    (bundle / "decoder.ts").write_bytes(b"not a program" * 50)
    reseal(bundle)


def garble_manifest(bundle: Path) -> None:
    (bundle / "bundle.json").write_bytes(b"\xff\xfe{]")


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "truncated program": (truncate, r"encoder\.ts has \d+ bytes, expected \d+"),
    "garbage program": (garble, r"decoder\.ts"),
    "missing program": (lambda b: (b / "decoder.ts").unlink(), r"decoder\.ts is missing"),
    "garbage manifest": (garble_manifest, r"bundle\.json cannot be read"),
    "manifest of another type": (lambda b: (b / "bundle.json").write_text("[1]"), "format None"),
    "no format": (lambda b: edit(b, lambda f: f.pop("format")), "format None"),
    "later format": (lambda b: edit(b, lambda f: f.update(format=99)), "format 99"),
    "no tokens": (lambda b: edit(b, lambda f: f.pop("tokens")), "tokens"),
    "unknown field": (lambda b: edit(b, lambda f: f.update(surprise=1)), "surprise"),
    "file of unknown size": (
        lambda b: edit(b, lambda f: f["files"].clear()),
        r"has no files\.encoder\.ts",
    ),
    "unknown family": (lambda b: edit(b, lambda f: f.update(family="nobody")), "nobody"),
    "no decoder": (lambda b: edit(b, lambda f: f["programs"].pop("decoder")), "decoder"),
    "no rate": (lambda b: edit(b, lambda f: f["frontend"].pop("sample_rate")), "sample_rate"),
    "wrong window": (lambda b: edit(b, lambda f: f["frontend"].update(window="odd")), "odd"),
    "wrong frontend": (
        lambda b: edit(b, lambda f: f["frontend"].update(n_mels="x")),
        r"frontend\.n_mels",
    ),
    "no decoding": (lambda b: edit(b, lambda f: f["decoding"].pop("sos")), "sos"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named(bundle: Path, name: str) -> None:
    damage, message = DAMAGE[name]
    damage(bundle)
    with pytest.raises(CorruptBundleError, match=message):
        AutoModel(model=str(bundle)).close()


def test_a_vocabulary_that_is_too_small(bundle: Path, make_model: Callable[..., AutoModel]) -> None:
    """The network's ids do not fit the tokens: said for each request, and nobody hangs."""
    edit(bundle, lambda f: f.update(tokens=f["tokens"][:4]))
    model = make_model(bundle)
    with pytest.raises(CorruptBundleError, match="outside the vocabulary of 4 tokens"):
        model.generate(CLIP)


def test_programs_that_do_not_fit_the_frontend(
    bundle: Path, make_model: Callable[..., AutoModel]
) -> None:
    edit(bundle, lambda f: f["frontend"].update(lfr_m=6, cmvn_shift=[], cmvn_scale=[]))
    from safeasr import InferenceError

    model = make_model(bundle)
    with pytest.raises((InferenceError, CorruptBundleError)):
        model.generate(CLIP)


def test_export_writes_a_bundle_of_ones_own(
    model: AutoModel, make_model: Callable[..., AutoModel], tmp_path: Path
) -> None:
    out = tmp_path / "mine"
    assert model.export(str(out)) == str(out)
    read_bundle(out).verify()
    copy = make_model(out)
    assert copy.generate(CLIP, key="k") == model.generate(CLIP, key="k")
    assert copy.model_path == str(out)
    # A bundle can be exported again, but not over something that is there.
    assert copy.export(str(tmp_path / "again"))
    with pytest.raises(ExportError, match="is not empty"):
        model.export(str(out))


def test_a_bundle_loads_where_funasr_cannot_be_imported(
    bundle: Path, model_dir: Path, model: AutoModel,
    run_python: Callable[..., subprocess.CompletedProcess[str]],
) -> None:  # fmt: skip
    """The same for a model that is in the cache already."""
    script = """
import sys
for name in ("funasr", "librosa", "scipy", "matplotlib", "omegaconf"):
    sys.modules[name] = None
import safeasr
from support.audio import speech
for path in sys.argv[1:]:
    with safeasr.AutoModel(model=path, disable_pbar=True) as model:
        print(ascii(model.generate(speech(2.0))[0]["text"]))
"""
    done = run_python(script, bundle, model_dir)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == [ascii(model.generate(CLIP)[0]["text"])] * 2


def test_importing_is_light(run_python: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    script = """
import sys, safeasr
heavy = ("funasr", "librosa", "scipy", "matplotlib", "pandas", "numba", "sklearn", "soundfile")
print([name for name in heavy if name in sys.modules])
"""
    done = run_python(script)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
