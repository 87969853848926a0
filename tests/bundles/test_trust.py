"""Bundles run only where they come from here, or where somebody vouches for them."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from safeasr import AutoModel, CorruptBundleError, InferenceError, UntrustedBundleError
from safeasr.bundles.bundle import read_bundle
from safeasr.bundles.trust import is_trusted
from safeasr.cli.app import run
from safeasr.loading.export import export_bundle, open_bundle
from support.damaged import MODELS
from support.programs import reseal

VAD = MODELS / "demo-vad"
CLIP = np.zeros(16000, np.float32)

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], None]:
    """From now on as on another machine: another cache."""
    return lambda: monkeypatch.setenv("SAFEASR_CACHE", str(tmp_path / "another"))


def load(path: Path, **options: Any) -> Any:
    with AutoModel(model=str(path), num_workers=1, disable_pbar=True, **options) as model:
        return model.generate(CLIP, key="k")


def test_what_was_exported_here_is_loaded_wherever_it_lies(tmp_path: Path) -> None:
    expected = load(VAD)
    assert load(open_bundle(VAD).path) == expected, "in the cache"
    mine = export_bundle(VAD, tmp_path / "mine").path
    assert load(mine) == expected
    shutil.copytree(mine, tmp_path / "copy")
    assert load(tmp_path / "copy") == expected
    (tmp_path / "link").symlink_to(mine)
    assert load(tmp_path / "link") == expected
    again = export_bundle(tmp_path / "copy", tmp_path / "again").path
    assert load(again) == expected


def test_what_comes_from_elsewhere_is_refused(
    tmp_path: Path, elsewhere: Callable[[], None]
) -> None:
    bundle, expected = export_bundle(VAD, tmp_path / "theirs").path, load(VAD)
    elsewhere()
    with pytest.raises(UntrustedBundleError, match=r"trust_remote_code=True.*safeasr trust"):
        load(bundle)
    assert load(bundle, trust_remote_code=True) == expected
    with pytest.raises(UntrustedBundleError):
        load(bundle)  # trust once is not trust for ever


def test_trust_is_not_handed_on(tmp_path: Path, elsewhere: Callable[[], None]) -> None:
    """A copy that a stranger's bundle is exported to is as strange."""
    bundle = export_bundle(VAD, tmp_path / "theirs").path
    elsewhere()
    export_bundle(bundle, tmp_path / "a", trust_remote_code=True)
    with pytest.raises(UntrustedBundleError):
        load(tmp_path / "a")


