"""Guarded models for tests: directories of the toys, and AutoModels that run them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from safeasr import AutoModel
from support.audio import Samples

__all__ = ["CLIP", "TOYS", "alive", "processes_of", "quick_funasr", "toy", "write_toy"]

TOYS = Path(__file__).parent / "guarded_toys.py"
QUICK = str(Path(__file__).parent / "quick_funasr")
#: What the toys say of it: "160 16.000".
CLIP: Samples = np.full(160, 0.1, np.float32)


def write_toy(path: Path, model: str = "GuardedToy", conf: Mapping[str, Any] = {}) -> Path:
    """A directory of a toy, as FunASR has them."""
    path.mkdir(parents=True, exist_ok=True)
    config = {"model": model, "model_conf": dict(conf), "nested_conf": {"depth": 0}}
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    torch.save({"scale": torch.ones(1), "seen": torch.zeros(1)}, path / "model.pt")
    return path


def toy(path: Path, **options: Any) -> AutoModel:
    """A guarded model of a toy."""
    own = {"disable_pbar": True, "device": "cpu", "num_workers": 1}
    code = {"trust_remote_code": True, "remote_code": str(TOYS)}
    return AutoModel(model=str(path), **{**own, **code, **options})


@contextmanager
def quick_funasr() -> Iterator[None]:
    """Processes of guarded models that are made meanwhile start in a second or two."""
    sys.path.insert(0, QUICK)
    try:
        yield
    finally:
        sys.path.remove(QUICK)


def processes_of(parent: int) -> list[int]:
    """The processes that a process has started and that have not ended."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def alive(pid: int) -> bool:
    """Whether a process has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX" and os.path.exists(f"/proc/{pid}")
