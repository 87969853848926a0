"""Streaming Paraformer: FunASR's class ``ParaformerStreaming``, chunk by chunk."""

from __future__ import annotations

import contextlib
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
from safeasr.errors import AudioError, UnsupportedModelError
from safeasr.families.cached import stream_of
from safeasr.families.checkpoints import (
    DECODER_KEYS,
    ENCODER_KEYS,
    PREDICTOR_KEYS,
    check_paraformer,
    load_parameters,
    online_frontend,
    pick,
    section,
)
from safeasr.families.paraformer.network import StepDecoderProgram, StepEncoderProgram
from safeasr.families.programs import live_limits, load_programs, reading, refuse_beam_search
from safeasr.nets.cif_predictor import CifWeights
from safeasr.nets.precision import PRECISIONS, narrow
from safeasr.nets.sanm_decoder import ParaformerDecoder
from safeasr.nets.sanm_encoder import SanmEncoder
from safeasr.text.sentence import ids_to_tokens, sentence_postprocess

__all__ = ["ParaformerStreamingFamily", "ParaformerStreamingRecognizer"]

_KIND = "streaming Paraformer"


def build_networks(
    config: Mapping[str, Any], weights: Mapping[str, Tensor], input_size: int, vocab_size: int
) -> tuple[StepEncoderProgram, StepDecoderProgram]:
    """The two networks of a streaming Paraformer, with the checkpoint's weights in float32."""
    check_paraformer(_KIND, config, encoder="SANMEncoderChunkOpt", input_layers=("pe_online",))
    encoder_conf, decoder_conf, predictor_conf = (
        section(config, name) for name in ("encoder_conf", "decoder_conf", "predictor_conf")
    )
    blocks = int(decoder_conf.get("num_blocks", 6))
    kernel = int(decoder_conf.get("kernel_size", 11))
    shift = decoder_conf.get("sanm_shfit", 0)
    if int(decoder_conf.get("att_layer_num", 6)) < blocks:
        raise UnsupportedModelError(
            "decoder_conf.att_layer_num < num_blocks is not supported for streaming Paraformer: "
            "such layers look at tokens to come"
        )
    if kernel % 2 == 0 or (shift is not None and int(shift) != (kernel - 1) // 2):
        raise UnsupportedModelError(
            f"decoder_conf.sanm_shfit={shift} with kernel_size={kernel} is not supported for "
            f"streaming Paraformer: the decoder's memory would look at tokens to come"
        )
    with torch.device("meta"):
        encoder = SanmEncoder(input_size, **pick(encoder_conf, *ENCODER_KEYS))
        predictor = CifWeights(**pick(predictor_conf, *PREDICTOR_KEYS))
        decoder = ParaformerDecoder(
            vocab_size,
            encoder.size,
            kernel_size=kernel,
            sanm_shfit=None,
            att_layer_num=blocks,
            **pick(decoder_conf, *DECODER_KEYS),
        )
    load_parameters(encoder, weights, "encoder.")
    load_parameters(predictor, weights, "predictor.")
    load_parameters(decoder, weights, "decoder.")
    return StepEncoderProgram(encoder, predictor), StepDecoderProgram(decoder)


class ParaformerStreamingFamily:
    """Export and loading of streaming Paraformer models."""

    name = "paraformer_streaming"
    model_classes: tuple[str, ...] = ("ParaformerStreaming",)
    precisions: tuple[str, ...] = PRECISIONS
    options = frozenset(
        {
            "cache",
            "is_final",
            "chunk_size",
            "encoder_chunk_look_back",
            "decoder_chunk_look_back",
        }
    )
    constructor_options: frozenset[str] = frozenset()

    def export(
        self, model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str
    ) -> Bundle:
        """Write encoder.ts and decoder.ts."""
        from safeasr.loading.export import save_program

        tokens = read_vocabulary(model.tokens)
        frontend = online_frontend(_KIND, model)
        weights = read_weights(model.checkpoint, trust_remote_code=trust_remote_code)
        encoder, decoder = build_networks(
            model.config, weights, frontend["n_mels"] * frontend["lfr_m"], len(tokens)
        )
        for program, file in ((encoder, "encoder.ts"), (decoder, "decoder.ts")):
            narrow(program, precision)
            save_program(program, out / file)
        conf = dict(model.config.get("model_conf") or {})
        predictor = dict(model.config["predictor_conf"])
        layers = len(encoder.encoder.encoders) + 1
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
                "shapes": {
                    "encoder_layers": layers,
                    "encoder_size": encoder.encoder.size,
                    "decoder_layers": len(decoder.decoder.decoders),
                    "decoder_kernel": decoder.decoder.kernel_size,
                    "cif_left": int(predictor["l_order"]),
                    "cif_right": int(predictor["r_order"]),
                    "tail_threshold": float(predictor.get("tail_threshold", 0.0)),
                    "feature_scale": encoder.encoder.scale,
                    "narrow": precision != "float32",
                    "half": precision == "float16",
                },
            },
            signatures={
                "encoder": {
                    "inputs": [
                        "features (new rows, F) float32",
                        "positions (new rows) float32",
                        "past (old rows, F) float32",
                        "order (rows) int64",
                        "offsets (S + 1) int64",
                        "neighbours (rows, span) int64",
                        "caches S x (layers, 2, capacity, D) float32, bfloat16 or float16",
                        "spans (S, 3) int64",
                    ],
                    "outputs": [
                        "hidden (rows, D) float32",
                        "alphas (rows) float32",
                        "embedded (rows, F) float32",
                    ],
                },
                "decoder": {
                    "inputs": [
                        "embeddings (tokens, D) float32",
                        "offsets (S + 1) int64",
                        "hidden (rows, D) float32",
                        "hidden offsets (S + 1) int64",
                        "caches S x (layers, 2, capacity, D) float32, bfloat16 or float16",
                        "spans (S, 3) int64",
                        "past S x (layers, kernel - 1, D) float32",
                        "next S x (layers, kernel - 1, D) float32",
                    ],
                    "outputs": ["token ids (tokens) int64"],
                },
            },
        )

    def load(
        self, bundle: Bundle, device: str, limits: Mapping[str, Any]
    ) -> ParaformerStreamingRecognizer:
        """Load the programs of a bundle."""
        return ParaformerStreamingRecognizer(bundle, device, limits)


