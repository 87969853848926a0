"""Paraformer, offline: FunASR's class ``Paraformer`` with SAN-M encoder and decoder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from safeasr import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_vocabulary, read_weights
from safeasr.families.checkpoints import (
    DECODER_KEYS,
    ENCODER_KEYS,
    PREDICTOR_KEYS,
    check_paraformer,
    load_parameters,
    offline_frontend,
    pick,
    section,
)
from safeasr.families.paraformer.network import DecoderProgram, EncoderProgram
from safeasr.families.programs import load_programs, reading, refuse_beam_search
from safeasr.nets.cif_predictor import CifWeights
from safeasr.nets.precision import PRECISIONS, narrow
from safeasr.nets.sanm_decoder import ParaformerDecoder
from safeasr.nets.sanm_encoder import SanmEncoder
from safeasr.text.sentence import ids_to_tokens, sentence_postprocess
from safeasr.text.timestamps import paraformer_timestamps

__all__ = ["ParaformerFamily", "ParaformerRecognizer"]

_KIND = "Paraformer"


def build_networks(
    config: Mapping[str, Any], weights: Mapping[str, Tensor], input_size: int, vocab_size: int
) -> tuple[EncoderProgram, DecoderProgram]:
    """The two networks of a Paraformer, with the checkpoint's weights in float32."""
    check_paraformer(_KIND, config, encoder="SANMEncoder", input_layers=("pe", None))
    encoder_conf, decoder_conf, predictor_conf = (
        section(config, name) for name in ("encoder_conf", "decoder_conf", "predictor_conf")
    )
    with torch.device("meta"):
        encoder = SanmEncoder(input_size, **pick(encoder_conf, *ENCODER_KEYS, "input_layer"))
        predictor = CifWeights(**pick(predictor_conf, *PREDICTOR_KEYS))
        decoder = ParaformerDecoder(
            vocab_size,
            encoder.size,
            **pick(decoder_conf, *DECODER_KEYS, "att_layer_num", "kernel_size", "sanm_shfit"),
        )
    load_parameters(encoder, weights, "encoder.")
    load_parameters(predictor, weights, "predictor.")
    load_parameters(decoder, weights, "decoder.")
    return EncoderProgram(encoder, predictor), DecoderProgram(decoder)


class ParaformerFamily:
    """Export and loading of offline Paraformer models."""

    name = "paraformer"
    model_classes: tuple[str, ...] = ("Paraformer",)
    precisions: tuple[str, ...] = PRECISIONS
    options = frozenset({"pred_timestamp", "output_timestamp", "begin_time"})
    constructor_options: frozenset[str] = frozenset()

    def export(
        self, model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str
    ) -> Bundle:
        """Write encoder.ts and decoder.ts."""
        from safeasr.loading.export import save_program

        tokens = read_vocabulary(model.tokens)
        frontend = offline_frontend(_KIND, model)
        weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
        encoder, decoder = build_networks(
            model.config, weights, frontend["n_mels"] * frontend["lfr_m"], len(tokens)
        )
        for program, file in ((encoder, "encoder.ts"), (decoder, "decoder.ts")):
            narrow(program, precision)
            save_program(program, out / file)
        conf = dict(model.config.get("model_conf") or {})
        predictor = dict(model.config["predictor_conf"])
        return Bundle(
            path=out,
            family=self.name,
            model_class=model.model_class,
            programs={"encoder": "encoder.ts", "decoder": "decoder.ts"},
            frontend=frontend,
            tokens=tokens,
            precision=precision,
            decoding={
                "blank_id": int(conf.get("blank_id", 0)),
                "sos": int(conf.get("sos", 1)),
                "eos": int(conf.get("eos", 2)),
                "tail_threshold": float(predictor.get("tail_threshold", 0.0)),
                "tail_mask": bool(predictor.get("tail_mask", True)),
                "cif_left": int(predictor["l_order"]),
                "cif_right": int(predictor["r_order"]),
            },
            signatures={
                "encoder": {
                    "inputs": [
                        "features (rows, F) float32",
                        "positions (rows) float32",
                        "offsets (B + 1) int64",
                        "neighbours (rows, span) int64",
                    ],
                    "outputs": ["hidden (rows, D) float32", "alphas (rows) float32"],
                },
                "decoder": {
                    "inputs": [
                        "embeddings (tokens, D) float32",
                        "offsets (B + 1) int64",
                        "hidden (rows, D) float32",
                        "hidden offsets (B + 1) int64",
                    ],
                    "outputs": ["token ids (tokens) int64"],
                },
            },
        )

    def load(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> ParaformerRecognizer:
        """Load the programs of a bundle."""
        return ParaformerRecognizer(bundle, device, limits)


class ParaformerRecognizer:
    """A loaded Paraformer."""

    options = ParaformerFamily.options
    constructor_options = ParaformerFamily.constructor_options

    def __init__(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> None:
        with reading(bundle):
            encoder, decoder = load_programs(bundle, device, ("encoder", "decoder"))
            frontend = _ext.Frontend(**bundle.frontend)
            settings = bundle.decoding
            self._skip = frozenset({settings["blank_id"], settings["sos"], settings["eos"]})
            self._tail_threshold = float(settings["tail_threshold"])
            self._tail_mask = bool(settings["tail_mask"])
            self.sample_rate = int(bundle.frontend["sample_rate"])
        self.tokens = bundle.tokens
        self._runner = _ext.ParaformerRunner(
            frontend=frontend,
            encoder=encoder,
            decoder=decoder,
            tail_threshold=self._tail_threshold,
            cif_left=int(settings["cif_left"]),
            cif_right=int(settings["cif_right"]),
            limits=_ext.BatchLimits(**limits, ragged=True),
        )

    def check(self, options: Mapping[str, Any]) -> None:
        """Refuse beam search, which FunASR would run for these options."""
        refuse_beam_search(options)

    @staticmethod
    def _wants_timestamps(options: Mapping[str, Any]) -> bool:
        return bool(options.get("pred_timestamp", options.get("output_timestamp", False)))

    def submit(
        self,
        engine: _ext.Engine,
        data: NDArray[np.float32],
        options: Mapping[str, Any],
        *,
        from_file: bool,
        deadline_s: float | None,
        wait_s: float | None,
    ) -> _ext.Ticket:
        """Queue one utterance."""
        return self._runner.submit(
            engine,
            data,
            want_alignment=self._wants_timestamps(options),
            deadline_s=deadline_s,
            wait_s=wait_s,
        )

    def finish(
        self, result: Mapping[str, Any], key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Token ids to FunASR's ``{"key", "text"[, "timestamp"]}``."""
        tokens = ids_to_tokens(result["tokens"], self.tokens, self._skip)
        if not self._wants_timestamps(options):
            return {"key": key, "text": sentence_postprocess(tokens).text}
        if not tokens:
            return {"key": key, "text": "", "timestamp": []}
        times = paraformer_timestamps(
            result["alphas"],
            result["peaks"],
            tokens,
            result["frames"],
            tail_mask=self._tail_mask,
            tail_threshold=self._tail_threshold,
            begin_time=float(options.get("begin_time", 0)),
        )
        sentence = sentence_postprocess(tokens, times.timestamps)
        return {"key": key, "text": sentence.text, "timestamp": sentence.timestamps}
