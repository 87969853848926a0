"""Scripted programs that stand still or fail on purpose."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from torch import Tensor, nn

from safeasr.bundles.bundle import MANIFEST, file_digest, manifest_digest, read_bundle
from safeasr.bundles.cache import cache_dir
from safeasr.bundles.trust import record_trust
from safeasr.loading.export import open_bundle

#: Programs here fail on larger values.
LIMIT = 1e6


class Gate:
    """A byte in a file that programs wait for: TorchScript can map files, and nothing else."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(b"\0")

    def open(self) -> None:
        """Let everyone through, now and later."""
        with self.path.open("r+b") as file:
            file.write(b"\1")

    def close(self) -> None:
        """Hold up whoever comes from now on."""
        with self.path.open("r+b") as file:
            file.write(b"\0")


def wait_for(path: str, lengths: Tensor) -> int:
    """1 once the gate is open. The result must be used, or the waiting is optimised away."""
    # A size that depends on the input: otherwise freezing would read the file once and for all.
    size = 1 + 0 * lengths.size(0)
    state = torch.from_file(path, True, size, dtype=torch.uint8)
    seen, tries = 0, 0
    while seen == 0:
        tries += 1
        seen = int(state[tries % 1])  # with a fixed index it would be read once, before the loop
    return seen


class Doubler(nn.Module):
    """(values, lengths) -> 2 * values once the gate is open, if no value is larger than LIMIT."""

    def __init__(self, gate: str = "") -> None:
        super().__init__()
        self.gate = gate
        self.limit = LIMIT

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        if self.gate != "":
            values = values * wait_for(self.gate, lengths)
        if bool((values > self.limit).any()):
            raise RuntimeError("a value is too large")
        return values * 2


class GatedEncoder(nn.Module):
    """An encoder that waits for the gate, and fails on values larger than LIMIT."""

    def __init__(self, encoder: torch.jit.ScriptModule, gate: str) -> None:
        super().__init__()
        self.encoder = encoder
        self.gate = gate
        self.limit = LIMIT

    def forward(
        self, features: Tensor, positions: Tensor, offsets: Tensor, neighbours: Tensor
    ) -> tuple[Tensor, Tensor]:
        features = features * wait_for(self.gate, offsets)
        if bool((features > self.limit).any()):
            raise RuntimeError("a value is too large")
        hidden, alphas = self.encoder(features, positions, offsets, neighbours)
        return hidden, alphas


def save(module: nn.Module, path: Path) -> str:
    """Script and save; returns the path."""
    torch.jit.save(torch.jit.script(module.eval()), str(path))
    return str(path)


def gated_bundle(model_dir: Path, out: Path, gate: Path) -> Path:
    """A copy of a model's bundle whose encoder waits for the gate."""
    shutil.copytree(open_bundle(model_dir).path, out)
    encoder = torch.jit.load(str(out / "encoder.ts"))
    save(GatedEncoder(encoder, str(gate)), out / "encoder.ts")
    reseal(out)
    return out


def reseal(bundle: Path, *, trusted: bool = True) -> None:
    """Write the sizes and digests of a bundle's files, and of itself, as they are now.

    Args:
        bundle: its directory.
        trusted: as if it had been exported so on this machine.
    """
    facts = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    if isinstance(facts.get("files"), dict):
        for name, entry in facts["files"].items():
            file = bundle / name
            entry.update(bytes=file.stat().st_size, sha256=file_digest(file))
    facts["digest"] = manifest_digest(facts)
    (bundle / MANIFEST).write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")
    if trusted:
        record_trust(read_bundle(bundle), cache_dir())
