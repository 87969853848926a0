"""The cache: what is damaged is mended, and other users can read it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import tempfile
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import AutoModel, CorruptBundleError
from safeasr.bundles import digests
from safeasr.loading.export import export_bundle, open_bundle
from support.damaged import MODELS

VAD = MODELS / "demo-vad"
RunPython = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.usefixtures("cache")


def answer(path: Path) -> Any:
    with AutoModel(model=str(path), num_workers=1, disable_pbar=True) as model:
        return model.generate(np.zeros(16000, np.float32), key="k")


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)


# -- Damage in the cache --------------------------------------------------------------------------


def spoil_version(bundle: Path) -> None:
    text = (bundle / "bundle.json").read_text()
    (bundle / "bundle.json").write_text(text.replace('"format": 3', '"format": 2'))


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "a bit of a program": lambda b: flip(b / "scorer.ts"),
    "a bit of the manifest": lambda b: flip(b / "bundle.json"),
    "no program": lambda b: (b / "scorer.ts").unlink(),
    "an empty manifest": lambda b: (b / "bundle.json").write_bytes(b""),
    "a folder for a program": lambda b: ((b / "scorer.ts").unlink(), (b / "scorer.ts").mkdir()),
    "another format": spoil_version,
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_mended_with_a_warning(name: str) -> None:
    expected = answer(VAD)
    bundle = open_bundle(VAD).path
    DAMAGE[name](bundle)
    with pytest.warns(UserWarning, match="lies in the cache and is made anew"):
        assert answer(VAD) == expected
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert answer(VAD) == expected
    assert open_bundle(VAD).path == bundle
    assert not list(bundle.parent.glob("*.draft-*"))


def test_a_program_that_torch_cannot_load_is_made_anew() -> None:
    """Its digest is right: it was written by another torch, say."""
    from support.programs import reseal

    expected = answer(VAD)
    bundle = open_bundle(VAD).path
    (bundle / "scorer.ts").write_bytes(b"from the future")
    reseal(bundle)
    with pytest.warns(UserWarning, match="made anew"):
        assert answer(VAD) == expected
    assert answer(VAD) == expected


def test_damage_that_cannot_be_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    flip(open_bundle(VAD).path / "scorer.ts")

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("safeasr.bundles.cache._make", refuse)
    with (
        pytest.warns(UserWarning, match="made anew"),
        pytest.raises(CorruptBundleError, match=r"scorer\.ts.*cannot be made anew: .*denied"),
    ):
        answer(VAD)


def test_threads_that_find_damage_at_once() -> None:
    expected = answer(VAD)
    flip(open_bundle(VAD).path / "scorer.ts")
    got: list[Any] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        threads = [threading.Thread(target=lambda: got.append(answer(VAD))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert got == [expected] * 4


# -- Other users ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("mask", "file", "folder"), [(0o022, 0o644, 0o755), (0o027, 0o640, 0o750)])
def test_permissions_are_those_of_the_umask(
    cache: Path, tmp_path: Path, mask: int, file: int, folder: int
) -> None:
    before = os.umask(mask)
    try:
        export_bundle(VAD, tmp_path / "mine" / "bundle")
    finally:
        os.umask(before)
    found = [*cache.rglob("*"), tmp_path / "mine", *(tmp_path / "mine").rglob("*")]
    assert len(found) > 8
    for one in found:
        assert one.stat().st_mode & 0o777 == (folder if one.is_dir() else file), one


#: Opens models as another user who may not write their caches. Root's rights are given up; those of
#: others end at the permissions of the folders.
AS_OTHER_USER = """
import os, sys
from pathlib import Path
from safeasr.loading.export import open_bundle
warm, *pairs = sys.argv[1:]
os.environ["SAFEASR_CACHE"] = warm
for _ in range(2):  # what is imported late may not be readable later
    open_bundle(Path(pairs[1])).verify()
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
for cache, model in zip(pairs[::2], pairs[1::2]):
    os.environ["SAFEASR_CACHE"] = cache
    try:
        (Path(cache) / "mine").mkdir()
        print("it can write")
    except PermissionError:
        pass
    bundle = open_bundle(Path(model))
    bundle.verify()
    print("read", bundle.path, bundle.family)
"""


def test_a_read_only_cache_of_another_user(
    run_python: RunPython, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the image was copied, with other inodes, times and paths, and without digests."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # pytest's own let nobody else look in
        before, pairs, places = os.umask(0o022), [], []
        try:
            for how in ("same", "copied", "no digests"):
                cache, model = folder / how / "cache", folder / how / "model"
                monkeypatch.setenv("SAFEASR_CACHE", str(cache))
                shutil.copytree(VAD, model)
                places.append(open_bundle(model).path)
                if how == "copied":
                    shutil.copytree(model, folder / how / "moved", copy_function=shutil.copyfile)
                    shutil.rmtree(model)
                    model = folder / how / "moved"
                elif how == "no digests":
                    shutil.rmtree(cache / "digests")
                pairs += [cache, model]
        finally:
            os.umask(before)
        closed = [one for cache in pairs[::2] for one in (cache, *cache.rglob("*")) if one.is_dir()]
        for one in closed:
            one.chmod(0o555)
        try:
            done = run_python(AS_OTHER_USER, folder / "warm", *pairs)
        finally:
            for one in closed:
                one.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"read {place} fsmn_vad" for place in places]


def test_notes_that_are_damaged_are_read_anew(cache: Path) -> None:
    place = open_bundle(VAD).path
    notes = list((cache / "digests").iterdir())
    assert notes
    for note in notes:
        note.write_bytes(b"\xff not a digest")
    assert open_bundle(VAD).path == place
    assert all(len(note.read_text()) == 64 for note in notes)


def test_a_file_is_hashed_once_and_again_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    real = digests.file_digest

    def counted(path: Path) -> str:
        read.append(path)
        return real(path)

    monkeypatch.setattr(digests, "file_digest", counted)
    bundle = export_bundle(VAD, tmp_path / "mine")
    bundle.verify()
    read.clear()
    for _ in range(5):
        bundle.verify()
    assert read == []
    (tmp_path / "mine" / "scorer.ts").touch()
    bundle.verify()
    bundle.verify()
    assert read == [tmp_path / "mine" / "scorer.ts"]


def test_a_checkpoint_of_the_callers_has_a_bundle_of_its_own(tmp_path: Path) -> None:
    """Also where configuration.json names the directory's own, and both have one name."""
    pytest.importorskip("funasr", reason="funasr makes the models")
    from support.models import SHAPES, write_model_dir

    layout = next(shape for shape in SHAPES if shape.configuration)
    mine, other = (write_model_dir(tmp_path / str(seed), layout, seed) for seed in (0, 1))
    metas = json.loads((mine / "configuration.json").read_text())["file_path_metas"]
    given = {"init_param": str(other / metas["init_param"])}
    assert open_bundle(mine).files != open_bundle(mine, given).files
