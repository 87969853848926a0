"""Arguments of the speech frontends: from FunASR's configurations, and from bundles."""

from __future__ import annotations

from typing import Any

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_cmvn
from safeasr.bundles.settings import Settings
from safeasr.errors import ExportError, UnsupportedModelError
from safeasr.warn import warn

__all__ = ["frontend_of", "offline_frontend", "online_frontend"]

#: What no frontend is beyond: a damaged number could ask for any amount of memory.
_RATES = {"least": 1000, "most": 768_000}
_MELS = {"least": 3, "most": 1024}
_ROWS = {"least": 1, "most": 256}
_MILLISECONDS = {"least": 0.1, "most": 1000.0}


def _required_class(kind: str, settings: Settings, *allowed: str) -> None:
    found = settings.values.get("frontend", allowed[0])
    if found not in allowed:
        raise UnsupportedModelError(
            f"frontend={found!r} is not supported for {kind} (supported: "
            f"{', '.join(map(repr, allowed))})"
        )


def _frontend(model: ModelDir) -> dict[str, Any]:
    conf = model.settings.section("frontend_conf", optional=True)
    shift, scale = read_cmvn(model.cmvn)
    if not shift:
        warn(f"{model.path} has no CMVN (am.mvn): its features are not normalised")
    return {
        "sample_rate": conf.whole("fs", 16000, **_RATES),
        "n_mels": conf.whole("n_mels", 80, **_MELS),
        "frame_length_ms": conf.number("frame_length", 25, **_MILLISECONDS),
        "frame_shift_ms": conf.number("frame_shift", 10, **_MILLISECONDS),
        "lfr_m": conf.whole("lfr_m", 1, **_ROWS),
        "lfr_n": conf.whole("lfr_n", 1, **_ROWS),
        "window": conf.text("window", "hamming"),
        "cmvn_shift": shift,
        "cmvn_scale": scale,
    }


def _tried(frontend: Any, model: ModelDir, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments, if there is such a frontend."""
    width, given = arguments["n_mels"] * arguments["lfr_m"], len(arguments["cmvn_shift"])
    if given and given < width:
        raise ExportError(f"{model.cmvn} has {given} values, but the frontend gives {width}")
    try:
        frontend(**arguments)
    except ValueError as error:
        raise ExportError(f"{model.settings.where}: frontend_conf: {error}") from error
    return arguments


def offline_frontend(kind: str, model: ModelDir) -> dict[str, Any]:
    """Arguments of ``_ext.Frontend`` from a model's ``frontend_conf``.

    Raises:
        ExportError: if there can be no such frontend.
        UnsupportedModelError: if it is of another class.
    """
    _required_class(kind, model.settings, "WavFrontend", "wav_frontend")
    conf = model.settings.section("frontend_conf", optional=True)
    arguments = {
        **_frontend(model),
        "snip_edges": conf.flag("snip_edges", True),
        "upscale_samples": conf.flag("upsacle_samples", True),
    }
    return _tried(_ext.Frontend, model, arguments)


def online_frontend(kind: str, model: ModelDir) -> dict[str, Any]:
    """Arguments of ``_ext.OnlineFrontend`` from a model's ``frontend_conf``; raises likewise."""
    _required_class(kind, model.settings, "WavFrontendOnline")
    return _tried(_ext.OnlineFrontend, model, _frontend(model))


def frontend_of(bundle: Bundle) -> dict[str, Any]:
    """Arguments of ``_ext.Frontend`` or ``_ext.OnlineFrontend`` that a bundle holds.

    Raises:
        CorruptBundleError: if one is missing, unknown, of a wrong type or out of range.
    """
    own = bundle.frontend_settings
    arguments: dict[str, Any] = {
        "sample_rate": own.whole("sample_rate", **_RATES),
        "n_mels": own.whole("n_mels", **_MELS),
        "frame_length_ms": own.number("frame_length_ms", **_MILLISECONDS),
        "frame_shift_ms": own.number("frame_shift_ms", **_MILLISECONDS),
        "lfr_m": own.whole("lfr_m", **_ROWS),
        "lfr_n": own.whole("lfr_n", **_ROWS),
        "window": own.text("window"),
        "cmvn_shift": own.numbers("cmvn_shift"),
        "cmvn_scale": own.numbers("cmvn_scale"),
    }
    flags = {name: own.flag(name) for name in ("snip_edges", "upscale_samples") if name in own}
    unknown = set(own) - arguments.keys() - flags.keys()
    if unknown:
        raise own.error(f"{own.where}: frontend has unknown keys: {sorted(unknown)}")
    return {**arguments, **flags}
