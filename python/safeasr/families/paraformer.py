"""Paraformer, offline: FunASR's class ``Paraformer`` with SAN-M encoder and decoder."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from safeasr import _ext
from safeasr.errors import CorruptBundleError, ExportError, UnsupportedModelError
from safeasr.export.bundle import Bundle
from safeasr.export.model_dir import ModelDir, read_cmvn, read_vocabulary, read_weights
from safeasr.nets.cif_predictor import CifWeights
from safeasr.nets.sanm_decoder import ParaformerDecoder
from safeasr.nets.sanm_encoder import SanmEncoder
from safeasr.text import ids_to_tokens, sentence_postprocess
from safeasr.timestamps import paraformer_timestamps

__all__ = ["ParaformerFamily", "ParaformerRecognizer"]


class EncoderProgram(nn.Module):
    """(features, lengths) -> (hidden, alphas)."""

    def __init__(self, encoder: SanmEncoder, predictor: CifWeights) -> None:
        super().__init__()
        self.encoder = encoder
        self.predictor = predictor

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.encoder(features, lengths)
        return hidden, self.predictor(hidden, lengths)


class DecoderProgram(nn.Module):
    """(hidden, lengths, embeddings, token lengths) -> token ids."""

    def __init__(self, decoder: ParaformerDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(
        self, hidden: Tensor, lengths: Tensor, embeddings: Tensor, token_lengths: Tensor
    ) -> Tensor:
        # The most probable token needs no softmax.
        return self.decoder(hidden, lengths, embeddings, token_lengths).argmax(dim=-1)


def _require(config: Mapping[str, Any], key: str, *allowed: object) -> None:
    """Refuse configurations that these networks would run wrongly."""
    if key in config and config[key] not in allowed:
        raise UnsupportedModelError(
            f"{key}={config[key]!r} is not supported for Paraformer (supported: "
            f"{', '.join(map(repr, allowed))})"
        )


def _section(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = config.get(name)
    if not isinstance(section, Mapping):
        raise ExportError(f"config.yaml has no {name}, or it is not a mapping")
    return dict(section)


def _pick(config: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {k: config[k] for k in keys if k in config}


def _load(module: nn.Module, weights: Mapping[str, Tensor], prefix: str) -> None:
    """Give a network the checkpoint's parameters of that prefix; they must fit exactly."""
    wanted = {
        name: prefix + (name.removesuffix("taps") + "weight" if name.endswith(".taps") else name)
        for name in module.state_dict()
    }
    missing = [source for source in wanted.values() if source not in weights]
    if missing:
        raise ExportError(f"the checkpoint lacks {len(missing)} parameters, first {missing[0]!r}")

    def parameter(name: str, source: str) -> Tensor:
        value = weights[source].float()
        if not name.endswith(".taps"):
            return value
        if value.dim() != 3:
            raise ExportError(f"{source} must be (size, 1, kernel), got {tuple(value.shape)}")
        return value.squeeze(1).t().contiguous()

    try:
        module.load_state_dict({n: parameter(n, s) for n, s in wanted.items()}, assign=True)
    except RuntimeError as error:
        raise ExportError(f"the checkpoint does not fit config.yaml: {error}") from error


def build_networks(
    config: Mapping[str, Any], weights: Mapping[str, Tensor], input_size: int, vocab_size: int
) -> tuple[EncoderProgram, DecoderProgram]:
    """The two networks of a Paraformer, with the checkpoint's weights in float32."""
    _require(config, "encoder", "SANMEncoder")
    _require(config, "decoder", "ParaformerSANMDecoder")
    _require(config, "predictor", "CifPredictorV2")
    _require(config, "normalize", None, "null")
    encoder_conf, decoder_conf, predictor_conf = (
        _section(config, name) for name in ("encoder_conf", "decoder_conf", "predictor_conf")
    )
    for conf in (encoder_conf, decoder_conf):
        _require(conf, "normalize_before", True)
        _require(conf, "concat_after", False)
        _require(conf, "lora_list", None)
    _require(encoder_conf, "selfattention_layer_type", "sanm")
    _require(encoder_conf, "positionwise_layer_type", "linear")
    _require(encoder_conf, "input_layer", "pe", None)
    _require(encoder_conf, "interctc_layer_idx", [])
    _require(decoder_conf, "use_output_layer", True)
    _require(predictor_conf, "threshold", 1.0, 1)

    # FunASR's class has input_layer="conv2d" as its default, so it must be named.
    if "input_layer" not in encoder_conf:
        raise UnsupportedModelError("encoder_conf.input_layer is missing (supported: 'pe', null)")
    with torch.device("meta"):
        encoder = SanmEncoder(
            input_size,
            **_pick(
                encoder_conf,
                "output_size",
                "attention_heads",
                "linear_units",
                "num_blocks",
                "kernel_size",
                "sanm_shfit",
                "input_layer",
            ),
        )
        size = int(encoder_conf.get("output_size", 256))
        predictor = CifWeights(
            **_pick(
                predictor_conf, "idim", "l_order", "r_order", "smooth_factor", "noise_threshold"
            )
        )
        decoder = ParaformerDecoder(
            vocab_size,
            size,
            **_pick(
                decoder_conf,
                "attention_heads",
                "linear_units",
                "num_blocks",
                "att_layer_num",
                "kernel_size",
                "sanm_shfit",
            ),
        )
    _load(encoder, weights, "encoder.")
    _load(predictor, weights, "predictor.")
    _load(decoder, weights, "decoder.")
    return EncoderProgram(encoder, predictor), DecoderProgram(decoder)


