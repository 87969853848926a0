"""Model directories that are incomplete or damaged: each says what is wrong and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from safeasr import ExportError
from safeasr.loading.export import open_bundle
from support.damaged import PAGE, POINTER, Damage, metas, remove, write

pytestmark = pytest.mark.usefixtures("cache")

FILES: dict[str, tuple[Damage, str]] = {
    "no CMVN": (remove("am.mvn"), r"configuration\.json names am\.mvn,.*Download"),
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
        write("am.mvn", b"<AddShift> 0 0 <LearnRateCoef> 0 [ ] <Rescale> 0 0 [ ]"),
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
