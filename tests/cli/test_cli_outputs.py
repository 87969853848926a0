"""Formats, folders, and runs that go on where others ended."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from safeasr import AudioError, AutoModel, InferenceError
from safeasr.cli.app import run
from safeasr.cli.formats import Format, Writer
from safeasr.cli.running import callers_for
from safeasr.cli.sources import file_of
from support.fake_model import FakeModel
from support.vad import conversation

RESULT: dict[str, Any] = {
    "key": "talk",
    "text": "Hello there. Bye & <out>.",
    "sentence_info": [
        {"text": " Hello\nthere.", "start": 0, "end": 1250, "spk": 0},
        {"text": "", "start": 1300, "end": 1400, "spk": 1},
        {"text": "Bye & <out>.", "start": 3_725_004, "end": 3_726_000, "spk": 1},
    ],
}
SILENT: dict[str, Any] = {"key": "silence", "text": "", "sentence_info": []}


def written(form: Format, *results: dict[str, Any], keys: bool = False) -> str:
    out = io.StringIO()
    writer = Writer(out, form, with_keys=keys)
    for result in results:
        writer.write(result)
    writer.close()
    return out.getvalue()


def test_subtitles() -> None:
    assert written(Format.SRT, RESULT) == (
        "1\n00:00:00,000 --> 00:00:01,250\nSpeaker 0: Hello there.\n\n"
        "2\n01:02:05,004 --> 01:02:06,000\nSpeaker 1: Bye & <out>.\n\n"
    )
    assert written(Format.VTT, RESULT) == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:01.250\n<v Speaker 0>Hello there.\n\n"
        "01:02:05.004 --> 01:02:06.000\n<v Speaker 1>Bye &amp; &lt;out&gt;.\n\n"
    )
    assert written(Format.TSV, RESULT, SILENT, keys=True) == (
        "key\tstart\tend\tspeaker\ttext\n"
        "talk\t0\t1250\t0\tHello there.\n"
        "talk\t3725004\t3726000\t1\tBye & <out>.\n"
    )
    nobody = {**RESULT, "sentence_info": [{"text": "Hi", "start": 5, "end": 10}]}
    assert written(Format.SRT, nobody) == "1\n00:00:00,005 --> 00:00:00,010\nHi\n\n"
    assert written(Format.TSV, nobody) == "start\tend\tspeaker\ttext\n5\t10\t\tHi\n"
    assert written(Format.VTT, SILENT) == "WEBVTT\n\n"


def test_text_has_a_line_for_each_turn() -> None:
    assert written(Format.TEXT, RESULT) == ("Speaker 0: Hello there.\nSpeaker 1: Bye & <out>.\n")
    assert written(Format.TEXT, {"key": "a", "text": "hi"}, keys=True) == "a\thi\n"


def test_what_json_does_not_know() -> None:
    error = {"start": 0, "end": 9, "error": AudioError("no\nsound")}
    centres = np.ones((1, 2), np.float32)
    [found] = json.loads(
        written(Format.JSON, {"key": "a", "spk_embedding_center": centres, "errors": [error]})
    )
    assert found["spk_embedding_center"] == [[1, 1]]
    assert found["errors"][0]["error"] == {"type": "AudioError", "message": "no sound"}


@pytest.mark.parametrize(
    ("key", "file"),
    [
        ("a", "a.srt"), ("sub/a.b", "sub/a.b.srt"), ("/etc/passwd", "etc/passwd.srt"),
        ("../../x", "x.srt"), ("..", "unnamed.srt"), ("", "unnamed.srt"),
    ],
)  # fmt: skip
def test_files_stay_in_their_folder(key: str, file: str) -> None:
    assert str(file_of(key, ".srt")) == file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "audio"
    for name in ("b.wav", "a.MP3", "notes.txt", ".hidden.wav", "sub/a.wav", ".git/c.wav"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x" * len(name))
    return root


def test_a_folder_stands_for_its_audio(
    fake: type[FakeModel], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["transcribe", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("\t")[0] for line in lines] == ["a", "b", "sub/a"]
    (folder / "none").mkdir()
    assert run(["transcribe", str(folder / "none")]) == 2
    assert "no audio files" in capsys.readouterr().err


def test_a_file_for_each_input(fake: type[FakeModel], folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "results" / "here"
    FakeModel.failing = {"b": AudioError("gone")}
    assert run(["transcribe", str(folder), "--output-dir", str(out)]) == 1
    FakeModel.failing = {}
    (out / "sub").mkdir(exist_ok=True, parents=True)
    (out / "sub" / "a.txt").write_text("done before")
    assert run(["transcribe", str(folder), "--output-dir", str(out), "--resume"]) == 0
    found = {str(one.relative_to(out)): one.read_text() for one in out.rglob("*") if one.is_file()}
    assert found == {"a.txt": "size 5\n", "b.txt": "size 5\n", "sub/a.txt": "done before"}
    models = len(FakeModel.made)
    assert run(["transcribe", str(folder), "--output-dir", str(out), "--resume"]) == 0
    assert len(FakeModel.made) == models  # nothing to do: nothing was loaded
    assert run(["transcribe", str(folder), "--output-dir", str(out), "--json"]) == 0
    assert json.loads((out / "b.json").read_text())["text"] == "size 5"


def test_two_inputs_for_one_file(
    fake: type[FakeModel], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [str(folder / "a.MP3"), str(folder / "sub" / "a.wav")]
    assert run(["transcribe", *both, "--output-dir", str(tmp_path / "out")]) == 2
    assert "2 inputs would be written to" in capsys.readouterr().err
    assert fake.made == []


def test_models_and_options(fake: type[FakeModel], files: list[str], tmp_path: Path) -> None:
    arguments = ["transcribe", files[0], "-f", "srt", "-o", str(tmp_path / "a.srt")]
    arguments += ["--vad", "v", "--punc", "p", "--spk", "s", "--hotwords", "alpha beta"]
    assert run(arguments) == 0
    [model] = fake.made
    assert {role: model.options.get(role) for role in ("vad_model", "punc_model", "spk_model")} == {
        "vad_model": "v", "punc_model": "p", "spk_model": "s",
    }  # fmt: skip
    assert "online_model" not in model.options
    assert [options for _, options in model.calls] == [
        {"output_timestamp": True, "sentence_timestamp": True, "hotword": "alpha beta"}
    ]


def test_keywords(
    fake: type[FakeModel], files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["transcribe", files[0], "--keywords", "alpha,beta"]) == 0
    assert [options for _, options in fake.made[0].calls] == [{"keywords": "alpha,beta"}]
    assert run(["transcribe", files[0], "--keywords", "alpha", "--server", "http://x"]) == 2
    assert "--keywords" in capsys.readouterr().err


def test_what_two_heads_say() -> None:
    result = {"key": "a", "text": "detected x 0.5", "text2": "rejected"}
    assert written(Format.TEXT, result, keys=True) == "a\tdetected x 0.5\na\trejected\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--format", "srt"],
        ["--format", "doc"],
        ["--spk", "cam++"],
        ["--format", "srt", "--json", "--vad", "v"],
        ["--timestamps", "--format", "vtt", "--vad", "v"],
        ["--resume"],
        ["--output-dir", "x", "--output", "y"],
        ["--stream", "--format", "srt", "--vad", "v"],
        ["--stream", "--output-dir", "x"],
    ],
)
def test_what_excludes_each_other(
    fake: type[FakeModel], files: list[str], arguments: list[str]
) -> None:
    assert run(["transcribe", files[0], *arguments]) == 2
    assert fake.made == []


def test_subtitles_of_several_inputs_need_files(fake: type[FakeModel], files: list[str]) -> None:
    for form in ("srt", "vtt"):
        assert run(["transcribe", *files, "--vad", "v", "--format", form]) == 2
    assert fake.made == []


@pytest.mark.parametrize("to_files", [False, True])
def test_a_recording_of_which_a_part_failed(
    fake: type[FakeModel],
    files: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    to_files: bool,
) -> None:
    """It is named, the run fails, and whoever resumes tries again."""
    generate = FakeModel.generate
    error = {"start": 1000, "end": 2500, "error": InferenceError("too\nlarge")}

    def with_errors(self: FakeModel, source: Any, key: str = "", **options: Any) -> Any:
        [result] = generate(self, source, key, **options)
        return [{**result, **({"errors": [error]} if key == "b" else {})}]

    monkeypatch.setattr(FakeModel, "generate", with_errors)
    out = tmp_path / "out"
    arguments = ["transcribe", *files, *(["--output-dir", str(out)] if to_files else [])]
    assert run(arguments) == 1
    shown = capsys.readouterr()
    assert "b.wav, 1000 to 2500 ms: too large" in shown.err
    if to_files:
        assert sorted(one.name for one in out.iterdir()) == ["a.txt", "c.txt"]
        monkeypatch.undo()
        monkeypatch.setattr("safeasr.cli.models.AutoModel", FakeModel)
        assert run([*arguments, "--resume"]) == 0
        assert len(FakeModel.made[-1].calls) == 1
    else:
        assert len(shown.out.splitlines()) == 3


def test_a_file_as_soon_as_it_is_done(
    fake: type[FakeModel], files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one takes until the others' files are there."""
    out = tmp_path / "out"
    generate = FakeModel.generate

    def slow(self: FakeModel, source: Any, key: str = "", **options: Any) -> Any:
        end = time.monotonic() + 60
        while key == "a" and not (out / "c.txt").exists() and time.monotonic() < end:
            time.sleep(0.002)
        assert time.monotonic() < end, "c waited for a"
        return generate(self, source, key, **options)

    monkeypatch.setattr(FakeModel, "generate", slow)
    assert run(["transcribe", *files, "--output-dir", str(out)]) == 0
    assert sorted(one.name for one in out.iterdir()) == ["a.txt", "b.txt", "c.txt"]


