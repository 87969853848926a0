"""``safeasr transcribe --server``: what a server says, in the forms of local recognition."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="uvicorn runs the server")
pytest.importorskip("websockets", reason="live sessions are websockets")

import safeasr
from safeasr.cli.app import run
from safeasr.client import Client
from support.scripted import Answer, ScriptedHttp
from support.served import serving
from support.serving import Server

MODELS = Path(safeasr.__file__).parent / "models"
CLIPS = sorted((MODELS / "demo" / "audio").glob("*.flac"))[:4]
DIALOGUE = MODELS / "demo-spk" / "audio" / "dialogue.flac"
Shown = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def at(demo_server: Server) -> list[str]:
    """Arguments that name the server."""
    return ["transcribe", "--server", demo_server.url]


@pytest.fixture(scope="module")
def texts(demo_server: Server) -> dict[str, str]:
    """Of the clips."""
    with Client(demo_server.url) as client:
        return {clip.stem: client.transcribe(clip).text for clip in CLIPS}


def test_text(at: list[str], texts: dict[str, str], capsys: Shown) -> None:
    assert run([*at, str(CLIPS[0])]) == 0
    assert capsys.readouterr().out == f"{texts[CLIPS[0].stem]}\n"
    assert run([*at, *map(str, CLIPS)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{key}\t{text}" for key, text in texts.items()]


def test_json(at: list[str], texts: dict[str, str], capsys: Shown) -> None:
    assert run([*at, "--json", *map(str, CLIPS)]) == 0
    results = json.loads(capsys.readouterr().out)
    assert results == [{"key": key, "text": text} for key, text in texts.items()]
    assert run([*at, "--timestamps", str(CLIPS[0])]) == 0
    result = json.loads(capsys.readouterr().out)
    assert len(result["timestamp"]) == len(result["words"]) > 0
    assert all(start < end for start, end in result["timestamp"])


def test_speakers_and_subtitles(at: list[str], capsys: Shown) -> None:
    assert run([*at, "--speakers", str(DIALOGUE)]) == 0
    turns = capsys.readouterr().out.splitlines()
    assert turns[0] == "Speaker 0: Hello, help, please. Open, close?"
    assert turns[1].startswith("Speaker 1: Yes, open three")
    for form, first in {
        "srt": "1\n00:00:01,079 --> 00:00:02,639\nHello, help, please.\n",
        "vtt": "WEBVTT\n\n00:00:01.079 --> 00:00:02.639\nHello, help, please.\n",
        "tsv": "start\tend\tspeaker\ttext\n1079\t2639\t\tHello, help, please.\n",
    }.items():
        assert run([*at, "--format", form, str(DIALOGUE)]) == 0
        assert capsys.readouterr().out.startswith(first)


def test_folders_are_resumed(at: list[str], texts: dict[str, str], tmp_path: Path) -> None:
    inputs, output = tmp_path / "in", tmp_path / "out"
    (inputs / "below").mkdir(parents=True)
    for clip in CLIPS:
        (inputs / "below" / clip.name).write_bytes(clip.read_bytes())
    arguments = [*at, str(inputs), "--output-dir", str(output), "--at-a-time", "3"]
    assert run(arguments) == 0
    made = {file.stem: file.read_text().strip() for file in (output / "below").iterdir()}
    assert made == texts
    (output / "below" / f"{CLIPS[0].stem}.txt").write_text("kept")
    (output / "below" / f"{CLIPS[1].stem}.txt").unlink()
    assert run([*arguments, "--resume"]) == 0
    assert (output / "below" / f"{CLIPS[0].stem}.txt").read_text() == "kept"
    assert (output / "below" / f"{CLIPS[1].stem}.txt").exists()


def test_urls_are_fetched_here(at: list[str], texts: dict[str, str], capsys: Shown) -> None:
    """The server opens none."""
    with serving() as shelf:
        url = shelf.put("clip.flac", CLIPS[0].read_bytes())
        assert run([*at, url, f"{url}.not"]) == 1
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [f"clip\t{texts[CLIPS[0].stem]}"]
    assert "error: http://" in shown.err


def test_what_fails_is_named_and_the_rest_goes_on(
    at: list[str], texts: dict[str, str], tmp_path: Path, capsys: Shown
) -> None:
    broken = tmp_path / "broken.flac"
    broken.write_bytes(b"fLaC" + bytes(100))
    assert run([*at, str(broken), str(CLIPS[0]), "--jsonl"]) == 1
    shown = capsys.readouterr()
    first, second = map(json.loads, shown.out.splitlines())
    assert first["error"]["type"] == "AudioError"
    assert second["text"] == texts[CLIPS[0].stem]
    assert shown.err.startswith(f"error: {broken}: HTTP 400: ")


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (Answer(401, b'{"error": {"message": "a key"}}'), "error: HTTP 401: a key"),
        (
            Answer(404, b'{"error": {"message": "no model", "code": "model_not_found"}}'),
            "error: HTTP 404: no model",
        ),
        (Answer(503, headers={"Retry-After": "3600"}), "error: HTTP 503: X"),
    ],
)
def test_what_is_so_for_all_inputs_ends_the_run(answer: Answer, shown: str, capsys: Shown) -> None:
    with ScriptedHttp(answer) as server:
        assert run(["transcribe", "--server", server.url, *map(str, CLIPS)]) == 1
    assert capsys.readouterr().err.splitlines() == [shown]


def test_a_server_that_fails_fails_one_input(capsys: Shown) -> None:
    said = [Answer(500, b'{"error": "broke"}'), Answer(200, b'{"text": "b", "failed_parts": 2}')]
    with ScriptedHttp(*said, Answer(200, b'{"text": "c"}')) as server:
        arguments = ["transcribe", "--server", server.url, "--at-a-time", "1", "--text"]
        assert run([*arguments, *map(str, CLIPS[:3])]) == 1
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [f"{CLIPS[1].stem}\tb", f"{CLIPS[2].stem}\tc"]
    assert shown.err.splitlines() == [
        f"error: {CLIPS[0]}: HTTP 500: broke",
        f"error: {CLIPS[1]}: 2 parts of it could not be recognised",
    ]


def test_keys_and_hotwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = tmp_path / "words.txt"
    words.write_text("open the door\n魔搭\n", "utf-8")
    monkeypatch.setenv("SAFEASR_API_KEY", "secret")
    with ScriptedHttp(Answer(200, b'{"text": "a"}')) as server:
        arguments = ["transcribe", "--server", server.url, "-m", "big", "--language", "zh"]
        assert run([*arguments, "--hotwords", str(words), str(CLIPS[0])]) == 0
        head, body = server.heads[0], server.bodies[0]
    assert "Bearer secret" in head
    for value in ("open the door", "魔搭", "big", "zh"):
        assert f"\r\n\r\n{value}\r\n".encode() in body


@pytest.mark.parametrize(
    "arguments",
    [
        ["--vad", "fsmn-vad"],
        ["--spk", "cam++"],
        ["--device", "cpu"],
        ["--trust-remote-code"],
        ["--stream", "--format", "srt"],
        ["--real-time"],
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    url = "http://127.0.0.1:1"
    assert run(["transcribe", "--server", url, *arguments, str(CLIPS[0])]) == 2


@pytest.mark.parametrize("arguments", [["--speakers"], ["--language", "zh"], ["--insecure"]])
def test_what_needs_a_server(arguments: list[str]) -> None:
    assert run(["transcribe", *arguments, str(CLIPS[0])]) == 2


def test_no_address(capsys: Shown) -> None:
    assert run(["transcribe", "--server", "localhost:8000", str(CLIPS[0])]) == 1
    assert "url must be an address" in capsys.readouterr().err


def test_live(at: list[str], recording: Path, capsys: Shown) -> None:
    assert run([*at, "--stream", str(recording)]) == 0
    assert "] Hello, play next, please.\n" in capsys.readouterr().out
    assert run([*at, "--stream", "--speakers", str(recording)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("] ")[2] for line in lines] == [
        "Speaker 0: Hello, play next, please.",
        "Speaker 1: One two three, four five.",
        "Speaker 1: Louder, start.",
        "Speaker 1: No, go back. Seven nine zero.",
    ]
    assert lines[0].startswith("[0.62 - ")
    assert run([*at, "--stream", "--jsonl", str(recording)]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {one["mode"] for one in events} == {"2pass-online", "2pass-offline"}
    assert all(one["key"] == "conversation" for one in events)


def test_it_needs_no_torch(
    run_python: Callable[..., subprocess.CompletedProcess[str]], at: list[str], recording: Path
) -> None:
    script = """
import sys
from safeasr.cli.app import run
code = run(sys.argv[1:])
assert not {"torch", "funasr"} & set(sys.modules), "it does"
sys.exit(code)
"""
    for more in ([], ["--stream"]):
        done = run_python(script, *at, recording, *more)
        assert done.returncode == 0, done.stderr
        assert "play next" in done.stdout


def test_ctrl_c_while_it_waits(start_python: Callable[..., subprocess.Popen[str]]) -> None:
    """What is under way is taken back: nobody waits for a server that says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        script = "import sys; from safeasr.cli import main; main(sys.argv[1:])"
        arguments: list[Any] = ["transcribe", "--server", url, *CLIPS]
        process = start_python(script, *arguments)
        connection, _ = silent.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == ("", "", 130)