def test_one_can_vouch_for_a_bundle(
    tmp_path: Path, elsewhere: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, expected = export_bundle(VAD, tmp_path / "theirs").path, load(VAD)
    elsewhere()
    assert run(["info", str(bundle), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["trusted"] is False
    assert run(["trust", str(bundle)]) == 0
    assert read_bundle(bundle).digest in capsys.readouterr().out
    assert load(bundle) == expected
    # For this bundle as it is, and no other in its place.
    facts = json.loads((bundle / "bundle.json").read_text())
    facts["versions"]["by"] = "somebody else"
    (bundle / "bundle.json").write_text(json.dumps(facts))
    reseal(bundle, trusted=False)
    with pytest.raises(UntrustedBundleError):
        load(bundle)


def test_a_damaged_bundle_gets_no_trust(tmp_path: Path) -> None:
    bundle = export_bundle(VAD, tmp_path / "mine").path
    content = bytearray((bundle / "scorer.ts").read_bytes())
    content[1000] ^= 1
    (bundle / "scorer.ts").write_bytes(content)
    assert run(["trust", str(bundle)]) == 1


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "x" * 64, "A" * 64, "0" * 63, "/"])
def test_digests_that_are_none(tmp_path: Path, cache: Path, digest: str) -> None:
    bundle = export_bundle(VAD, tmp_path / "mine")
    for name in (digest, "0" * 64):
        (cache / "trusted").mkdir(exist_ok=True)
        if name and "/" not in name:
            (cache / "trusted" / name).write_bytes(b"")
    assert is_trusted(bundle, cache)
    forged = type(bundle)(**{**bundle.__dict__, "digest": digest})
    assert not is_trusted(forged, cache)


class Writes(torch.nn.Module):
    """What writes a file of its choice while it is loaded."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    @torch.jit.export
    def __getstate__(self) -> tuple[str, bool]:
        return (self.path, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]) -> None:
        self.path = state[0]
        # Used, or it would be optimised away.
        written = int(torch.from_file(state[0], True, 8, dtype=torch.uint8).fill_(65).sum())
        self.training = state[1] and written > 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.mark.parametrize("trusted", [False, True])
def test_a_strangers_program_is_not_run(tmp_path: Path, trusted: bool) -> None:
    bundle = export_bundle(VAD, tmp_path / "theirs").path
    marker = tmp_path / "marker"
    module = Writes(str(marker))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.script(module)
    (bundle / "scorer.ts").write_bytes(scripted._c.save_to_buffer())
    reseal(bundle, trusted=False)
    kind = InferenceError if trusted else UntrustedBundleError  # it runs, and is no scorer
    with pytest.raises(kind):
        load(bundle, trust_remote_code=trusted)
    assert marker.exists() == trusted, "nothing is shown unless the program works"


#: Names of programs that lead out of the bundle, or nowhere.
PLACES = [
    "../scorer.ts",
    "/etc/passwd",
    "a/../../scorer.ts",
    "..",
    ".",
    "",
    "a\0b",
    "x" * 300,
    "~/x",
]


@pytest.mark.parametrize("group", ["programs", "assets"])
@pytest.mark.parametrize("place", PLACES)
def test_files_lie_in_the_bundle(tmp_path: Path, place: str, group: str) -> None:
    bundle = export_bundle(VAD, tmp_path / "mine").path
    shutil.copyfile(bundle / "scorer.ts", tmp_path / "scorer.ts")
    facts = json.loads((bundle / "bundle.json").read_text())
    facts[group]["scorer"] = place
    facts["files"][place] = facts["files"]["scorer.ts"]
    (bundle / "bundle.json").write_text(json.dumps(facts))
    with pytest.raises(CorruptBundleError, match=r"name of a file|missing|cannot be"):
        load(bundle, trust_remote_code=True)


@pytest.mark.parametrize("to", ["absolute", "relative", "folder"])
def test_links_that_lead_out(tmp_path: Path, to: str) -> None:
    bundle = export_bundle(VAD, tmp_path / "mine").path
    outside = tmp_path / "outside"
    outside.mkdir()
    (bundle / "scorer.ts").rename(outside / "scorer.ts")
    if to == "folder":
        (bundle / "sub").symlink_to(outside)
        facts = json.loads((bundle / "bundle.json").read_text())
        facts["programs"]["scorer"] = "sub/scorer.ts"
        facts["files"]["sub/scorer.ts"] = facts["files"].pop("scorer.ts")
        (bundle / "bundle.json").write_text(json.dumps(facts))
    else:
        target = outside / "scorer.ts" if to == "absolute" else Path("../outside/scorer.ts")
        (bundle / "scorer.ts").symlink_to(target)
    with pytest.raises(CorruptBundleError, match="outside of the bundle"):
        load(bundle, trust_remote_code=True)


def test_a_link_within_the_bundle(tmp_path: Path) -> None:
    bundle = export_bundle(VAD, tmp_path / "mine").path
    (bundle / "scorer.ts").rename(bundle / "real")
    (bundle / "scorer.ts").symlink_to("real")
    assert load(bundle) == load(VAD)


def test_a_pipe_is_no_program(tmp_path: Path) -> None:
    bundle = export_bundle(VAD, tmp_path / "mine").path
    (bundle / "scorer.ts").unlink()
    os.mkfifo(bundle / "scorer.ts")
    with pytest.raises(CorruptBundleError, match="missing"):
        load(bundle)
