"""Bundles changed at random: a typed error, or the answers as before."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import AutoModel, CorruptBundleError, InferenceError, SafeASRError
from safeasr.bundles.bundle import read_bundle
from safeasr.loading.export import open_bundle
from support.audio import speech
from support.programs import reseal

VAD = Path(str(resources.files("safeasr") / "models" / "demo-vad"))
CLIP = np.concatenate([speech(1.0), np.zeros(16000, np.float32)])
VALUES: list[Any] = [
    None, 0, -1, 1, 2, 64, 4097, 65536, 10**9, 2**31, 2**63, -(2**31), 10**30, -(10**30), 1.5,
    1e-300, float("nan"), float("inf"), "abc", "1", "", "é" * 100, [], [1], [None], [[[]]], {},
    {"a": 1}, True, False,
]  # fmt: skip


@pytest.fixture(scope="module")
def whole(own_cache: Path) -> Path:
    return open_bundle(VAD).path


@pytest.fixture
def bundle(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "bundle"))


def answer(path: Path) -> Any:
    with AutoModel(model=str(path), num_workers=1, disable_pbar=True) as model:
        return model.generate(CLIP, key="k")


@pytest.fixture(scope="module")
def expected(whole: Path) -> Any:
    return answer(whole)


def places(facts: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every value of nested lists and mappings; of long lists the first."""
    keys = facts.keys() if isinstance(facts, dict) else range(min(3, len(facts)))
    for key in keys:
        yield (*path, key)
        if isinstance(facts[key], (dict, list)):
            yield from places(facts[key], (*path, key))


def mutate(bundle: Path, rng: random.Random) -> str:
    """Change, drop or rename a value of the manifest; returns what was done."""
    facts = json.loads((bundle / "bundle.json").read_text())
    path = rng.choice([one for one in places(facts) if one[0] != "format"])
    parent = facts
    for key in path[:-1]:
        parent = parent[key]
    value, way = rng.choice(VALUES), rng.random()
    if way < 0.15:
        del parent[path[-1]]
    elif way < 0.25 and isinstance(parent, dict):
        parent[f"{path[-1]}x"] = parent.pop(path[-1])
    else:
        parent[path[-1]] = value
    (bundle / "bundle.json").write_text(json.dumps(facts))
    return f"{path} {way} {value!r}"


@pytest.mark.parametrize("seed", range(10))
def test_a_manifest_that_was_changed(bundle: Path, seed: int) -> None:
    """300 changes: each is found, unless it changes nothing."""
    rng, before = random.Random(seed), read_bundle(bundle)
    content = (bundle / "bundle.json").read_bytes()
    for _ in range(30):
        (bundle / "bundle.json").write_bytes(content)
        what = mutate(bundle, rng)
        try:
            after = read_bundle(bundle)
        except CorruptBundleError as error:
            assert len(str(error)) < 2000, what  # noqa: PT017
        else:
            assert after == before, what


@pytest.mark.parametrize("seed", range(60))
def test_a_manifest_that_was_changed_and_sealed(bundle: Path, expected: Any, seed: int) -> None:
    """By whoever may seal it: what makes no sense is refused, and nothing else breaks."""
    mutate(bundle, random.Random(1000 + seed))
    try:
        reseal(bundle)
        got = answer(bundle)
    except SafeASRError as error:
        assert isinstance(error, (CorruptBundleError, InferenceError)), error  # noqa: PT017
    except (TypeError, AttributeError, KeyError, OSError):
        with pytest.raises(CorruptBundleError):  # what the test cannot seal
            answer(bundle)
    else:
        assert got[0].keys() == expected[0].keys()


@pytest.mark.parametrize("seed", range(10))
def test_a_bit_anywhere(bundle: Path, seed: int) -> None:
    rng, before = random.Random(seed), read_bundle(bundle)
    for name in ("bundle.json", "scorer.ts"):
        content = (bundle / name).read_bytes()
        for _ in range(15):
            flipped = bytearray(content)
            flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
            (bundle / name).write_bytes(flipped)
            try:
                after = open_bundle(bundle)
            except CorruptBundleError as error:
                assert str(bundle) in str(error)  # noqa: PT017
            else:  # white space, or another way to write the same
                assert name == "bundle.json" and after == before
        (bundle / name).write_bytes(content)
    assert open_bundle(bundle) == before


def test_a_bit_of_a_model_in_use(bundle: Path, expected: Any) -> None:
    """What was compared is compared again when it has changed, whatever its times say."""

    assert answer(bundle) == expected
    file = bundle / "scorer.ts"
    facts = file.stat()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    with file.open("r+b") as opened:
        opened.write(content)
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    with pytest.raises(CorruptBundleError, match=r"scorer\.ts is not what"):
        answer(bundle)


@pytest.mark.parametrize("cut", [0, 1, 100, -1, -100])
@pytest.mark.parametrize("name", ["bundle.json", "scorer.ts"])
def test_cut_short(bundle: Path, name: str, cut: int) -> None:
    content = (bundle / name).read_bytes()
    (bundle / name).write_bytes(content[:cut])
    with pytest.raises(CorruptBundleError, match=name.replace(".", r"\.")):
        answer(bundle)


HOSTILE = {
    "deep": b"[" * 200_000 + b"]" * 200_000,
    "fifty levels": b'{"a":' * 50 + b"1" + b"}" * 50,
    "many digits": b'{"format": ' + b"9" * 10_000 + b"}",
    "a string": b'"abc"',
    "null": b"null",
    "not UTF-8": b'{"format": "\xff"}',
    "a format that is true": b'{"format": true}',
    "a format that is a list": b'{"format": [3]}',
    "large": b" " * (65 << 20),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_manifests(bundle: Path, name: str) -> None:
    (bundle / "bundle.json").write_bytes(HOSTILE[name])
    with pytest.raises(CorruptBundleError, match=r"bundle\.json"):
        answer(bundle)
