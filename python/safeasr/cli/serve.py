"""``safeasr serve``: a server for the clients that people have."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from safeasr.cli.logs import log_to_stderr
from safeasr.cli.say import complain
from safeasr.serve.running import Address, run
from safeasr.serve.settings import DEMO, Limits, Settings

__all__ = ["serve"]

_KEYS = "SAFEASR_API_KEYS"


def serve(
    model: Annotated[
        str, typer.Option("--model", "-m", help="demo, a model directory, a bundle or a hub name.")
    ] = "demo",
    vad: Annotated[
        str | None, typer.Option("--vad", help="Voice activity detector: recordings of any length.")
    ] = None,
    punc: Annotated[str | None, typer.Option("--punc", help="Punctuation model.")] = None,
    spk: Annotated[str | None, typer.Option("--spk", help="Model for speaker embeddings.")] = None,
    online: Annotated[
        str | None, typer.Option("--online", help="Streaming model, for text while one speaks.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What clients call the model; default: its own name.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="YAML file: models (by name, arguments of AutoModel), on_demand, limits, ...",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0: all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535)] = 8000,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1; default: CUDA if there is any.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads that compute; default: all cores.")
    ] = None,
    quantize: Annotated[bool, typer.Option("--quantize", help="8-bit integers.")] = False,
    bf16: Annotated[bool, typer.Option("--bf16", help="bfloat16.")] = False,
    api_key: Annotated[
        list[str] | None,
        typer.Option(
            help="A key that clients must give; there may be several. Better in the variable "
            f"{_KEYS}, divided by commas: others can read a command line.",
        ),
    ] = None,
    cors_origin: Annotated[
        list[str] | None, typer.Option(help="Web pages of this origin may use the server.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(exists=True, help="TLS certificate with its chain.")
    ] = None,
    key: Annotated[Path | None, typer.Option(exists=True, help="Its private key.")] = None,
    forwarded_from: Annotated[
        str | None,
        typer.Option(help="Proxies whose X-Forwarded-For is believed; *: all."),
    ] = None,
    max_requests: Annotated[int | None, typer.Option(min=1, help="Recordings at a time.")] = None,
    max_connections: Annotated[int | None, typer.Option(min=1, help="Websockets.")] = None,
    drain_s: Annotated[
        float | None, typer.Option(min=0, help="Longest that work may go on after SIGTERM.")
    ] = None,
    no_page: Annotated[bool, typer.Option("--no-page", help="No page to try it with.")] = False,
) -> None:
    """Serve FunASR's websocket protocol, OpenAI's transcriptions and realtime, on one port.

    Without options: the embedded models, for this machine alone. Ends on Ctrl-C or SIGTERM when
    what is under way has ended.
    """
    if (certificate is None) != (key is None):
        raise typer.BadParameter("--certificate and --key go together")
    given = _read(config)
    models = given.pop("models", None)
    if models is None:
        arguments = _arguments(model, vad=vad, punc=punc, spk=spk, online=online)
        more = {"device": device, "num_workers": workers, "quantize": quantize, "bf16": bf16}
        arguments |= {name: value for name, value in more.items() if value}
        models = {name or Path(model).name: arguments}
    limits = {
        "max_requests": max_requests,
        "max_connections": max_connections,
        "drain_s": drain_s,
    }
    settings = _settings(
        models, given, api_key or (), cors_origin or (), page=not no_page, speakers=spk is not None
    )
    limited: dict[str, Any] = {name: one for name, one in limits.items() if one is not None}
    settings = replace(settings, limits=replace(settings.limits, **limited))
    address = Address(
        host=host,
        port=port,
        certificate=None if certificate is None else str(certificate),
        key=None if key is None else str(key),
        forwarded_from=forwarded_from,
    )
    log_to_stderr()
    if host not in ("127.0.0.1", "localhost", "::1") and not settings.api_keys:
        complain("warning: anybody who reaches this address may use the server: no API key is set")
    scheme = "http" if certificate is None else "https"
    complain(f"safeasr serves {', '.join(settings.models)} at {scheme}://{host}:{port}")
    run(settings, address)


def _arguments(model: str, **beside: str | None) -> dict[str, Any]:
    """Of the demo all companions unless others are named."""
    found: dict[str, Any] = dict(DEMO) if model == "demo" else {"model": model}
    roles = {"vad": "vad_model", "punc": "punc_model", "spk": "spk_model", "online": "online_model"}
    return found | {roles[role]: one for role, one in beside.items() if one is not None}


def _read(config: Path | None) -> dict[str, Any]:
    if config is None:
        return {}
    try:
        found = yaml.safe_load(config.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{config}: {error}") from None
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{config}: it must be a mapping")
    return found


def _settings(
    models: Any,
    given: Mapping[str, Any],
    api_keys: Sequence[str],
    cors_origins: Sequence[str],
    *,
    page: bool,
    speakers: bool,
) -> Settings:
    """What a file and the command line say together; an unknown name is an error."""
    if not isinstance(models, dict) or not all(isinstance(one, dict) for one in models.values()):
        raise typer.BadParameter("models must be a mapping from names to arguments of AutoModel")
    known = {one.name for one in fields(Settings)}
    limits = given.get("limits") or {}
    unknown = [*(set(given) - known), *(set(limits) - {one.name for one in fields(Limits)})]
    if unknown:
        raise typer.BadParameter(f"the config file has an unknown name: {sorted(unknown)[0]}")
    in_environment = [key.strip() for key in os.environ.get(_KEYS, "").split(",") if key.strip()]
    try:
        return Settings(
            models={str(name): one for name, one in models.items()},
            on_demand=frozenset(given.get("on_demand") or ()),
            api_keys=(*api_keys, *in_environment, *(given.get("api_keys") or ())),
            limits=Limits(**limits),
            cors_origins=(*cors_origins, *(given.get("cors_origins") or ())),
            page=page and bool(given.get("page", True)),
            step_ms=int(given.get("step_ms", Settings.step_ms)),
            speakers=bool(given.get("speakers", speakers)),
        )
    except (TypeError, ValueError) as error:
        raise typer.BadParameter(str(error)) from None