class ParaformerStreamingRecognizer:
    """A loaded streaming Paraformer."""

    options = ParaformerStreamingFamily.options
    constructor_options = ParaformerStreamingFamily.constructor_options

    def __init__(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> None:
        with reading(bundle):
            encoder, decoder = load_programs(bundle, device, ("encoder", "decoder"))
            settings = bundle.decoding
            self._skip = frozenset({settings["blank_id"], settings["sos"], settings["eos"]})
            self._runner = _ext.ParaformerStreamRunner(
                frontend=_ext.OnlineFrontend(**bundle.frontend),
                encoder=encoder,
                decoder=decoder,
                limits=live_limits(limits, device, live_priority=1, ragged=True),
                **settings["shapes"],
            )
            self.sample_rate = int(bundle.frontend["sample_rate"])
        self.tokens = bundle.tokens

    def use_graphs(self) -> None:
        """Record steps as graphs, and replay them where that is faster."""
        self._runner.use_graphs()

    def graph_counts(self) -> dict[str, int]:
        """What became of graphs: made, replayed, slower (given up), failed."""
        return self._runner.graph_counts()

    def check(self, options: Mapping[str, Any]) -> None:
        """Refuse beam search, which FunASR would run for these options."""
        refuse_beam_search(options)

    @staticmethod
    def stream_options(options: Mapping[str, Any]) -> dict[str, Any]:
        """What a stream is opened with: FunASR's names and defaults.

        Raises:
            ValueError: if one of them makes no sense.
        """
        size = options.get("chunk_size")
        size = [0, 10, 5] if size is None else size
        try:
            left, chunk, right = (int(value) for value in size)
        except (TypeError, ValueError):
            raise ValueError(
                f"chunk_size must be [left, chunk, right] in rows of 60 ms, got {size!r}"
            ) from None
        return {
            "chunk_size": (left, chunk, right),
            "encoder_chunk_look_back": int(options.get("encoder_chunk_look_back") or 0),
            "decoder_chunk_look_back": int(options.get("decoder_chunk_look_back") or 0),
        }

    def open(self, engine: _ext.Engine, options: Mapping[str, Any]) -> _ext.ParaformerStream:
        """A new stream with the options of FunASR's ``generate``."""
        chosen = self.stream_options(options)
        return self._runner.open(
            engine,
            chunk_size=chosen["chunk_size"],
            encoder_look_back=chosen["encoder_chunk_look_back"],
            decoder_look_back=chosen["decoder_chunk_look_back"],
        )

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
        """Queue the next samples of the stream in ``cache``, or of one of their own."""
        if data.ndim != 1:
            raise AudioError(f"expected samples, got features of shape {data.shape}")
        is_final = from_file or bool(options.get("is_final", False))
        if options.get("cache") is None:
            streams: contextlib.AbstractContextManager[Any] = contextlib.nullcontext(
                self.open(engine, options)
            )
        else:
            streams = stream_of(self, engine, options, is_final=is_final)
        with streams as stream:
            return stream.submit(data, is_final=is_final, deadline_s=deadline_s, wait_s=wait_s)

    def finish(
        self, result: Mapping[str, Any], key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Token ids to FunASR's ``{"key", "text"}``."""
        return {"key": key, "text": self.text_of(result["tokens"])}

    def text_of(self, ids: list[int]) -> str:
        """The text of token ids: of a chunk, or of several together."""
        return sentence_postprocess(ids_to_tokens(ids, self.tokens, self._skip)).text
