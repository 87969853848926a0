"""FSMN-VAD's network from FunASR's checkpoint, and its bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from torch import Tensor

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_weights
from safeasr.bundles.program import save_program
from safeasr.bundles.settings import MOST_LAYERS, Settings
from safeasr.errors import ExportError, UnsupportedModelError
from safeasr.families.checkpoints import finite, plain, refuse_leftovers
from safeasr.families.frontends import online_frontend
from safeasr.families.fsmn_vad.network import FsmnVadScorer, FsmnVadSizes
from safeasr.families.fsmn_vad.options import FIXED_OPTIONS, MODEL_OPTIONS, UNREAD_OPTIONS

__all__ = ["build_scorer", "export", "vad_settings"]

#: Keys of ``encoder_conf`` that are sizes of rows.
_SIZES = (
    *("input_dim", "input_affine_dim", "linear_dim", "proj_dim"),
    *("output_affine_dim", "output_dim"),
)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise UnsupportedModelError(f"{message} is not supported for FSMN-VAD")


def build_scorer(
    config: Mapping[str, Any] | Settings, weights: Mapping[str, Tensor]
) -> FsmnVadScorer:
    """The network, with the checkpoint's weights in float32.

    Raises:
        UnsupportedModelError: if it is another network, or one that looks ahead.
        ExportError: if the checkpoint does not fit.
    """
    config = Settings.of(config)
    encoder = config.values.get("encoder")
    _require(encoder == "FSMN", f"encoder={encoder!r}")
    conf = config.section("encoder_conf")
    # What comes next in a stream is not known, so FunASR's answer then depends on the chunks.
    _require(conf.whole("rorder", 0) == 0, "encoder_conf.rorder > 0")
    _require(conf.whole("lorder") > 1, "encoder_conf.lorder < 2")
    unknown = set(conf) - {field.name for field in fields(FsmnVadSizes)} - {"rorder", "rstride"}
    _require(not unknown, f"encoder_conf.{'/'.join(sorted(unknown))}")
    sizes = FsmnVadSizes(
        **{name: conf.whole(name, least=1, most=65536) for name in _SIZES},
        fsmn_layers=conf.whole("fsmn_layers", least=1, most=MOST_LAYERS),
        lorder=conf.whole("lorder", most=1000),
        lstride=conf.whole("lstride", 1, least=1, most=1000),
        use_softmax=conf.flag("use_softmax", True),
    )
    own = "encoder."
    parameters = {n.removeprefix(own): w for n, w in weights.items() if n.startswith(own)}
    for name, shape in sizes.shapes():  # another shape is refused below
        if name in parameters and tuple(plain(name, parameters[name]).shape) == shape:
            finite(name, parameters[name].detach().float())
    refuse_leftovers(weights, [own + name for name, _ in sizes.shapes()])
    try:
        return FsmnVadScorer(sizes, parameters)
    except ValueError as error:
        raise ExportError(f"the checkpoint does not fit config.yaml: {error}") from error


def vad_settings(
    config: Mapping[str, Any] | Settings, frontend: Mapping[str, Any]
) -> dict[str, Any]:
    """Arguments of ``_ext.VadOptions`` that a model's configuration gives.

    Raises:
        UnsupportedModelError: if they contradict the frontend, which FunASR cannot run either.
    """
    conf = Settings.of(config).section("model_conf", optional=True)
    unknown = set(conf) - MODEL_OPTIONS - FIXED_OPTIONS - UNREAD_OPTIONS - {"frame_length_ms"}
    _require(not unknown, f"model_conf.{'/'.join(sorted(unknown))}")
    rate, shift = conf.whole("sample_rate", 16000), conf.whole("frame_in_ms", 10, least=1)
    length = conf.number("frame_length_ms", 25)
    silence = conf.wholes("sil_pdf_ids", [0])
    count = conf.whole("silence_pdf_num", 1)
    _require(rate == frontend["sample_rate"], f"a sample_rate of {rate} Hz beside the frontend's")
    _require(length == frontend["frame_length_ms"], f"frame_length_ms={length} beside the frontend")
    _require(
        shift == frontend["frame_shift_ms"] * frontend["lfr_n"],
        f"frame_in_ms={shift} beside a frontend with other frames",
    )
    _require(
        len(silence) == count,
        f"silence_pdf_num={count} with {len(silence)} sil_pdf_ids",
    )
    kept = {k: v for k, v in conf.values.items() if k in MODEL_OPTIONS}
    found = {**kept, "sample_rate": rate, "frame_in_ms": shift, "sil_pdf_ids": silence}
    try:
        _ext.VadOptions(**found)
    except (ValueError, TypeError) as error:
        raise ExportError(f"{conf.where}: model_conf: {error}") from error
    return found


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write scorer.ts."""
    frontend = online_frontend("FSMN-VAD", model)
    settings = vad_settings(model.settings, frontend)
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    scorer = build_scorer(model.settings, weights)
    width, inputs, scores = frontend["n_mels"] * frontend["lfr_m"], scorer.sizes[0], scorer.sizes[7]
    if inputs != width:
        raise ExportError(f"encoder_conf.input_dim is {inputs}, but the frontend gives {width}")
    if not all(one < scores for one in settings["sil_pdf_ids"]):
        raise ExportError(f"sil_pdf_ids={settings['sil_pdf_ids']} go beyond {scores} scores")
    save_program(scorer, out / "scorer.ts")
    cache = [scorer.sizes[2], scorer.sizes[5], scorer.sizes[4]]
    return Bundle(
        path=out,
        family="fsmn_vad",
        model_class=model.model_class,
        programs={"scorer": "scorer.ts"},
        frontend=frontend,
        tokens=[],
        decoding={"options": settings, "cache_shape": cache},
        signatures={
            "scorer": {
                "inputs": [
                    "features (B, T, F) float32",
                    "lengths (B) int64",
                    "cache (B, layers, past, size) float32",
                ],
                "outputs": [
                    "scores (B, T, classes) float32",
                    "cache (B, layers, past, size) float32",
                ],
            },
        },
    )
