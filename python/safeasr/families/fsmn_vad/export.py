"""FSMN-VAD's network from FunASR's checkpoint, and its bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_weights
from safeasr.bundles.program import save_program
from safeasr.errors import ExportError, UnsupportedModelError
from safeasr.families.checkpoints import online_frontend
from safeasr.families.fsmn_vad.network import FsmnVadScorer, FsmnVadSizes
from safeasr.families.fsmn_vad.options import FIXED_OPTIONS, MODEL_OPTIONS, UNREAD_OPTIONS

__all__ = ["build_scorer", "export", "vad_settings"]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise UnsupportedModelError(f"{message} is not supported for FSMN-VAD")


def build_scorer(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> FsmnVadScorer:
    """The network, with the checkpoint's weights in float32.

    Raises:
        UnsupportedModelError: if it is another network, or one that looks ahead.
        ExportError: if the checkpoint does not fit.
    """
    _require(config.get("encoder") == "FSMN", f"encoder={config.get('encoder')!r}")
    conf = dict(config["encoder_conf"])
    # What comes next in a stream is not known, so FunASR's answer then depends on the chunks.
    _require(int(conf.pop("rorder", 0)) == 0, "encoder_conf.rorder > 0")
    conf.pop("rstride", None)
    _require(int(conf["lorder"]) > 1, "encoder_conf.lorder < 2")
    try:
        sizes = FsmnVadSizes(**conf)
    except TypeError as error:
        raise UnsupportedModelError(f"encoder_conf: {error}") from error
    own = "encoder."
    parameters = {n.removeprefix(own): w for n, w in weights.items() if n.startswith(own)}
    try:
        return FsmnVadScorer(sizes, parameters)
    except ValueError as error:
        raise ExportError(f"the checkpoint does not fit config.yaml: {error}") from error


def vad_settings(config: Mapping[str, Any], frontend: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of ``_ext.VadOptions`` that a model's configuration gives.

    Raises:
        UnsupportedModelError: if they contradict the frontend, which FunASR cannot run either.
    """
    conf = dict(config.get("model_conf") or {})
    unknown = conf.keys() - MODEL_OPTIONS - FIXED_OPTIONS - UNREAD_OPTIONS - {"frame_length_ms"}
    _require(not unknown, f"model_conf.{'/'.join(sorted(unknown))}")
    rate, shift = int(conf.get("sample_rate", 16000)), int(conf.get("frame_in_ms", 10))
    length = float(conf.get("frame_length_ms", 25))
    silence = list(conf.get("sil_pdf_ids", [0]))
    _require(rate == frontend["sample_rate"], f"a sample_rate of {rate} Hz beside the frontend's")
    _require(length == frontend["frame_length_ms"], f"frame_length_ms={length} beside the frontend")
    _require(
        shift == frontend["frame_shift_ms"] * frontend["lfr_n"],
        f"frame_in_ms={shift} beside a frontend with other frames",
    )
    _require(
        len(silence) == int(conf.get("silence_pdf_num", 1)),
        f"silence_pdf_num={conf.get('silence_pdf_num', 1)} with {len(silence)} sil_pdf_ids",
    )
    kept = {k: v for k, v in conf.items() if k in MODEL_OPTIONS}
    return {**kept, "sample_rate": rate, "frame_in_ms": shift, "sil_pdf_ids": silence}


def export(model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str) -> Bundle:
    """Write scorer.ts."""
    frontend = online_frontend("FSMN-VAD", model)
    settings = vad_settings(model.config, frontend)
    weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
    scorer = build_scorer(model.config, weights)
    width = frontend["n_mels"] * frontend["lfr_m"]
    conf = model.config["encoder_conf"]
    if int(conf["input_dim"]) != width:
        raise ExportError(
            f"encoder_conf.input_dim is {conf['input_dim']}, but the frontend gives {width}"
        )
    if not all(0 <= one < int(conf["output_dim"]) for one in settings["sil_pdf_ids"]):
        raise ExportError(
            f"sil_pdf_ids={settings['sil_pdf_ids']} go beyond {conf['output_dim']} scores"
        )
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
