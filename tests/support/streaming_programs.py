"""Bundles of streaming models whose networks wait or fail when a test says so."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from safeasr.loading.export import open_bundle
from support.programs import reseal, save, wait_for


class _GatedStep(torch.nn.Module):
    """A step's encoder that waits for the gate."""

    def __init__(self, encoder: torch.jit.ScriptModule, gate: str) -> None:
        super().__init__()
        self.encoder = encoder
        self.gate = gate

    def forward(
        self,
        features: torch.Tensor,
        positions: torch.Tensor,
        past: torch.Tensor,
        order: torch.Tensor,
        offsets: torch.Tensor,
        neighbours: torch.Tensor,
        caches: list[torch.Tensor],
        spans: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        features = features * wait_for(self.gate, offsets)
        hidden, alphas, rows = self.encoder(
            features, positions, past, order, offsets, neighbours, caches, spans
        )
        return hidden, alphas, rows


def gated_streaming_bundle(model_dir: Path, out: Path, gate: Path) -> Path:
    """A copy of a streaming model's bundle whose encoder waits for the gate."""
    shutil.copytree(open_bundle(model_dir).path, out)
    encoder = torch.jit.load(str(out / "encoder.ts"))
    save(_GatedStep(encoder, str(gate)), out / "encoder.ts")
    reseal(out)
    return out


class Countdown:
    """A number in a file: the call of a failing bundle's decoder that takes it to 0 fails."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.set(0)

    def set(self, calls: int) -> None:
        """The so manieth call from now on fails; 0: none."""
        with self.path.open("r+b" if self.path.exists() else "wb") as file:
            file.write(int(calls).to_bytes(8, "little", signed=True))


class _FailingStep(torch.nn.Module):
    """A step's decoder that fails when all is written and the countdown ends."""

    def __init__(self, decoder: torch.jit.ScriptModule, path: str) -> None:
        super().__init__()
        self.decoder = decoder
        self.path = path

    def forward(
        self,
        embeddings: torch.Tensor,
        offsets: torch.Tensor,
        memory: torch.Tensor,
        memory_offsets: torch.Tensor,
        caches: list[torch.Tensor],
        spans: torch.Tensor,
        past: list[torch.Tensor],
        next: list[torch.Tensor],
    ) -> torch.Tensor:
        ids = self.decoder(embeddings, offsets, memory, memory_offsets, caches, spans, past, next)
        # A size that depends on the input: see support.programs.wait_for.
        left = torch.from_file(self.path, True, 1 + 0 * offsets.size(0), dtype=torch.int64)
        left -= 1
        if bool((left == 0).any()):
            raise RuntimeError("the countdown ended")
        return ids


def failing_streaming_bundle(model_dir: Path, out: Path, countdown: Countdown) -> Path:
    """A copy of a streaming model's bundle whose decoder fails when the countdown ends."""
    shutil.copytree(open_bundle(model_dir).path, out)
    decoder = torch.jit.load(str(out / "decoder.ts"))
    save(_FailingStep(decoder, str(countdown.path)), out / "decoder.ts")
    reseal(out)
    return out
