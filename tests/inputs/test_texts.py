"""Text as an input: what is text, and what is none."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import AudioError, InputError, UnsupportedModelError
from safeasr.inputs.expand import expand_inputs
from safeasr.options.access import Access


def texts(input: Any, **options: Any) -> list[object]:
    return [one.load() for one in expand_inputs(input, data_type="text", **options)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "今天天气",
        "nowhere.wav",
        "http://127.0.0.1:9/a.wav",
        "/",
        "a\0b.wav",
        "x" * 100_000,
    ],
)
def test_every_str_is_text(text: str) -> None:
    assert texts(text) == [text]
    assert texts([text, text]) == [text, text]


@pytest.mark.parametrize(
    ("item", "came"),
    [
        (7, "int"), (None, "NoneType"), (b"text", "bytes"), (1.5, "float"), ({"a": 1}, "dict"),
        (np.zeros(9, np.float32), "ndarray"), (np.array(["text"]), "ndarray"),
        (io.StringIO("text"), "StringIO"), (Path("text"), "PosixPath"),
    ],
)  # fmt: skip
def test_what_is_no_text_is_named(item: Any, came: str) -> None:
    for given in (item, ["text", item]):
        with pytest.raises(InputError, match=rf"expected text \(str\), got {came}$") as caught:
            texts(given)
        assert not isinstance(caught.value, AudioError)


def test_half_of_a_surrogate_pair_is_no_text() -> None:
    with pytest.raises(InputError, match=r"surrogate pair \('\\ud83d'\) at character 2"):
        texts("今天\ud83d")


def test_a_recording_is_no_text(tmp_path: Path) -> None:
    recording = tmp_path / "a.WAV"
    recording.write_bytes(b"")
    for given in (str(recording), [str(recording)]):
        with pytest.raises(InputError, match=r"got the path of a recording: '.*a\.WAV'"):
            texts(given)
    notes = tmp_path / "notes.md"
    notes.write_text("hello")
    assert texts(str(notes)) == [str(notes)], "a path like any other is text"


def test_list_files_hold_texts(tmp_path: Path) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("id1 今天 天气\n\nhello\n", encoding="utf-8")
    found = expand_inputs(str(lines), data_type="text")
    assert [one.load() for one in found] == ["今天 天气", "hello"]
    assert found[0].key == "id1" and found[1].key.startswith("rand_key_")
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"key": "a", "source": "\\ud83d"}\n')
    with pytest.raises(InputError, match=r"input 0 \(key 'a'\): .*surrogate"):
        texts(str(broken))
    with pytest.raises(UnsupportedModelError, match="'texts'"):
        expand_inputs("a", data_type="texts")


def test_where_nothing_may_be_opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What would be opened elsewhere is text, and nobody is told what is there."""
    there = tmp_path / "there.txt"
    there.write_text("hello")
    named = [str(there), str(tmp_path / "a.wav"), "http://127.0.0.1:9/list.txt"]
    for look in ("exists", "isfile"):
        monkeypatch.setattr(os.path, look, lambda name: pytest.fail(f"looked at {name}"))
    for text in named:
        assert texts(text, access=Access(urls=False, paths=False)) == [text]
    with pytest.raises(InputError, match=r"expected text \(str\), got PosixPath"):
        texts(there, access=Access(paths=False))
