"""What the commands of ``safeasr bench`` have in common: their options and what these mean."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer

from safeasr.bench.audio.clips import Clip
from safeasr.bench.audio.manifest import embedded_clips, load_clips, read_references
from safeasr.bench.findings.goals import Goal

__all__ = [
    "Alone",
    "Audio",
    "CallOptions",
    "Concurrency",
    "FailIf",
    "FindMax",
    "Headers",
    "Html",
    "Insecure",
    "Json",
    "Junit",
    "Limit",
    "Model",
    "ModelOptions",
    "Most",
    "Pids",
    "Processes",
    "References",
    "Seconds",
    "Seed",
    "Soak",
    "Targets",
    "Timeout",
    "clips_of",
    "duration",
    "duration_of",
    "goal_of",
    "levels",
    "pairs",
    "processes_of",
    "start_levels",
]

#: Of each load: `compare` needs so many to tell.
DEFAULT_SECONDS = "20s"
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def duration(text: str) -> float:
    """Seconds of ``90``, ``90s``, ``5m`` or ``2h``."""
    found = re.fullmatch(r"([0-9.]+)\s*([a-z]*)", text.strip())
    try:
        assert found is not None
        seconds = float(found[1]) * _UNITS[found[2]]
    except (AssertionError, KeyError, ValueError):
        raise typer.BadParameter(f"expected a time such as 30s, 5m or 2h, got {text!r}") from None
    if not 0 < seconds < float("inf"):
        raise typer.BadParameter(f"expected a time above 0, got {text!r}")
    return seconds


def levels(text: str, what: str) -> list[int]:
    """Whole numbers above 0 of ``1,4,16``."""
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 1:
        raise typer.BadParameter(f"expected numbers of {what} such as 1,4,16, got {text!r}")
    return found


def duration_of(seconds: str | None, soak: str | None) -> float:
    """How long each load takes."""
    if seconds is not None and soak is not None:
        raise typer.BadParameter("give one of --seconds and --soak: both are the load's time")
    return duration(soak or seconds or DEFAULT_SECONDS)


def start_levels(text: str | None, default: str, what: str, find_max: str | None) -> list[int]:
    """The levels of the loads; of ``--find-max`` the one from which the search begins."""
    if find_max is None:
        return levels(text or default, what)
    found = levels(text or "1", what)
    if len(found) > 1:
        raise typer.BadParameter(
            f"--find-max takes only one level of {what} to start from, got {text!r}"
        )
    return found


def processes_of(processes: int, pids: Sequence[int] | None, targets: Sequence[str]) -> None:
    """Refuse generators that no target takes, and processes that are not there."""
    if processes > 1 and not any("://" in target for target in targets):
        raise typer.BadParameter(
            "--processes generate load on a server; a target in process has its own one, "
            "and inproc:funasr-procs:N several"
        )
    for pid in pids or ():
        # 0 is no process, though some systems list one.
        if pid <= 0 or not psutil.pid_exists(pid):
            raise typer.BadParameter(f"--pid: there is no process {pid}")


def pairs(items: Sequence[str], what: str) -> dict[str, Any]:
    """A dict of ``name=value``; values are read as JSON where they are JSON, else as they stand."""
    found: dict[str, Any] = {}
    for item in items:
        name, sign, value = item.partition("=")
        if not sign or not name:
            raise typer.BadParameter(f"expected {what} as name=value, got {item!r}")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def goal_of(text: str | None, *, alarms: bool = False) -> Goal | None:
    """The conditions of ``--find-max`` or ``--fail-if``."""
    if text is None:
        return None
    try:
        return Goal.parse(text, alarms=alarms)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def clips_of(
    audio: Sequence[str] | None, references: Path | None, limit: int | None, embedded: str
) -> tuple[list[Clip], str]:
    """The user's clips, or those of the package; and where they came from."""
    if not audio:
        if references is not None:
            raise typer.BadParameter("--references are of audio that is named as well")
        clips = embedded_clips(embedded)
        return clips[:limit], f"the package's own ({embedded})"
    known = read_references(references) if references is not None else None
    return load_clips(audio, known, limit), " ".join(audio)


Audio = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[AUDIO]...",
        help="Files, folders, wav.scp, .jsonl or .csv manifests; default: the package's own clips.",
        show_default=False,
    ),
]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        "-t",
        help="inproc:safeasr, inproc:funasr, inproc:funasr-lock, inproc:funasr-procs:N, "
        "inproc:funasr-onnx, module:function, http://… (OpenAI transcriptions), ws://… (FunASR's "
        "protocol), ws://…/v1/realtime. Can be given several times. Default: inproc:safeasr.",
        show_default=False,
    ),
]
Model = Annotated[
    str | None, typer.Option(help="Model of targets in process; name that servers are asked for.")
]
ModelOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--model-option", metavar="NAME=VALUE", help="Of the constructor, as vad_model=fsmn-vad."
    ),
]
CallOptions = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="NAME=VALUE", help="Of every call, as language=en."),
]
Seconds = Annotated[
    str | None,
    typer.Option("--seconds", help="Time of each load: 30s, 5m, 2h.", show_default=DEFAULT_SECONDS),
]
Soak = Annotated[str | None, typer.Option(help="One long load and the slope of memory: 2h.")]
Most = Annotated[float, typer.Option(min=1, help="Highest level of --find-max.")]
Concurrency = Annotated[
    str | None,
    typer.Option(help="Callers that ask anew once answered.", show_default="1,4,16"),
]
FindMax = Annotated[
    str | None,
    typer.Option(
        metavar="GOAL", help='Find the largest load at which it holds: "p95<600ms,errors=0".'
    ),
]
FailIf = Annotated[
    str | None,
    typer.Option(metavar="CONDITIONS", help='Exit with 1 if one holds: "p95>600ms,wrong>0".'),
]
References = Annotated[
    Path | None, typer.Option(help="Kaldi's text: a key and what is said in each line.")
]
Limit = Annotated[int | None, typer.Option(min=1, help="So many clips at most.")]
Timeout = Annotated[float, typer.Option(min=0.001, help="Seconds until a request counts as lost.")]
Seed = Annotated[int, typer.Option(help="Of all that is random.")]
Alone = Annotated[
    bool,
    typer.Option("--alone/--no-alone", help="Ask for each clip alone first, to compare with."),
]
Processes = Annotated[int, typer.Option(min=1, help="That generate load on a server.")]
Pids = Annotated[
    list[int] | None, typer.Option("--pid", help="Process of the server, to watch its resources.")
]
Headers = Annotated[
    list[str] | None, typer.Option("--header", metavar="NAME:VALUE", help="For servers.")
]
Insecure = Annotated[bool, typer.Option("--insecure", help="Do not check certificates.")]
Json = Annotated[Path | None, typer.Option("--json", help="Write the report there, to compare.")]
Html = Annotated[Path | None, typer.Option("--html", help="Write one page that shows it all.")]
Junit = Annotated[Path | None, typer.Option("--junit", help="Write the result for a CI server.")]