def test_names_that_no_file_can_have(
    fake: type[FakeModel], files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scp = tmp_path / "list.scp"
    scp.write_text(f"{'x' * 300} {files[0]}\nfine {files[1]}\n")
    out = tmp_path / "out"
    for _ in range(2):
        assert run(["transcribe", str(scp), "--output-dir", str(out), "--resume"]) == 1
        assert "cannot be written" in capsys.readouterr().err
        assert [one.name for one in out.iterdir()] == ["fine.txt"]


def test_inputs_without_a_key_are_resumed(
    fake: type[FakeModel], files: list[str], tmp_path: Path
) -> None:
    """A list file's bare paths have random keys elsewhere."""
    listed = tmp_path / "list.jsonl"
    listed.write_text("".join(json.dumps({"source": file}) + "\n" for file in files))
    out = tmp_path / "out"
    for _ in range(2):
        assert run(["transcribe", str(listed), "--output-dir", str(out), "--resume"]) == 0
    assert sorted(one.name for one in out.iterdir()) == ["a.txt", "b.txt", "c.txt"]
    assert len(FakeModel.made) == 1


@pytest.mark.parametrize(("segments", "expected"), [(False, 64), (True, 2)])
def test_hours_of_audio_are_not_all_read_at_once(segments: bool, expected: int) -> None:
    assert callers_for(None, 2, 1000, segments=segments) == expected
    assert callers_for(None, 2, 1, segments=segments) == 1


def test_subtitles_of_a_recording(tmp_path: Path) -> None:
    wave = conversation(12, seed=2)
    file = tmp_path / "talk.wav"
    soundfile.write(file, wave, 16000, subtype="FLOAT")
    out = tmp_path / "talk.tsv"
    assert run(["transcribe", str(file), "--vad", "demo-vad", "-f", "tsv", "-o", str(out)]) == 0
    rows = [line.split("\t") for line in out.read_text().splitlines()[1:]]
    with AutoModel("demo", vad_model="demo-vad", disable_pbar=True) as model:
        options = {"output_timestamp": True, "sentence_timestamp": True}
        sentences = model.generate(str(file), **options)[0]["sentence_info"]
    assert len(rows) > 1
    assert rows == [[str(one["start"]), str(one["end"]), "", one["text"]] for one in sentences]
