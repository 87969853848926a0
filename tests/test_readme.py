"""What README, docs and docstrings show is run, and the commands that they name are there.

Names on FunASR's hub lead to models that are at hand: the embedded ones, or one with seeded random
weights. They must be of the class that the hub's model has, so that what is shown would load there.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import soundfile
import typer.main

import safeasr
from safeasr.bundles.model_dir import read_model_dir
from safeasr.cli.app import app
from safeasr.families import family_of_class
from safeasr.loading.find import EMBEDDED
from support.audio import speech
from support.examples import (
    Example,
    blocks_of_docstring,
    blocks_of_page,
    indented_lines,
    model_names,
    remember_download,
    run,
)
from support.paths import ROOT

README = ROOT / "README.md"
MODELS = Path(safeasr.__file__).parent / "models"
#: Names on the default hub: the class of the model there, and the embedded model of that class.
HUB = {
    "paraformer": ("Paraformer", "demo"),
    "paraformer-zh": ("SeacoParaformer", None),
    "paraformer-zh-streaming": ("ParaformerStreaming", "demo-streaming"),
    "fsmn-vad": ("FsmnVADStreaming", "demo-vad"),
    "iic/SenseVoiceSmall": ("SenseVoiceSmall", None),
    "iic/speech_charctc_kws_phone-xiaoyun": ("FsmnKWS", None),
}


def public_things() -> Iterator[tuple[str, object]]:
    """The package, what it exports, and the public methods of that."""
    yield "safeasr", safeasr
    for name in safeasr.__all__:
        thing = getattr(safeasr, name)
        if not isinstance(thing, str):
            yield name, thing
        if inspect.isclass(thing):
            yield from ((f"{name}.{m}", f) for m, f in vars(thing).items() if m[0] != "_")
    yield "Stream", safeasr.AutoModel.stream.__globals__["Stream"]


PAGES = [
    *blocks_of_page(README),
    *(
        b
        for page in sorted((ROOT / "docs").rglob("*.md"))
        for b in blocks_of_page(page, marked=True)
    ),
]
DOCSTRINGS = [b for name, thing in public_things() for b in blocks_of_docstring(name, thing)]


@pytest.fixture(scope="module")
def hub(own_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What the names of the hub lead to here."""
    pytest.importorskip("funasr", reason="funasr makes the model that is not embedded")
    from support.keywords import write_keyword_dir
    from support.seaco import write_seaco
    from support.sense_voice import write_model_dir

    made = {
        "SenseVoiceSmall": write_model_dir(tmp_path_factory.mktemp("sense_voice")),
        "FsmnKWS": write_keyword_dir(tmp_path_factory.mktemp("keywords")),
        "SeacoParaformer": write_seaco(tmp_path_factory.mktemp("seaco")),
    }
    found = {name: MODELS / own if own else made[kind] for name, (kind, own) in HUB.items()}
    for name, directory in found.items():
        remember_download(own_cache, name, directory)
    return found


@pytest.fixture
def audio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that examples name, in the current directory."""
    recording = speech(3.0, seed=1)
    plain = "speech.wav a.wav b.mp3 c.flac talk.mp3 meeting.wav wake.wav other.wav".split()
    for name in plain:
        soundfile.write(tmp_path / name, recording, 16000)
    dialogue, rate = soundfile.read(MODELS / "demo-spk" / "audio" / "dialogue.flac")
    soundfile.write(tmp_path / "conversation.wav", dialogue, rate)
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Websocket:
    """Gives bytes of 16-bit PCM and keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    async def __aiter__(self) -> AsyncIterator[bytes]:
        samples, _ = soundfile.read(
            MODELS / "demo-streaming/audio/conversation.flac", dtype="int16"
        )
        for chunk in np.array_split(samples[: 16000 * 20], 20):
            yield chunk.tobytes()

    async def send_json(self, message: dict[str, Any]) -> None:
        self.sent.append(message)


@pytest.mark.parametrize("example", [*PAGES, *DOCSTRINGS], ids=lambda one: one.name)
def test_examples_run(example: Example, hub: dict[str, Path], audio: Path, capsys: Any) -> None:
    websocket = Websocket()
    with safeasr.AutoModel(model="demo-streaming", disable_pbar=True) as streaming:
        names = run(
            example,
            AutoModel=safeasr.AutoModel,
            model=streaming,
            microphone=np.array_split(speech(3.0, seed=1), 5),
            websocket=websocket,
        )
    if isinstance(model := names.get("model"), safeasr.AutoModel):
        model.close()
    if "websocket" in example.code:
        assert any(one["is_final"] for one in websocket.sent)
    if "print(" in example.code:
        assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("example", PAGES, ids=lambda one: one.name)
def test_the_models_named_are_supported(example: Example, hub: dict[str, Path]) -> None:
    for name in model_names(example.code):
        if name in EMBEDDED:
            continue
        assert name in HUB, f"{example.name} names {name!r}: say here which class it has on the hub"
        model_class = HUB[name][0]
        assert read_model_dir(hub[name]).model_class == model_class
        assert family_of_class(model_class)


def test_pages_are_found() -> None:
    assert sum(one.name.startswith("README.md") for one in PAGES) >= 5
    assert {one.name.split(":")[0] for one in DOCSTRINGS} >= {"safeasr", "Stream"}


# -- Commands -------------------------------------------------------------------------------------

COMMANDS = [line for page in (README, ROOT / "CONTRIBUTING.md") for line in indented_lines(page)]


@pytest.mark.parametrize("line", [c for c in COMMANDS if c.startswith("make")])
def test_make_targets_are_there(line: str) -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert line.split()[1] in targets


@pytest.mark.parametrize("line", [c for c in COMMANDS if c.startswith("safeasr ")])
def test_subcommands_and_their_options_are_there(line: str) -> None:
    words = line.split()[1:]
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "get_command") and not words[0].startswith("-"):
        name = words.pop(0)
        found = command.get_command(click.Context(command), name)
        assert found is not None, f"{line}: {name}"
        command = found
    known = {name for parameter in command.params for name in parameter.opts}
    known |= set(command.get_help_option_names(click.Context(command)))
    for option in re.findall(r"(?<!\S)--?[a-z][\w-]*", " ".join(words)):
        assert option in known, f"{line}: {sorted(known)}"


def test_modules_that_are_run_are_there() -> None:
    text = README.read_text("utf-8")
    modules = set(re.findall(r"python -m ([\w.]+)", text)) | set(
        re.findall(r"`(benchmarks\.\w+)`", text)
    )
    assert modules
    for module in modules:
        assert find_spec(module), module


def test_no_other_commands_are_shown() -> None:
    others = [c for c in COMMANDS if c and not c.startswith(("make ", "safeasr ", "pip install "))]
    assert not others, "how are these tested?"
