"""The command line: what it prints where, its exit codes, and one real run."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import safeasr
from safeasr.cli import main
from safeasr.cli.app import run
from safeasr.errors import AudioError, EngineClosedError, SafeASRError
from support.fake_model import FakeModel

DEMO = Path(safeasr.__file__).parent / "models" / "demo"


def test_main_leaves_with_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"safeasr {safeasr.__version__}\n"


@pytest.mark.parametrize("command", ["transcribe", "export", "info", "verify", "trust", "bench"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    assert "Usage" in capsys.readouterr().out


def test_one_input_prints_its_text_alone(
    fake: type[FakeModel], files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["transcribe", files[1]]) == 0
    assert capsys.readouterr().out == "size 2\n"


def test_several_inputs_print_key_and_text_in_order(
    fake: type[FakeModel], files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["transcribe", *files, "--text"]) == 0
    assert capsys.readouterr().out == "a\tsize 1\nb\tsize 2\nc\tsize 3\n"


def test_a_list_file_among_files(
    fake: type[FakeModel], files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scp = tmp_path / "list.scp"
    scp.write_text(f"first {files[2]}\nsecond {files[0]}\n")
    assert run(["transcribe", str(scp), files[1], "--jsonl"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["key"], one["text"]) for one in lines] == [
        ("first", "size 3"),
        ("second", "size 1"),
        ("b", "size 2"),
    ]


def test_json_to_a_file_with_timestamps(
    fake: type[FakeModel], files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    assert run(["transcribe", *files, "--timestamps", "--json", "--output", str(out)]) == 0
    assert capsys.readouterr().out == ""
    results = json.loads(out.read_text())
    assert [one["key"] for one in results] == ["a", "b", "c"]
    assert results[0]["timestamp"] == [[0, 10]]


def test_standard_input(
    fake: type[FakeModel], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"12345")))
    assert run(["transcribe", "-"]) == 0
    assert fake.made[0].calls == [(b"12345", {})]
    assert capsys.readouterr().out == "size 5\n"


def test_options_reach_the_model(fake: type[FakeModel], files: list[str]) -> None:
    arguments = ["--model", "m", "--device", "cpu", "--workers", "3", "--batch-size", "5"]
    assert run(["transcribe", files[0], *arguments]) == 0
    assert fake.made[0].options == {
        "model": "m",
        "device": "cpu",
        "num_workers": 3,
        "max_batch_size": 5,
        "trust_remote_code": False,
        "disable_pbar": True,
    }


def test_the_size_of_batches_is_the_models_unless_it_is_given(
    fake: type[FakeModel], files: list[str]
) -> None:
    """Its default depends on the device."""
    assert run(["transcribe", files[0]]) == 0
    assert fake.made[0].options["max_batch_size"] is None


def test_a_bad_input_is_named_and_the_others_go_on(
    fake: type[FakeModel], files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    fake.failing = {"b": AudioError("no\naudio")}
    assert run(["transcribe", *files]) == 1
    shown = capsys.readouterr()
    assert shown.out == "a\tsize 1\nc\tsize 3\n"
    assert shown.err == f"error: {files[1]}: no audio\n"


@pytest.mark.parametrize("form", ["--json", "--jsonl"])
def test_a_bad_input_has_its_error_in_its_place(
    fake: type[FakeModel], files: list[str], form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.failing = {"b": AudioError("no\naudio")}
    assert run(["transcribe", *files, form]) == 1
    out = capsys.readouterr().out
    results = json.loads(out) if form == "--json" else [json.loads(x) for x in out.splitlines()]
    assert results == [
        {"key": "a", "text": "size 1"},
        {"key": "b", "error": {"type": "AudioError", "message": "no audio"}},
        {"key": "c", "text": "size 3"},
    ]


@pytest.mark.parametrize("form", ["--json", "--jsonl", "--text"])
def test_on_error_raise_stops_at_the_first(
    fake: type[FakeModel], files: list[str], form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.failing = {"b": AudioError("no audio")}
    assert run(["transcribe", *files, form, "--on-error", "raise"]) == 1
    shown = capsys.readouterr()
    assert shown.err == f"error: {files[1]}: no audio\n"
    first = {"key": "a", "text": "size 1"}
    if form == "--text":
        assert shown.out == "a\tsize 1\n"
    else:
        assert json.loads(shown.out) == ([first] if form == "--json" else first)


def test_ctrl_c_writes_what_is_done(
    fake: type[FakeModel], files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    fake.failing = {"b": KeyboardInterrupt()}  # type: ignore[dict-item]
    assert run(["transcribe", *files, "--json"]) == 130
    assert json.loads(capsys.readouterr().out) == [{"key": "a", "text": "size 1"}]


def test_a_failure_of_the_model_ends_the_run_with_one_line(
    fake: type[FakeModel], files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    fake.failing = {"a": EngineClosedError("the model\nis closed")}
    assert run(["transcribe", files[0]]) == 1
    assert capsys.readouterr().err == "error: the model is closed\n"


def test_debug_shows_the_traceback(
    fake: type[FakeModel], files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    fake.failing = {"a": SafeASRError("broken")}
    assert run(["--debug", "transcribe", files[0]]) == 1
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "SafeASRError: broken" in shown


def test_an_output_that_cannot_be_written_costs_no_run(
    fake: type[FakeModel], files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["transcribe", files[0], "-o", str(tmp_path / "no" / "where.txt")]) == 1
    assert "where.txt" in capsys.readouterr().err
    assert fake.made == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["transcribe"],
        ["transcribe", "x.wav", "--json", "--text"],
        ["transcribe", "x.wav", "--timestamps", "--text"],
        ["transcribe", "-", "-"],
        ["transcribe", "x.wav", "--batch-size", "0"],
        ["transcribe", "x.wav", "--on-error", "ignore"],
        ["bench", "--concurrency", "1,none"],
        ["export", "demo"],
        ["unheard-of"],
    ],
)
def test_wrong_usage_exits_with_2(fake: type[FakeModel], arguments: list[str]) -> None:
    assert run(arguments) == 2
    assert fake.made == []


def test_ctrl_c_exits_with_130(
    fake: type[FakeModel], files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    fake.failing = {"b": KeyboardInterrupt()}  # type: ignore[dict-item]
    assert run(["transcribe", *files]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_demo_end_to_end(run_python: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    if not (DEMO / "model.pt").is_file():
        pytest.skip("the demo model is not there yet")
    expected = json.loads((DEMO / "audio" / "expected.json").read_text())
    script = "import sys; from safeasr.cli import main; main(sys.argv[1:])"
    paths = [DEMO / "audio" / name for name in sorted(expected)]
    done = run_python(script, "transcribe", *paths, "--jsonl")
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["key"] for one in results] == [path.stem for path in paths]
    with safeasr.AutoModel(model="demo", disable_pbar=True) as model:
        assert results == [model.generate(str(path))[0] for path in paths]


def test_ctrl_c_while_it_works(
    start_python: Callable[..., subprocess.Popen[str]], model_dir: Path, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).standard_normal(16000 * 20).astype(np.float32) * 0.1
    soundfile.write(tmp_path / "noise.wav", noise, 16000)
    scp = tmp_path / "many.scp"
    scp.write_text("".join(f"k{i} {tmp_path / 'noise.wav'}\n" for i in range(20_000)))
    script = "import sys; from safeasr.cli import main; main(sys.argv[1:])"
    process = start_python(script, "transcribe", scp, "--model", model_dir)
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        assert process.stdout.readline().startswith("k0\t")  # it is in the middle of its work
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert "Traceback" not in process.communicate(timeout=30)[1]
    assert process.returncode == 130
