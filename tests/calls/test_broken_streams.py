"""A standard error that is closed, broken or poor in characters makes no call fail."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

from safeasr import AutoModel
from safeasr.cli.app import run
from safeasr.warn import warn
from support.audio import speech

CLIP = speech(1.0)


class Failing(io.TextIOBase):
    """Raises whatever is done with it."""

    encoding = "utf-8"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def write(self, text: str) -> int:
        raise self.error

    def flush(self) -> None:
        raise self.error

    def isatty(self) -> bool:
        raise self.error


def closed() -> Any:
    stream = io.StringIO()
    stream.close()
    return stream


def broken_pipe() -> Any:
    reader, writer = os.pipe()
    os.close(reader)
    return io.TextIOWrapper(io.FileIO(writer, "w"), write_through=True)


STREAMS: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "closed": closed,
    "broken pipe": broken_pipe,
    "disk full": lambda: Failing(OSError(28, "No space left on device")),
    "not open": lambda: Failing(ValueError("I/O operation on closed file")),
    "ascii": lambda: io.TextIOWrapper(io.BytesIO(), "ascii", write_through=True),
    "ascii, once": lambda: Failing(UnicodeEncodeError("ascii", "x", 0, 1, "no")),
    "runtime error": lambda: Failing(RuntimeError("mine")),
}


@pytest.fixture(scope="module")
def model() -> Iterator[AutoModel]:
    with AutoModel("demo", num_workers=1) as one:
        yield one


@pytest.mark.parametrize("name", STREAMS)
def test_progress_and_warnings(
    model: AutoModel, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    expected = model.generate([CLIP] * 3, key=list("abc"), disable_pbar=True)

    def progress(done: int, total: int) -> None:
        raise ValueError("logged")

    with monkeypatch.context() as patch:
        stream = STREAMS[name]()
        patch.setattr(sys, "stderr", stream)
        patch.setattr(sys, "stdout", stream)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warn("some ❓ 语音")
            got = model.generate([CLIP] * 3, key=list("abc"), 语音=1, progress_callback=progress)
            future = model.submit(CLIP, colour=1)
            future.add_done_callback(lambda _: 1 / 0)
            assert future.result(60)[0]["text"]
            model.generate(CLIP)  # callbacks still run afterwards
            model.submit(CLIP).wait(60)
        if name == "broken pipe":
            stream.detach()
    assert got == expected
    # What could not be drawn holds up no bar of another thread.
    others = threading.Thread(target=model.generate, args=(CLIP,), daemon=True)
    others.start()
    others.join(60)
    assert not others.is_alive()


def test_warnings_that_are_errors_stay_so(model: AutoModel) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="colour"):
            model.generate(CLIP, colour=1)


@pytest.mark.parametrize("name", STREAMS)
def test_the_command_line(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for one in ("a", "b"):
        soundfile.write(tmp_path / f"{one}.wav", CLIP, 16000)
    paths = [str(tmp_path / one) for one in ("a.wav", "missing.wav", "b.wav")]
    out = tmp_path / "out.jsonl"
    with monkeypatch.context() as patch:
        stream = STREAMS[name]()
        patch.setattr(sys, "stderr", stream)
        assert run(["transcribe", *paths, "--jsonl", "--workers", "1", "-o", str(out)]) == 1
        if name == "broken pipe":
            stream.detach()
    lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [line["key"] for line in lines][::2] == ["a", "b"]
    assert lines[1]["error"]["type"] == "AudioFileNotFoundError"
    assert "text" not in lines[1]


def test_results_on_a_stream_of_few_characters(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "语音.wav"
    soundfile.write(path, CLIP, 16000)
    for form, expected in (("--text", b"\\u8bed\\u97f3\t"), ("--jsonl", b"\\u8bed")):
        out = io.BytesIO()
        stream = io.TextIOWrapper(out, "ascii", write_through=True)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stream)
            assert run(["transcribe", str(path), str(path), form, "--workers", "1"]) == 0
        assert expected in out.getvalue()
        stream.detach()


@pytest.mark.parametrize("closing", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_descriptors_that_are_closed(
    run_python: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, closing: str
) -> None:
    script = f"""
import os, subprocess, sys
code = '''
import numpy as np
from safeasr import AutoModel
with AutoModel("demo", num_workers=1, colour=1) as model:
    text = model.generate([np.zeros(8000, np.float32)] * 3)
open({str(tmp_path / "out")!r}, "w").write(str(len(text)))
'''
done = subprocess.run(["sh", "-c", 'exec "$0" -c "$1" {closing}', sys.executable, code])
sys.exit(done.returncode)
"""
    assert run_python(script).returncode == 0
    assert (tmp_path / "out").read_text() == "3"
