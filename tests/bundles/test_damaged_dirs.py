"""Model directories that are incomplete or damaged: each says what is wrong and what to do."""

from __future__ import annotations

import copy
import json
import random
import shutil
from collections.abc import Callable
from importlib import resources
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

MODELS = Path(str(resources.files("safeasr") / "models"))
POINTER = (
    b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 166841\n"
)
PAGE = b"<!DOCTYPE html>\n<html><head><title>404</title></head></html>\n"
Damage = Callable[[Path], Any]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for one test."""
    monkeypatch.setenv("SAFEASR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def vad(tmp_path: Path) -> Path:
    """A copy of the embedded detector."""
    return Path(shutil.copytree(MODELS / "demo-vad", tmp_path / "vad"))


@pytest.fixture
def asr(tmp_path: Path) -> Path:
    """A copy of the embedded recogniser."""
    ignore = shutil.ignore_patterns("audio")
    return Path(shutil.copytree(MODELS / "demo", tmp_path / "asr", ignore=ignore))


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


CHECKPOINTS: dict[str, tuple[Damage, str]] = {
    "pointer": (write("model.pt", POINTER), r"Git LFS pointer.*166841 bytes.*git lfs pull"),
    "page": (write("model.pt", PAGE), "web page.*[Dd]ownload"),
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
    "zeros inside": (changed("model.pt", zeros(0.5, 400)), "damaged.*[Dd]ownload it again"),
    "zeros at a third": (changed("model.pt", zeros(0.33, 1)), "damaged|cut short"),
    "a bit of weights": (changed("model.pt", flip(0.7)), "damaged.*[Dd]ownload it again"),
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
    "one too many": (weights(lambda s: s.update({"encoder.more": torch.ones(1)})), "no place.*more"),
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


FILES: dict[str, tuple[Damage, str]] = {
    "no CMVN": (remove("am.mvn"), r"not complete: configuration\.json names am\.mvn,.*[Dd]ownload"),
    "no vocabulary": (remove("tokens.json"), r"names tokens\.json"),
    "no checkpoint": (remove("model.pt"), r"names model\.pt"),
    "none of them": (
        lambda d: [(d / one).unlink() for one in ("model.pt", "am.mvn", "tokens.json")],
        r"names model\.pt, tokens\.json, am\.mvn",
    ),
    "another name": (metas(frontend_conf={"cmvn_file": "stats.mvn"}), r"names stats\.mvn"),
    "a name without end": (metas(more="x" * 5000), "names xxx"),
    "a configuration that is a number": (metas(config=3), r"file_path_metas\.config must be a str"),
    "another configuration": (metas(config="gone.yaml"), "no gone.yaml"),
    "a list": (write("configuration.json", b"[]"), r"configuration\.json must hold a mapping"),
    "a configuration that is empty": (write("config.yaml", b"\n"), "must hold a mapping"),
    "a list for configuration": (write("config.yaml", b"- a"), "must hold a mapping"),
    "a class that is a number": (write("config.yaml", b"model: 3"), "model class"),
    "CMVN is a pointer": (write("am.mvn", POINTER), "am.mvn .*Git LFS pointer"),
    "CMVN is a page": (write("am.mvn", PAGE), "am.mvn .*web page"),
    "CMVN is binary": (write("am.mvn", b"\xff\xfe" * 300), "am.mvn is not"),
    "CMVN is empty": (write("am.mvn", b""), "am.mvn .*empty"),
    "CMVN without numbers": (
        write("am.mvn", b"<AddShift> 0 0 <LearnRateCoef> 0 [ ] <Rescale> 0 0 <LearnRateCoef> 0 [ ]"),
        "0 shifts"),
    "vocabulary is a pointer": (write("tokens.json", POINTER), "tokens.json .*Git LFS pointer"),
    "vocabulary is a page": (write("tokens.json", PAGE), "tokens.json .*web page"),
    "vocabulary is binary": (write("tokens.json", b"\xff\xfe" * 300), "tokens.json is not"),
    "vocabulary is a mapping": (write("tokens.json", b'{"a": 1}'), "list of strings, got a dict"),
    "vocabulary is a number": (write("tokens.json", b"3"), "list of strings"),
    "vocabulary of nothing": (write("tokens.json", b"[]"), "list of strings, got an empty one"),
    "vocabulary of lists": (write("tokens.json", b'["a", ["b"]]'), r"got \['b'\] at 1"),
    "vocabulary of nulls": (write("tokens.json", b'["a", null]'), "got None at 1"),
    "vocabulary with halves": (write("tokens.json", b'["\\ud800"]'), "half of a character"),
    "vocabulary too short": (write("tokens.json", b'["a", "b"]'), "has 2 tokens.* scores of"),
    "vocabulary, deep": (write("tokens.json", b"[" * 9999 + b"]" * 9999), "valid JSON|nested"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_other_files(asr: Path, name: str) -> None:
    damage, message = FILES[name]
    damage(asr)
    with pytest.raises(ExportError, match=message):
        open_bundle(asr)


def test_a_vocabulary_with_one_token_twice(asr: Path) -> None:
    tokens = json.loads((asr / "tokens.json").read_text())
    tokens[5] = tokens[7]
    (asr / "tokens.json").write_text(json.dumps(tokens))
    with pytest.raises(ExportError, match="stands at 5 and at 7"):
        open_bundle(asr)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e40"])
@pytest.mark.parametrize("vector", [0, 1])
def test_cmvn_that_is_not_finite(vad: Path, value: str, vector: int) -> None:
    words = (vad / "am.mvn").read_text().split()
    opening = [i for i, word in enumerate(words) if word == "["][1 + vector]
    words[opening + 3] = value
    (vad / "am.mvn").write_text(" ".join(words))
    with pytest.raises(ExportError, match=r"am\.mvn: value 2 of .* every text would be empty"):
        open_bundle(vad)


def test_a_configuration_alone_names_the_cmvn(vad: Path) -> None:
    """Without a configuration.json, config.yaml may say that there must be one."""
    (vad / "configuration.json").unlink()
    (vad / "am.mvn").unlink()
    with pytest.warns(UserWarning, match="has no CMVN"):
        open_bundle(vad)
    config = (vad / "config.yaml").read_text()
    (vad / "config.yaml").write_text(
        config.replace("frontend_conf:\n", "frontend_conf:\n  cmvn_file: /there/am.mvn\n")
    )
    with pytest.raises(ExportError, match=r"names '/there/am\.mvn' \(cmvn_file\)"):
        open_bundle(vad)


def test_a_file_that_the_hubs_cache_names_after_its_digest(vad: Path, tmp_path: Path) -> None:
    """As Hugging Face lays them out: snapshots of links to blobs."""
    from safeasr.bundles.digests import file_digest

    blobs = tmp_path / "blobs"
    blobs.mkdir()
    right = blobs / file_digest(vad / "model.pt")
    (vad / "model.pt").rename(right)
    (vad / "model.pt").symlink_to(right)
    open_bundle(vad)
    other = blobs / ("0" * 64)
    right.rename(other)
    (vad / "model.pt").unlink()
    (vad / "model.pt").symlink_to(other)
    with pytest.raises(ExportError, match="is not the file that the hub has"):
        open_bundle(vad)


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
        assert "flipped.pt" in str(error)
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
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory"),
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
