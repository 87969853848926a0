"""Clips from whatever lists people have."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from safeasr.bench.audio.manifest import embedded_clips, load_clips, read_references
from safeasr.errors import AudioError, InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three recordings, one of them deeper, of another rate and with two channels."""
    (tmp_path / "sub").mkdir()
    for number, name in enumerate(("a.wav", "b.flac")):
        soundfile.write(tmp_path / name, np.full(1600 * (number + 1), 0.1), 16000)
    soundfile.write(tmp_path / "sub" / "c.wav", np.full((800, 2), 0.1), 8000)
    (tmp_path / "notes.txt").write_text("no audio")
    return tmp_path


def test_a_folder(folder: Path) -> None:
    clips = load_clips([str(folder)])
    assert [clip.name for clip in clips] == ["a", "b", "sub/c"]
    assert [round(clip.seconds, 3) for clip in clips] == [0.1, 0.2, 0.1]
    assert clips[0].encoded == (folder / "a.wav").read_bytes() and clips[0].filename == "a.wav"
    assert [clip.name for clip in load_clips([str(folder)], limit=2)] == ["a", "b"]


def test_lists_and_references(folder: Path) -> None:
    (folder / "wav.scp").write_text(f"one {folder / 'a.wav'}\n\ntwo b.flac\n")
    (folder / "text").write_text("one hello there\ntwo 你好\n", "utf-8")
    clips = load_clips([str(folder / "wav.scp")], read_references(folder / "text"))
    assert [(clip.name, clip.reference) for clip in clips] == [
        ("one", "hello there"),
        ("two", "你好"),
    ]


def test_kaldi_separates_by_any_white_space(folder: Path) -> None:
    (folder / "wav.scp").write_text(f"one\t{folder / 'a.wav'}\n  two \t b.flac \n")
    (folder / "text").write_text("one\thello  there\ntwo\n")
    assert read_references(folder / "text") == {"one": "hello  there", "two": ""}
    clips = load_clips([str(folder / "wav.scp")], read_references(folder / "text"))
    assert [(clip.name, clip.reference) for clip in clips] == [("one", "hello  there"), ("two", "")]


def test_references_of_other_clips(folder: Path) -> None:
    with pytest.raises(InputError, match=r"'x1'.*'a'"):
        load_clips([str(folder)], {"x1": "hello"})
    # One that matches is enough: people have one file for all of their sets.
    assert load_clips([str(folder)], {"x1": "hello", "b": "there"})[1].reference == "there"
    (folder / "text").write_text("\n")
    with pytest.raises(InputError, match="no references"):
        read_references(folder / "text")


def test_manifests(folder: Path) -> None:
    rows = [
        {"audio_filepath": "a.wav", "text": "hello", "options": {"language": "en"}},
        {"source": "b.flac", "key": "two", "target": "there"},
    ]
    (folder / "m.jsonl").write_text("\n".join(map(json.dumps, rows)))
    clips = load_clips([str(folder / "m.jsonl")])
    assert [(clip.name, clip.reference, clip.options) for clip in clips] == [
        ("a", "hello", {"language": "en"}),
        ("two", "there", {}),
    ]
    (folder / "m.csv").write_text('path,transcript,options\na.wav,"hello, you","{""a"": 1}"\n')
    (clip,) = load_clips([str(folder / "m.csv")])
    assert clip.reference == "hello, you" and clip.options == {"a": 1}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("m.jsonl", "not json", "line 1"),
        ("m.jsonl", "[1, 2]", "expected an object"),
        ("m.jsonl", '{"text": "hello"}', "none of audio"),
        ("m.csv", "text\nhello\n", "none of audio"),
        ("m.csv", 'path,options\na.wav,"{broken"\n', "options"),
        ("m.jsonl", '{"path": "a.wav", "options": 3}', "options"),
        ("wav.scp", "x no.wav\n", "no.wav"),
        ("wav.scp", "x a.wav\nx b.flac\n", "two clips"),
        ("wav.scp", "x cat a.wav |\n", "'x' is a command .'cat a.wav |'."),
        ("wav.scp", "x\n", "'x' has no file"),
        ("empty.scp", "", "no audio"),
        ("x.wav", "<html>not found</html>", "x.wav"),
    ],
)
def test_what_is_wrong_is_named(folder: Path, name: str, content: str, said: str) -> None:
    (folder / name).write_text(content)
    with pytest.raises((InputError, AudioError), match=said):
        load_clips([str(folder / name)])


def test_what_comes_with_the_package() -> None:
    clips = embedded_clips()
    assert len(clips) == 16 and all(clip.reference for clip in clips)
    (conversation,) = embedded_clips("demo-streaming")
    assert conversation.seconds > 15 and "one two three four five" in str(conversation.reference)
