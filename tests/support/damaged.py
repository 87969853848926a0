"""Model directories, and ways to damage them."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import torch

MODELS = Path(str(resources.files("safeasr") / "models"))
POINTER = (
    b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 166841\n"
)
PAGE = b"<!DOCTYPE html>\n<html><head><title>404</title></head></html>\n"
Damage = Callable[[Path], Any]


def write(name: str, content: bytes) -> Damage:
    return lambda directory: (directory / name).write_bytes(content)


def remove(name: str) -> Damage:
    return lambda directory: (directory / name).unlink()


def changed(name: str, change: Callable[[bytearray], Any]) -> Damage:
    def apply(directory: Path) -> None:
        content = bytearray((directory / name).read_bytes())
        change(content)
        (directory / name).write_bytes(content)

    return apply


def zeros(begin: float, count: int) -> Callable[[bytearray], None]:
    def apply(content: bytearray) -> None:
        at = int(len(content) * begin)
        content[at : at + count] = bytes(len(content[at : at + count]))

    return apply


def flip(at: float) -> Callable[[bytearray], None]:
    def apply(content: bytearray) -> None:
        content[int(len(content) * at)] ^= 16

    return apply


def weights(change: Callable[[dict[str, torch.Tensor]], Any], zipped: bool = True) -> Damage:
    def apply(directory: Path) -> None:
        state = torch.load(directory / "model.pt", weights_only=True)
        changed = change(state)
        torch.save(
            state if changed is None else changed,
            directory / "model.pt",
            _use_new_zipfile_serialization=zipped,
        )

    return apply


def put(place: int, value: float) -> Callable[[dict[str, torch.Tensor]], None]:
    def apply(state: dict[str, torch.Tensor]) -> None:
        list(state.values())[place].view(-1)[0] = value

    return apply


def metas(**more: Any) -> Damage:
    def apply(directory: Path) -> None:
        file = directory / "configuration.json"
        facts = json.loads(file.read_text())
        facts["file_path_metas"].update(more)
        file.write_text(json.dumps(facts))

    return apply
