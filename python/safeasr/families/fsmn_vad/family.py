"""FSMN-VAD: FunASR's class ``FsmnVADStreaming``, on recordings and on live streams."""

from __future__ import annotations

import contextlib
import numbers
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from safeasr import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir, read_weights
from safeasr.errors import AudioError, ExportError, UnsupportedModelError
from safeasr.families.cached import stream_of
from safeasr.families.checkpoints import online_frontend
from safeasr.families.fsmn_vad.network import FsmnVadScorer, FsmnVadSizes
from safeasr.families.programs import live_limits, reading

__all__ = ["FsmnVadFamily", "FsmnVadRecognizer", "vad_settings"]

#: What FunASR's VADXOptions takes from the model and from the constructor.
_MODEL_OPTIONS = frozenset(
    "detect_mode max_end_silence_time max_start_silence_time window_size_ms "
    "sil_to_speech_time_thres speech_to_sil_time_thres speech_2_noise_ratio do_extend "
    "lookback_time_start_point lookahead_time_end_point max_single_segment_time snr_thres "
    "noise_frame_num_used_for_snr decibel_thres speech_noise_thres fe_prior_thres "
    "sil_pdf_ids".split()
)
#: These belong to the network and its frontend, so only the model says them.
_FIXED_OPTIONS = frozenset(["sample_rate", "frame_in_ms"])
#: FunASR takes these too, and nothing of it reads them.
_UNREAD_OPTIONS = frozenset(
    "snr_mode do_start_point_detection do_end_point_detection nn_eval_block_size dcd_block_size "
    "speech_noise_thresh_low speech_noise_thresh_high output_frame_probs silence_pdf_num".split()
)
_CALL_OPTIONS = frozenset(
    "chunk_size max_end_silence_time speech_noise_thres dynamic_silence silence_schedule "
    "is_streaming_input is_final cache".split()
)
#: FunASR's chunk_size where none is given, in ms.
_CHUNK_MS = 60000.0
#: Chunks shorter than this make FunASR take arrays for the beginning of a stream, in ms.
_STREAMING_BELOW_MS = 15000


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
    unknown = conf.keys() - _MODEL_OPTIONS - _FIXED_OPTIONS - _UNREAD_OPTIONS - {"frame_length_ms"}
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
    kept = {k: v for k, v in conf.items() if k in _MODEL_OPTIONS}
    return {**kept, "sample_rate": rate, "frame_in_ms": shift, "sil_pdf_ids": silence}


class FsmnVadFamily:
    """Export and loading of FSMN-VAD models."""

    name = "fsmn_vad"
    model_classes: tuple[str, ...] = ("FsmnVADStreaming",)
    precisions: tuple[str, ...] = ("float32",)
    options = _CALL_OPTIONS
    constructor_options = _MODEL_OPTIONS - _CALL_OPTIONS

    def export(
        self, model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str
    ) -> Bundle:
        """Write scorer.ts."""
        from safeasr.loading.export import save_program

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
            family=self.name,
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

    def load(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> FsmnVadRecognizer:
        """Load the program of a bundle."""
        return FsmnVadRecognizer(bundle, device, limits)


class FsmnVadRecognizer:
    """A loaded FSMN-VAD."""

    options = FsmnVadFamily.options
    constructor_options = FsmnVadFamily.constructor_options

    def __init__(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> None:
        with reading(bundle):
            #: Frontend and scorer, for runners and streams.
            self.model = _ext.VadModel(
                frontend=_ext.OnlineFrontend(**bundle.frontend),
                scorer=_ext.Program.load(bundle.program("scorer"), device),
                cache_shape=list(bundle.decoding["cache_shape"]),
            )
            self._settings: dict[str, Any] = dict(bundle.decoding["options"])
            _ext.VadOptions(**self._settings)
        self.sample_rate = int(bundle.frontend["sample_rate"])
        # Before the steps of recognisers, which wait for what it finds.
        self._runner = _ext.VadRunner(
            self.model, live_limits(limits, device, live_priority=2, ragged=False)
        )

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise for options that make no sense."""
        self.vad_options(options)

    @staticmethod
    def _chunk_size(options: Mapping[str, Any]) -> float:
        value = options.get("chunk_size")
        if value is None:
            return _CHUNK_MS
        if not isinstance(value, numbers.Real) or isinstance(value, bool):
            raise ValueError(f"chunk_size must be a number of ms, got {value!r}")
        return float(value)

    def _streams(self, options: Mapping[str, Any]) -> bool:
        short = self._chunk_size(options) < _STREAMING_BELOW_MS
        return bool(options.get("is_streaming_input", short))

    def stream_options(
        self, options: Mapping[str, Any], *, streaming: bool | None = None
    ) -> dict[str, Any]:
        """Arguments of ``_ext.VadOptions`` for one call or stream.

        Args:
            options: of the call, over those of the constructor.
            streaming: whether open segments are reported; None: as FunASR decides for arrays.
        """
        taken = {k: v for k, v in options.items() if k in _MODEL_OPTIONS and v is not None}
        settings = {**self._settings, **taken}
        # A silence that was asked for is kept; otherwise it follows the schedule.
        own_silence = options.get("max_end_silence_time") is not None
        settings["dynamic_silence"] = bool(options.get("dynamic_silence", not own_silence))
        if options.get("silence_schedule") is not None:
            settings["silence_schedule"] = options["silence_schedule"]
        settings["chunk_size"] = self._chunk_size(options)
        settings["is_streaming_input"] = self._streams(options) if streaming is None else streaming
        return settings

    def vad_options(
        self, options: Mapping[str, Any], *, streaming: bool | None = None
    ) -> _ext.VadOptions:
        """The options as the extension takes them; arguments as in :meth:`stream_options`.

        Raises:
            ValueError: if one of them makes no sense; names it.
        """
        return _ext.VadOptions(**self.stream_options(options, streaming=streaming))

    def open(self, engine: _ext.Engine, options: Mapping[str, Any]) -> _ext.VadStream:
        """A new stream with the options of FunASR's ``generate``."""
        return self._runner.open(engine, self.vad_options(options))

    def text_of(self, ids: list[int]) -> str:
        """A detector gives no text."""
        return ""

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
        """Queue the next samples of the stream in ``cache``, or a recording of their own.

        A file is whole; an array in short chunks may be a beginning.
        """
        if data.ndim != 1:
            raise AudioError(f"expected samples, got features of shape {data.shape}")
        streaming = not from_file and self._streams(options)
        is_final = from_file or bool(options.get("is_final", not streaming))
        if options.get("cache") is None:
            alone = self._runner.open(engine, self.vad_options(options, streaming=streaming))
            streams: contextlib.AbstractContextManager[Any] = contextlib.nullcontext(alone)
        else:
            streams = stream_of(self, engine, options, is_final=is_final)
        with streams as stream:
            return stream.submit(data, is_final=is_final, deadline_s=deadline_s, wait_s=wait_s)

    def finish(
        self, result: Mapping[str, Any], key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """FunASR's ``{"key", "value"}``; value: ``[[start_ms, end_ms], ...]``."""
        return {"key": key, "value": result["segments"]}
