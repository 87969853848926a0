"""Export and loading where disks are full, memory is short, or warnings are errors."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import AutoModel, ExportError
from safeasr.loading.export import export_bundle, open_bundle
from support.damaged import MODELS

VAD = MODELS / "demo-vad"
RunPython = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.usefixtures("cache")


def answer(path: Path) -> Any:
    with AutoModel(model=str(path), num_workers=1, disable_pbar=True) as model:
        return model.generate(np.zeros(16000, np.float32), key="k")


# -- Full disks -----------------------------------------------------------------------------------


#: Exports under limits of the size of files: from nothing, and when only the copy is left to do.
LIMITED = """
import os, resource, shutil, sys
from pathlib import Path
import safeasr
from safeasr.loading.export import export_bundle, open_bundle
model, folder = Path(sys.argv[1]), Path(sys.argv[2])
for number, limit in enumerate([1, 100, 5_000, 100_000, 300_000] * 2):
    cache, out = folder / f"cache{number}", folder / f"{number}" / "out"
    os.environ["SAFEASR_CACHE"] = str(cache)
    ready = number >= 5
    if ready:
        open_bundle(model)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        export_bundle(model, out)
    except safeasr.ExportError as error:
        said = str(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    left = [one.name for one in (cache / "bundles").iterdir() if one.suffix != ".lock"]
    print("File too large" in said, len(left) == ready, out.parent.exists())
    open_bundle(model).verify()
"""


def test_files_may_not_grow(run_python: RunPython, tmp_path: Path) -> None:
    """A quota, or what a disk that is full looks like; the process lives, and nothing is left."""
    done = run_python(LIMITED, VAD, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["True True False"] * 10


@pytest.mark.parametrize("fail_at", range(1, 5))
@pytest.mark.parametrize("there", [False, True])
def test_a_disk_that_is_full_while_a_bundle_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fail_at: int, there: bool
) -> None:
    import builtins

    bundle, out = open_bundle(VAD).path, tmp_path / "a" / "out"
    if there:
        out.mkdir(parents=True)
    real, opened = builtins.open, []

    class Full:
        """A file on a disk that takes some bytes and no more."""

        def __init__(self, file: Any) -> None:
            self.file = file

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def write(self, content: bytes) -> int:
            self.file.write(content[:10])
            raise OSError(errno.ENOSPC, "No space left on device")

        def fileno(self) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def limited(path: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
        file = real(path, mode, *rest, **more)
        if "w" in mode and str(path).startswith(str(out)):
            opened.append(path)
            if len(opened) == fail_at:
                return Full(file)
        return file

    monkeypatch.setattr(builtins, "open", limited)
    try:
        export_bundle(bundle, out)
    except ExportError as error:
        assert "No space left" in str(error)  # noqa: PT017
        assert list(out.iterdir()) == [] if there else not (tmp_path / "a").exists()
    else:
        assert len(opened) < fail_at
    assert opened


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    for out in (blocked, blocked / "out", Path("/proc/none/out"), tmp_path / ("x" * 300)):
        with pytest.raises(ExportError, match=r"cannot be written|is not empty"):
            export_bundle(VAD, out)


# -- Little memory --------------------------------------------------------------------------------


LITTLE = """
import resource, sys
import safeasr
from safeasr.loading.load import load_model
from safeasr.options.model import model_options
options = model_options(
    {}, num_workers=1, max_batch_size=None, max_batch_frames=None, max_wait_ms=0.0, queue_size=None,
    timeout=None, device="cpu",
)
for room in [1, 4, 16, 24, 32, 48, 2000]:
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (room << 20), resource.RLIM_INFINITY))
    said = "loaded"
    try:
        load_model(sys.argv[1], options)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(said.split(":")[0], said, sep="|")
"""


def test_loading_under_a_limit_of_memory_is_no_damage(run_python: RunPython) -> None:
    place = open_bundle(VAD.parent / "demo").path
    done = run_python(LITTLE, place)
    assert done.returncode == 0, done.stderr
    said = [line.split("|")[0] for line in done.stdout.splitlines()]
    assert set(said[:-1]) <= {"OutOfMemoryError", "loaded"}, done.stdout
    assert said[0] == "OutOfMemoryError", done.stdout
    assert said[-1] == "loaded", done.stdout


# -- Warnings that are errors ---------------------------------------------------------------------


def test_with_all_warnings_as_errors(run_python: RunPython, tmp_path: Path) -> None:
    script = """
import sys, warnings
import numpy as np
import safeasr
safeasr.AutoModel  # loads torch, which adds filters of its own
before = list(warnings.filters)
with safeasr.AutoModel(model=sys.argv[1], num_workers=1, disable_pbar=True) as model:
    model.generate(np.zeros(16000, np.float32))
    model.export(sys.argv[2])
with safeasr.AutoModel(model=sys.argv[2], num_workers=1, disable_pbar=True) as model:
    print(model.generate(np.zeros(16000, np.float32), key="k"))
assert warnings.filters == before, "filters are left behind"
import torch
try:
    torch.jit.script(torch.nn.Linear(1, 1))
except DeprecationWarning:
    print("torch's own warnings are as they were")
"""
    done = run_python(script, VAD, tmp_path / "out", PYTHONWARNINGS="error")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ("[{'key': 'k', 'value': []}]\ntorch's own warnings are as they were\n")
