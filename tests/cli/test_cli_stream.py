"""``safeasr transcribe --stream``: what comes while it comes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import safeasr
from safeasr import AutoModel, InferenceError
from safeasr.cli.app import run
from safeasr.cli.stream import _Display
from support.diarized import CONFS
from support.speakers import write_speaker_dir
from support.two_pass import Events, ended, events_of

AUDIO = Path(safeasr.__file__).parent / "models" / "demo-streaming" / "audio"
CONVERSATION = AUDIO / "conversation.flac"
STREAM = ["transcribe", "--stream", str(CONVERSATION)]


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((AUDIO / "expected.json").read_text())[CONVERSATION.name]
    return found


@pytest.fixture(scope="module")
def events() -> Events:
    """Of the conversation, by the library."""
    wave, _ = soundfile.read(CONVERSATION, dtype="float32")
    with AutoModel("demo", disable_pbar=True) as model:
        return [{**one, "key": "conversation"} for one in events_of(model, wave)]


def test_words_of_a_streaming_model(
    expected: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*STREAM, "--model", "demo-streaming"]) == 0
    assert capsys.readouterr().out.split() == expected["streaming_text"].split()


def test_a_line_for_each_segment(events: Events, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(STREAM) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"[{one['start'] / 1000:.2f} - {one['end'] / 1000:.2f}] {one['text']}"
        for one in ended(events)
    ]


def test_events_as_json(events: Events, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*STREAM, "--jsonl"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [one for one in events if one["text"]]


def test_segments_of_a_detector(
    expected: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*STREAM, "--model", "demo-vad"]) == 0
    edges = [int(cell) for cell in capsys.readouterr().out.split() if cell != "-1"]
    assert edges == [edge for pair in expected["segments"] for edge in pair]


def test_what_fails_is_named_and_the_rest_goes_on(
    events: Events, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.flac"
    broken.write_bytes(b"fLaC" + bytes(100))
    assert run(["transcribe", "--stream", str(broken), str(CONVERSATION)]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(f"error: {broken}: ")
    assert len(captured.out.splitlines()) == len(ended(events))


@pytest.fixture(scope="module")
def speaker_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    pytest.importorskip("funasr", reason="funasr makes the model")
    made = tmp_path_factory.mktemp("spk") / "spk"
    return str(write_speaker_dir(made, "CAMPPlus", CONFS["CAMPPlus"]))


def test_speakers(events: Events, speaker_model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*STREAM, "--vad", "demo-vad", "--spk", speaker_model]) == 0
    texts = [line.partition("] ")[2] for line in capsys.readouterr().out.splitlines()]
    assert all(text.startswith("Speaker ") for text in texts)
    said = [one["text"] for one in ended(events)]
    assert [text.partition(": ")[2] for text in texts] == said


def test_a_part_that_fails(
    speaker_model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text is there, and the exit code says that something is not."""
    from safeasr.families.campplus.recognizer import SpeakerRecognizer

    def fails(*_: Any) -> Any:
        raise InferenceError("the network\nfailed")

    monkeypatch.setattr(SpeakerRecognizer, "finish", fails)
    assert run([*STREAM, "--vad", "demo-vad", "--spk", speaker_model, "--jsonl"]) == 1
    captured = capsys.readouterr()
    assert " ms: the network failed" in captured.err
    finals = ended([json.loads(line) for line in captured.out.splitlines()])
    assert all(one["text"] and one["spk"] is None for one in finals)
    assert finals[0]["errors"][0]["error"]["type"] == "InferenceError"


def test_the_first_that_fails_ends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.flac"
    broken.write_bytes(b"fLaC" + bytes(100))
    arguments = ["transcribe", "--stream", "--on-error", "raise", str(broken), str(CONVERSATION)]
    assert run(arguments) == 1
    assert capsys.readouterr().out == ""


def test_in_real_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before it would have been spoken."""
    now = [100.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr("safeasr.cli.stream._now", lambda: now[0])
    monkeypatch.setattr("safeasr.cli.stream._sleep", sleep)
    quiet = tmp_path / "quiet.wav"
    soundfile.write(quiet, np.zeros(24000, np.float32), 16000)
    assert run(["transcribe", "--stream", str(quiet)]) == 0
    assert now[0] == 100
    assert run(["transcribe", "--stream", "--real-time", str(quiet)]) == 0
    assert now[0] == pytest.approx(101.5)


def test_characters_that_the_output_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    display = _Display(out, as_json=False, name="a")
    display.show("a", {"key": "a", "text": "你好"})
    display.show(
        "a", [{"mode": "2pass-offline", "is_final": True, "start": 0, "end": 1, "text": "你"}]
    )
    assert raw.getvalue() == b"\\u4f60\\u597d[0.00 - 0.00] \\u4f60\n"


def test_hotwords_that_a_model_does_not_take(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*STREAM, "--hotwords", "alpha"]) == 0
    captured = capsys.readouterr()
    assert captured.out and "warning:" in captured.err and "hotword" in captured.err
