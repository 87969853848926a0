"""List files, keys and kinds of input that no one should have written, but somebody has."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr.errors import (
    AudioError,
    AudioFileNotFoundError,
    DeadlineExceededError,
    OptionError,
    UnsupportedModelError,
)
from safeasr.inputs.expand import expand_inputs, waits_for_others

WAVE = np.zeros(1600, np.float32)
DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", DEEP.encode(), "nested too deeply"),
        ("a.json", DEEP.replace("[", '{"a":').encode(), "nested too deeply"),
        ("a.jsonl", b'{"source": "1.wav"}\n' + DEEP.encode(), "line 2: not JSON: .* too deeply"),
        ("a.jsonl", b'{"source": ' + b"9" * 5000 + b"}", "too many digits|is a path"),
        ("a.jsonl", b'{"source": "1.wav", "key": {"a": 1}}', '"key" must be a string or number'),
        ("a.jsonl", b'{"source": "1.wav", "key": true}', '"key" must be a string or number'),
        ("a.jsonl", b'{"source": null}', '"source" is a path'),
        ("a.jsonl", b'{"source": 5}', '"source" is a path'),
        ("a.jsonl", b"null", '"source" is a path'),
        ("a.jsonl", b"\x1b[31m", "not JSON"),
        ("a.json", b'[{"source": "a.wav"}, [1]]', "entry 2"),
        ("a.scp", b"\xff\xfea", "not UTF-8 text: byte 0 is 0xff"),
        ("a.txt", "语音".encode("gbk"), "not UTF-8"),
        ("a.text", b"ok.wav\n\x80", "not UTF-8 text: byte 7 is 0x80"),
        ("a.scp", np.random.default_rng(0).bytes(64) + b"\xff", "not UTF-8"),
    ],
)
def test_malformed_list_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AudioError, match=message) as caught:
        expand_inputs(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "line", ["a\0b.wav", "\x1b[31m.wav", "k /etc", ".", "k " + "x" * 9999, "~"]
)
def test_lines_that_name_no_audio_fail_as_items(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.scp"
    path.write_text(line)
    (one,) = expand_inputs(path)
    with pytest.raises(AudioError) as caught:
        one.load()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


def test_a_list_file_that_names_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.scp"
    path.write_text(f"k {path}\n")
    (one,) = expand_inputs(path)
    with pytest.raises(AudioError, match="cannot be decoded"):
        one.load()


def test_list_files_are_limited_in_size(tmp_path: Path) -> None:
    path = tmp_path / "a.scp"
    with path.open("wb") as file:
        file.truncate(1 << 36)  # takes no room on the disk
    with pytest.raises(AudioError, match="larger than 100000 bytes"):
        expand_inputs(path, max_bytes=100_000)
    path.write_text("a b.wav")
    assert len(expand_inputs(path, max_bytes=10**30)) == 1


def test_long_list_files(tmp_path: Path) -> None:
    path = tmp_path / "a.scp"
    path.write_text("".join(f"/x/{n}.wav\n" for n in range(50_000)))
    found = expand_inputs(path)
    assert (len(found), found[-1].source, found[-1].index) == (50_000, "/x/49999.wav", 49_999)
    assert len({one.key for one in found}) == len(found)
    with pytest.raises(DeadlineExceededError):
        expand_inputs(path, deadline=time.monotonic())


def test_list_files_that_are_none(tmp_path: Path) -> None:
    folder = tmp_path / "folder.scp"
    folder.mkdir()
    os.mkfifo(tmp_path / "pipe.scp")
    (tmp_path / "link.scp").symlink_to(tmp_path / "link.scp")
    for name in ("folder.scp", "pipe.scp", "link.scp", "none.scp", "no/none.jsonl"):
        (one,) = expand_inputs(str(tmp_path / name))
        with pytest.raises(AudioError):
            one.load()


@pytest.mark.parametrize("key", [5, 5.0, b"k", bytearray(b"k"), {"k": 1}, {"k"}, True, object()])
def test_keys_that_are_none(key: Any) -> None:
    with pytest.raises(OptionError, match="key must be a str or a list of str, got"):
        expand_inputs(WAVE, key=key)


@pytest.mark.parametrize("key", [[None], [b"k"], [["k"]], [1.5], [True], ("a", None)])
def test_keys_in_a_list_that_are_none(key: Any) -> None:
    with pytest.raises(OptionError, match=r"got .* in it"):
        expand_inputs([WAVE] * len(key), key=key)


def test_keys_of_other_types() -> None:
    for key, expected in (([7], "7"), (np.array(["k"]), "k"), (iter(["k"]), "k"), (("k",), "k")):
        assert [one.key for one in expand_inputs(WAVE, key=key)] == [expected]
    (one,) = expand_inputs(np.array([np.nan]), key="\x1b[31m" + "k" * 9999)
    with pytest.raises(AudioError) as caught:
        one.load()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "kind", [5, 5.0, [5], b"sound", {"sound"}, {}, True, object, "Sound", "",
                                  np.zeros(10**6), ["x" * 10**6]], ids=lambda k: str(k)[:9],
)  # fmt: skip
def test_kinds_that_are_none(kind: Any) -> None:
    with pytest.raises(UnsupportedModelError, match="data_type=") as caught:
        expand_inputs(WAVE, data_type=kind)
    assert len(str(caught.value)) < 1000


class BadPath:
    def __fspath__(self) -> Any:
        return 5


def test_paths_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="a path that is none"):
        expand_inputs(BadPath())
    for path in ("", "\0", "a\nb", "\ud800", "x" * 100_000, "nul\0.scp", "~"):
        (one,) = expand_inputs(path)
        with pytest.raises(AudioFileNotFoundError) as caught:
            one.load()
        assert str(caught.value).isprintable()
    (one,) = expand_inputs(tmp_path)
    with pytest.raises(AudioError, match="a directory"):
        one.load()


def test_names_that_are_no_text(tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\x1b.scp")
    Path(name).write_text("{")
    with pytest.raises(AudioError, match="cannot be an item of a list") as caught:
        expand_inputs([name])
    assert str(caught.value).isprintable()


def test_what_may_have_to_wait_for_others(tmp_path: Path) -> None:
    import io

    for item in (
        "http://h/a.wav",
        "HTTPS://h/a",
        "list.scp",
        Path("list.JSON"),
        ["a.wav", " http://h"],
    ):
        assert waits_for_others(item), item
    with (tmp_path / "file").open("wb+") as file:
        assert waits_for_others(file)
    for item in (
        WAVE,
        b"http://",
        "a.wav",
        io.BytesIO(),
        [WAVE, "a.wav"],
        WAVE.tolist(),
        [],
        None,
        5,
    ):
        assert not waits_for_others(item), item


def test_json_entries_may_hold_numbers_as_keys(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps({"source": "a", "key": k}) for k in (7, 1.5, "x")))
    assert [one.key for one in expand_inputs(path)] == ["7", "1.5", "x"]
