"""What docs/client.md and the package's docstring show is run, against a server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import typer.main
from numpy.typing import NDArray

pytest.importorskip("uvicorn", reason="uvicorn runs the server")
pytest.importorskip("websockets", reason="live sessions are websockets")

import safeasr.client
from safeasr.cli.app import app
from support.examples import Example, blocks_of_docstring, blocks_of_page, indented_lines, run
from support.paths import ROOT
from support.serving import Server

PAGE = ROOT / "docs" / "client.md"
EXAMPLES = [*blocks_of_page(PAGE), *blocks_of_docstring("safeasr.client", safeasr.client)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.name)
def test_examples_run(
    example: Example,
    demo_server: Server,
    samples: NDArray[np.int16],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    for name in ("speech.wav", "meeting.wav"):
        soundfile.write(tmp_path / name, samples, 16000)
    monkeypatch.chdir(tmp_path)
    code = example.code.replace("http://127.0.0.1:8000", demo_server.url)
    assert code != example.code
    run(Example(example.name, code), microphone=np.array_split(samples, 50))
    assert "Hello, play next, please." in capsys.readouterr().out


def test_all_are_found() -> None:
    assert len(EXAMPLES) == 4


@pytest.mark.parametrize("line", list(indented_lines(PAGE)))
def test_options_are_there(line: str) -> None:
    assert line.startswith("safeasr transcribe ")
    command: Any = typer.main.get_command(app)
    command = command.get_command(None, "transcribe")
    known = {name for parameter in command.params for name in parameter.opts}
    assert set(re.findall(r"(?<!\S)--[a-z][\w-]*", line)) <= known


def test_all_errors_are_named() -> None:
    text = PAGE.read_text("utf-8")
    assert all(f"`{name}`" in text for name in safeasr.server_errors.__all__)
