"""``safeasr doctor``: whether a model will run here, how, and how fast."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from safeasr.cli.doctor.classes import registered_classes, short_names
from safeasr.cli.doctor.examining import Findings, examine
from safeasr.cli.say import put_line
from safeasr.families.base import TASKS

__all__ = ["doctor"]

_RUNS = {
    "native": "natively: by safeasr's own network, in batches with other callers",
    "guarded": "guarded: by FunASR's own code, one call at a time",
    "not": "not",
    None: "that is not known yet",
}


def doctor(
    model: Annotated[
        str | None, typer.Argument(help="demo, a model directory, a bundle or a hub name.")
    ] = None,
    classes: Annotated[
        bool, typer.Option("--classes", help="How safeasr runs each of FunASR's model classes.")
    ] = False,
    names: Annotated[
        bool, typer.Option("--names", help="What FunASR's short names stand for, and how they run.")
    ] = False,
    hub: Annotated[str, typer.Option("--hub", help="Of names: ms or hf.")] = "ms",
    device: Annotated[str | None, typer.Option("--device", help="Where to measure.")] = None,
    run: Annotated[
        bool, typer.Option("--run/--no-run", help="Load it, and measure for some seconds.")
    ] = True,
    trust_remote_code: Annotated[
        bool,
        typer.Option(
            "--trust-remote-code",
            help="Read checkpoints that hold Python objects; run the code of guarded models.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Say whether a model runs here, how and how fast, or what is wrong with it.

    Nothing is downloaded, unless FunASR's own code does so as it loads a guarded model. The exit
    status is 0 if it runs, else 1.
    """
    if (model is not None) + classes + names != 1:
        raise typer.BadParameter("give a model, or --classes, or --names")
    if classes:
        _show_classes(as_json)
    elif names:
        _show_names(as_json)
    else:
        assert model is not None
        found = examine(model, hub=hub, run=run, device=device, trust_remote_code=trust_remote_code)
        if as_json:
            put_line(json.dumps(found.as_dict(), ensure_ascii=False, indent=1), sys.stdout)
        else:
            _show(found)
        raise typer.Exit(0 if found.is_well else 1)


def _show(found: Findings) -> None:
    facts: dict[str, Any] = {
        "model": found.model,
        "directory": found.directory or "not on this machine",
        "class": found.model_class or "not known yet",
        "for": TASKS.get(found.task) if found.task else None,  # type: ignore[call-overload]
        "runs": _RUNS[found.runs],
        "precisions": ", ".join(
            name if here else f"{name} (this processor has no instructions for it)"
            for name, here in found.precisions.items()
        ),
        "speed": _speed(found),
    }
    for name, value in facts.items():
        if value:
            put_line(f"{name:<12}{value}", sys.stdout)
    for note in found.notes:
        put_line(f"{'note':<12}{' '.join(note.split())}", sys.stdout)
    for problem in found.problems:
        put_line(f"{'problem':<12}{' '.join(problem.split())}", sys.stdout)


def _speed(found: Findings) -> str | None:
    if found.speed is None:
        return None
    speed = found.speed
    return (
        f"{speed.in_a_second:.3g} {speed.unit} in a second from one caller ({speed.amount:.3g} in "
        f"{speed.median_s:.3g} s, median of {speed.calls}; {found.workers} workers)"
    )


def _show_classes(as_json: bool) -> None:
    found = registered_classes()
    if as_json:
        put_line(json.dumps({"funasr": found.funasr, "classes": found.how}, indent=1), sys.stdout)
        return
    width = max(map(len, found.how))
    for name, how in found.how.items():
        put_line(f"{name:<{width}}  {how}", sys.stdout)
    put_line(f"\n{found.in_words()}.", sys.stdout)


def _show_names(as_json: bool) -> None:
    found = short_names()
    if as_json:
        rows = [
            {"name": one.name, "class": one.model_class, "runs": one.how, "on": one.on}
            for one in found
        ]
        put_line(json.dumps(rows, indent=1), sys.stdout)
        return
    put_line("| name | on ModelScope | on Hugging Face | class | runs |", sys.stdout)
    put_line("|---" * 5 + "|", sys.stdout)
    for one in found:
        places = [f"`{one.on[at]}`" if at in one.on else "" for at in ("ms", "hf")]
        if not any(places):
            places[0] = 'with `hub="openai"` only'
        put_line(
            f"| `{one.name}` | {' | '.join(places)} | {one.model_class} | {one.how} |", sys.stdout
        )
