"""``safeasr export``, ``info``, ``verify`` and ``trust``: making bundles, looking at them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from safeasr.bundles.bundle import MANIFEST, Bundle, file_digest, is_bundle, read_bundle
from safeasr.bundles.cache import cache_dir
from safeasr.bundles.model_dir import read_model_dir
from safeasr.bundles.trust import is_trusted, record_trust
from safeasr.cli.models import find_directory
from safeasr.errors import CorruptBundleError
from safeasr.loading.export import export_bundle, open_bundle
from safeasr.nets.precision import PRECISIONS

__all__ = ["export", "info", "trust", "verify"]


def _overrides(settings: list[str]) -> dict[str, Any]:
    """``["predictor_conf.tail_threshold=0.5"]`` as the nested dict that config.yaml would hold."""
    found: dict[str, Any] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        *parents, last = name.split(".")
        if not equals or not all([*parents, last]):
            raise typer.BadParameter(f"expected key=value, got {setting!r}")
        place = found
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise typer.BadParameter(f"{setting!r} contradicts another setting")
        try:
            place[last] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise typer.BadParameter(f"{setting!r}: the value is not YAML: {error}") from error
    return found


def _check_names(directory: Path, overrides: dict[str, Any]) -> None:
    """Refuse settings that no part of the model would read: most likely a misspelling."""
    if not overrides:
        return
    if is_bundle(directory):
        raise typer.BadParameter("a finished bundle takes no settings: export the model again")
    config = read_model_dir(directory).config
    unknown = [name for name in overrides if name not in config and name != "init_param"]
    if unknown:
        raise typer.BadParameter(
            f"config.yaml has no {', '.join(unknown)} (it has: {', '.join(sorted(config))})"
        )


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def export(
    model: Annotated[str, typer.Argument(help="demo, a FunASR model directory or a hub name.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A new or empty directory.")],
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", "-s", metavar="KEY=VALUE", help="Replace a value of config.yaml; dots descend."
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision",
            metavar="|".join(PRECISIONS),
            help="Of the linear layers; float32 if not given. This machine need not have it.",
        ),
    ] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Read checkpoints that hold Python objects.")
    ] = False,
) -> None:
    """Write a model's bundle: all that is needed to run it, without FunASR."""
    if precision not in (None, *PRECISIONS):
        raise typer.BadParameter(f"{precision!r} is none of {', '.join(PRECISIONS)}")
    overrides = _overrides(settings or [])
    directory = find_directory(model)
    _check_names(directory, overrides)
    bundle = export_bundle(
        directory, output, overrides, trust_remote_code=trust_remote_code, precision=precision
    )
    total = sum(int(facts["bytes"]) for facts in bundle.files.values())
    typer.echo(
        f"{bundle.path}: {bundle.family}, {bundle.precision}, {len(bundle.programs)} programs, "
        f"{_size(total)}"
    )


def _facts(bundle: Bundle) -> dict[str, Any]:
    return {
        "path": str(bundle.path),
        "family": bundle.family,
        "model_class": bundle.model_class,
        "precision": bundle.precision,
        "tokens": len(bundle.tokens),
        "trusted": is_trusted(bundle, cache_dir()),
        "sample_rate": bundle.frontend.get("sample_rate"),
        "versions": bundle.versions,
        "programs": {
            name: {"file": file, **bundle.files[file], **bundle.signatures.get(name, {})}
            for name, file in bundle.programs.items()
        },
        "digest": file_digest(bundle.path / MANIFEST),
    }


def info(
    model: Annotated[str, typer.Argument(help="A bundle, demo, a model directory or a hub name.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Read checkpoints that hold Python objects.")
    ] = False,
) -> None:
    """Show what a bundle holds. A model that has none yet is exported into the cache first."""
    from rich.console import Console
    from rich.table import Table

    facts = _facts(open_bundle(find_directory(model), trust_remote_code=trust_remote_code))
    if as_json:
        typer.echo(json.dumps(facts, indent=1))
        return
    programs = facts.pop("programs")
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in facts.items():
        if isinstance(value, dict):
            value = ", ".join(f"{k} {v}" for k, v in value.items())
        table.add_row(name.replace("_", " "), str(value))
    for name, program in programs.items():
        table.add_row(f"program {name}", f"{program['file']}, {_size(program['bytes'])}")
        table.add_row("  sha256", program["sha256"])
        for direction in ("inputs", "outputs"):
            table.add_row(f"  {direction}", "\n".join(program.get(direction, [])))
    # Not cut to the width of a pipe: digests must stay whole.
    console = Console(soft_wrap=True) if Console().is_terminal else Console(width=200)
    console.print(table, highlight=False, markup=False)


def verify(bundle: Annotated[Path, typer.Argument(help="A bundle's directory.")]) -> None:
    """Compare every file of a bundle with its digest."""
    found = read_bundle(bundle)
    damaged = []
    for name, facts in found.files.items():
        right = (bundle / name).is_file() and file_digest(bundle / name) == facts["sha256"]
        typer.echo(f"{name}: {'OK' if right else 'DAMAGED'}")
        if not right:
            damaged.append(name)
    if damaged:
        raise CorruptBundleError(
            f"{bundle}: {', '.join(damaged)} not as exported: export the model again"
        )


def trust(bundle: Annotated[Path, typer.Argument(help="A bundle's directory.")]) -> None:
    """Record that a bundle which was exported elsewhere may be loaded here.

    Its programs run with your rights: trust whoever made it. The record holds for this bundle as it
    is now, wherever it lies, and for this cache ($SAFEASR_CACHE).
    """
    found = read_bundle(bundle)
    found.verify()
    record_trust(found, cache_dir())
    typer.echo(f"{bundle}: {found.family}, digest {found.digest}, may be loaded")