def frontend_settings(model: ModelDir) -> dict[str, Any]:
    """Arguments of ``_ext.Frontend`` from a model's ``frontend_conf``."""
    config = model.config
    _require(config, "frontend", "WavFrontend", "wav_frontend")
    conf = dict(config.get("frontend_conf") or {})
    shift, scale = read_cmvn(model.cmvn)
    return {
        "sample_rate": int(conf.get("fs", 16000)),
        "n_mels": int(conf.get("n_mels", 80)),
        "frame_length_ms": float(conf.get("frame_length", 25)),
        "frame_shift_ms": float(conf.get("frame_shift", 10)),
        "lfr_m": int(conf.get("lfr_m", 1)),
        "lfr_n": int(conf.get("lfr_n", 1)),
        "window": str(conf.get("window", "hamming")),
        "snip_edges": bool(conf.get("snip_edges", True)),
        "upscale_samples": bool(conf.get("upsacle_samples", True)),
        "cmvn_shift": shift,
        "cmvn_scale": scale,
    }


class ParaformerFamily:
    """Export and loading of offline Paraformer models."""

    name = "paraformer"
    model_classes: tuple[str, ...] = ("Paraformer",)
    options = frozenset({"pred_timestamp", "output_timestamp", "begin_time"})
    constructor_options: frozenset[str] = frozenset()

    def export(self, model: ModelDir, out: Path, *, trust_remote_code: bool) -> Bundle:
        """Write encoder.ts and decoder.ts."""
        from safeasr.export.exporter import save_program

        tokens = read_vocabulary(model.tokens)
        frontend = frontend_settings(model)
        weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
        encoder, decoder = build_networks(
            model.config, weights, frontend["n_mels"] * frontend["lfr_m"], len(tokens)
        )
        save_program(encoder, out / "encoder.ts")
        save_program(decoder, out / "decoder.ts")
        conf = dict(model.config.get("model_conf") or {})
        predictor = dict(model.config["predictor_conf"])
        return Bundle(
            path=out,
            family=self.name,
            model_class=model.model_class,
            programs={"encoder": "encoder.ts", "decoder": "decoder.ts"},
            frontend=frontend,
            tokens=tokens,
            decoding={
                "blank_id": int(conf.get("blank_id", 0)),
                "sos": int(conf.get("sos", 1)),
                "eos": int(conf.get("eos", 2)),
                "tail_threshold": float(predictor.get("tail_threshold", 0.0)),
                "tail_mask": bool(predictor.get("tail_mask", True)),
            },
            signatures={
                "encoder": {
                    "inputs": ["features (B, T, F) float32", "lengths (B) int64"],
                    "outputs": ["hidden (B, T, D) float32", "alphas (B, T) float32"],
                },
                "decoder": {
                    "inputs": [
                        "hidden (B, T, D) float32",
                        "lengths (B) int64",
                        "embeddings (B, U, D) float32",
                        "token lengths (B) int64",
                    ],
                    "outputs": ["token ids (B, U) int64"],
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
        try:
            with ThreadPoolExecutor(2) as pool:  # loading lets go of the GIL
                encoder, decoder = pool.map(
                    lambda name: _ext.Program.load(bundle.program(name), device),
                    ("encoder", "decoder"),
                )
            frontend = _ext.Frontend(**bundle.frontend)
            settings = bundle.decoding
            self._skip = frozenset({settings["blank_id"], settings["sos"], settings["eos"]})
            self._tail_threshold = float(settings["tail_threshold"])
            self._tail_mask = bool(settings["tail_mask"])
            self.sample_rate = int(bundle.frontend["sample_rate"])
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptBundleError(
                f"the bundle {bundle.path} cannot be loaded: {error}"
            ) from error
        self.tokens = bundle.tokens
        self._runner = _ext.ParaformerRunner(
            frontend=frontend,
            encoder=encoder,
            decoder=decoder,
            tail_threshold=self._tail_threshold,
            limits=_ext.BatchLimits(**limits),
        )

    def check(self, options: Mapping[str, Any]) -> None:
        """Refuse beam search, which FunASR would run for these options."""
        for name in ("decoding_ctc_weight", "lm_weight"):
            if float(options.get(name) or 0.0) > 1e-5:
                raise UnsupportedModelError(
                    f"{name}={options[name]!r} asks for beam search, which is not supported"
                )

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
        return engine.submit_utterance(
            self._runner,
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
