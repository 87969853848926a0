"""The options of ``safeasr transcribe``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from safeasr.cli.formats import Format

__all__ = [
    "ApiKey",
    "AsJson",
    "AsJsonl",
    "AsText",
    "AtATime",
    "BatchSize",
    "Device",
    "Form",
    "Hotwords",
    "Inputs",
    "Insecure",
    "Keywords",
    "Language",
    "Model",
    "OnError",
    "OnlineModel",
    "OutputDir",
    "OutputFile",
    "Punc",
    "RealTime",
    "Resume",
    "Server",
    "Speakers",
    "Spk",
    "Stream",
    "Timestamps",
    "Trust",
    "Vad",
    "WhenItFails",
    "Workers",
]

_SERVER = "With --server"


class WhenItFails(str, Enum):
    """What to do about an input that cannot be recognised."""

    RETURN = "return"
    RAISE = "raise"


Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...",
        help="Audio files, folders of them, URLs, list files (.scp, .txt, .json, .jsonl), or - "
        "for audio on the standard input.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="demo (default), a model directory, a bundle or a hub name; with --server the name of "
        "one of its models.",
    ),
]
Vad = Annotated[
    str | None,
    typer.Option("--vad", "--vad-model", help="Voice activity detector: recordings of any length."),
]
Punc = Annotated[str | None, typer.Option("--punc", help="Punctuation model.")]
Spk = Annotated[
    str | None, typer.Option("--spk", help="Model for speaker embeddings; needs --vad.")
]
Hotwords = Annotated[
    str | None, typer.Option(help="Words to look out for, with spaces between, or a .txt file.")
]
Keywords = Annotated[
    str | None, typer.Option(help="What a model for keywords looks for, with commas between.")
]
Device = Annotated[
    str | None, typer.Option(help="cpu, cuda, cuda:1; default: CUDA if there is any.")
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Threads that compute; default: all cores.")
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        min=1, help="Utterances that are computed together at most; default: 16, on CUDA 128."
    ),
]
Timestamps = Annotated[
    bool, typer.Option("--timestamps", help="Times of the tokens in ms; implies --jsonl.")
]
Form = Annotated[
    Format | None,
    typer.Option(
        "--format",
        "-f",
        help="text (default) or another; srt, vtt and tsv need --vad or --server.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON array.")]
AsJsonl = Annotated[bool, typer.Option("--jsonl", help="One JSON object a line.")]
AsText = Annotated[
    bool,
    typer.Option(
        "--text", help="Text alone (default); with several inputs: name, tab, text a line."
    ),
]
OutputFile = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write here, not to standard output.")
]
OutputDir = Annotated[
    Path | None,
    typer.Option(file_okay=False, help="A file here for each input, as soon as it is done."),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="With --output-dir: only inputs without a file there.")
]
Stream = Annotated[
    bool,
    typer.Option(
        "--stream",
        help="Feed each file chunk by chunk to a live stream and show the text as it comes. An "
        "offline model then needs --online-model and --vad beside it (demo has them).",
    ),
]
RealTime = Annotated[
    bool, typer.Option("--real-time", help="With --stream: no faster than it was spoken.")
]
OnlineModel = Annotated[
    str | None, typer.Option(help="With --stream: streaming model for the first pass.")
]
OnError = Annotated[
    WhenItFails,
    typer.Option(
        help="return: name an input that fails on standard error, with --json and --jsonl also "
        "in its place, and go on; raise: stop at the first. What is done is written either way."
    ),
]
Trust = Annotated[
    bool, typer.Option("--trust-remote-code", help="Read checkpoints that hold Python objects.")
]
Server = Annotated[
    str | None,
    typer.Option(
        help="Let a server recognise, such as http://HOST:8000 of `safeasr serve`; its models are "
        "its own choice."
    ),
]
ApiKey = Annotated[
    str | None,
    typer.Option(
        envvar="SAFEASR_API_KEY",
        show_envvar=True,
        help=f"{_SERVER}: its key. Better in the variable: others can read a command line.",
    ),
]
Speakers = Annotated[bool, typer.Option("--speakers", help=f"{_SERVER}: tell who says what.")]
Language = Annotated[str | None, typer.Option(help=f"{_SERVER}: zh, en, ...")]
AtATime = Annotated[
    int | None, typer.Option(min=1, max=256, help=f"{_SERVER}: files under way; default: 8.")
]
Insecure = Annotated[
    bool, typer.Option("--insecure", help=f"{_SERVER}: certificates go unchecked.")
]
