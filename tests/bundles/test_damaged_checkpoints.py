"""Checkpoints that are damaged or hold something else: each says what is wrong."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from safeasr import ExportError, OutOfMemoryError
from safeasr.bundles import weights as weights_module
from safeasr.bundles.damage import check_archive
from safeasr.bundles.weights import read_weights
from safeasr.loading.export import open_bundle
from safeasr.nets.layers import Linear
from safeasr.nets.precision import narrow
from support.damaged import PAGE, POINTER, Damage, changed, flip, put, weights, write, zeros

pytestmark = pytest.mark.usefixtures("cache")

CHECKPOINTS: dict[str, tuple[Damage, str]] = {
    "pointer": (write("model.pt", POINTER), r"Git LFS pointer.*166841 bytes.*git lfs pull"),
    "page": (write("model.pt", PAGE), "web page.*(Down|down)load"),
    "XML": (write("model.pt", b"<?xml version='1.0'?><Error>AccessDenied</Error>"), "web page"),
    "JSON": (write("model.pt", b'{"error": "not found"}'), "no checkpoint, or damaged: download"),
    "text": (write("model.pt", b"garbage" * 99), "no checkpoint, or damaged: download"),
    "empty": (write("model.pt", b""), "empty: download it again"),
    "zeros": (write("model.pt", bytes(5000)), "zeros.*download it again"),
    "folder": (lambda d: ((d / "model.pt").unlink(), (d / "model.pt").mkdir()), "model.pt"),
    "cut by 1": (changed("model.pt", lambda c: c.pop()), "cut short or damaged.*download"),
    "cut in half": (changed("model.pt", lambda c: c.__delitem__(slice(80_000, None))), "cut short"),
    "head only": (changed("model.pt", lambda c: c.__delitem__(slice(100, None))), "cut short"),
    "begin is gone": (changed("model.pt", lambda c: c.__delitem__(slice(0, 64))), "damaged"),
    "zeros inside": (changed("model.pt", zeros(0.5, 400)), "damaged.*(Down|down)load it again"),
    "zeros at a third": (changed("model.pt", zeros(0.33, 1)), "damaged|cut short"),
    "a bit of weights": (changed("model.pt", flip(0.7)), "damaged.*(Down|down)load it again"),
    "old format, cut": (
        lambda d: (weights(lambda s: None, zipped=False)(d),
                   changed("model.pt", lambda c: c.__delitem__(slice(90_000, None)))(d)),
        "no checkpoint, or damaged"),
    "a list": (weights(lambda s: [1, 2]), "holds a list, not a state dict"),
    "no tensors": (weights(lambda s: {"epoch": 3}), "no tensors"),
    "names that are none": (weights(lambda s: dict(enumerate(s.values()))), "no tensors"),
    "NaN": (weights(put(0, float("nan"))), "holds NaN or infinity in 1 places"),
    "infinity": (weights(put(-1, float("inf"))), "holds NaN or infinity"),
    "too large for float32": (
        weights(lambda s: {k: v.double() * 1e300 for k, v in s.items()}), "NaN or infinity"),
    "complex": (weights(lambda s: {k: v.to(torch.complex64) for k, v in s.items()}), "real"),
    "sparse": (weights(lambda s: {k: v.to_sparse() for k, v in s.items()}), "plain tensor"),
    "endless": (
        weights(lambda s: {k: torch.zeros(1).expand(10**12, 7) for k in s}), "must be|mismatch"),
    "one is missing": (weights(lambda s: s.pop(next(iter(s))) is None or None), "missing|lacks"),
    "one too many": (weights(lambda s: s.update({"encoder.x": torch.ones(1)})), "no place"),
    "another part": (weights(lambda s: s.update({"encoder2.w": torch.ones(1)})), "no place"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_checkpoints(vad: Path, cache: Path, name: str) -> None:
    damage, message = CHECKPOINTS[name]
    damage(vad)
    with pytest.raises(ExportError, match=message) as raised:
        open_bundle(vad)
    assert "trust_remote_code" not in str(raised.value), "which would not help"
    assert not list(cache.glob("bundles/*.draft-*"))


@pytest.mark.parametrize("seed", range(40))
def test_a_bit_anywhere_in_a_checkpoint(vad: Path, seed: int) -> None:
    """It is found, unless it means nothing: then the weights are the same."""
    rng = random.Random(seed)
    file = vad / "model.pt"
    content = bytearray(file.read_bytes())
    before = read_weights(file)
    # Half of the flips in what stands between and behind the weights: names, sizes, checksums.
    at = rng.randrange(len(content)) if seed % 2 else len(content) - 1 - rng.randrange(4000)
    content[at] ^= 1 << rng.randrange(8)
    (vad / "flipped.pt").write_bytes(content)
    try:
        after = read_weights(vad / "flipped.pt")
    except ExportError as error:
        assert "flipped.pt" in str(error)  # noqa: PT017
    else:
        assert after.keys() == before.keys()
        assert all(torch.equal(before[name], after[name]) for name in before)


def test_weights_that_a_narrower_type_cannot_hold() -> None:
    network = torch.nn.Sequential(Linear(2, 2))
    with torch.no_grad():
        network[0].weight[0, 0] = 60_000.0
    narrow(copy.deepcopy(network), "float16")
    with torch.no_grad():
        network[0].weight[0, 0] = 70_000.0
    narrow(copy.deepcopy(network), "bfloat16")
    with pytest.raises(ExportError, match=r"go beyond torch\.float16"):
        narrow(network, "float16")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("alloc_cpu.cpp:118: DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("unable to mmap 900 bytes from file <x>: Cannot allocate memory (12)"),
    ],
)  # fmt: skip
def test_no_memory_is_no_damage(
    vad: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def load(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(weights_module.torch, "load", load)
    with pytest.raises(OutOfMemoryError, match="no memory left"):
        open_bundle(vad)


def test_whole_files_pass(vad: Path, asr: Path) -> None:
    for directory in (vad, asr):
        check_archive(directory / "model.pt")
        open_bundle(directory).verify()
