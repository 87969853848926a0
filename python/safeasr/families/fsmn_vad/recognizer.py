"""A loaded FSMN-VAD: recordings and chunks to requests, segments to FunASR's results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.bundles.settings import Settings
from safeasr.errors import OptionError
from safeasr.families.base import Accepts, Task
from safeasr.families.cached import submit_cached
from safeasr.families.frontends import frontend_of
from safeasr.families.fsmn_vad.options import CHUNK_MS, MODEL_OPTIONS, OPTIONS
from safeasr.families.programs import live_limits, load_programs, reading
from safeasr.families.terms import Terms

__all__ = ["FsmnVadRecognizer"]

#: Chunks shorter than this make FunASR take arrays for the beginning of a stream, in ms.
_STREAMING_BELOW_MS = 15000

#: A recogniser's step on what was found is there so soon: a callback and some Python.
_STEP_FOLLOWS_WITHIN_MS = 3.0


def _cache_shape(settings: Settings) -> list[int]:
    """Layers, rows and columns of what the scorer remembers."""
    shape = settings.wholes("cache_shape", most=1 << 20)
    if len(shape) != 3 or not shape[0] * shape[1] * shape[2] <= 1 << 28:
        raise settings.wrong("cache_shape", "layers, rows and columns")
    return shape


class FsmnVadRecognizer:
    """A loaded FSMN-VAD."""

    task: Task = "vad"
    accepts: tuple[Accepts, ...] = ("samples",)
    streams = True
    options = OPTIONS

    def __init__(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> None:
        with reading(bundle):
            arguments = frontend_of(bundle)
            [scorer] = load_programs(bundle, device, ("scorer",))
            #: Frontend and scorer, for runners and streams.
            self.model = _ext.VadModel(
                frontend=_ext.OnlineFrontend(**arguments),
                scorer=scorer,
                cache_shape=_cache_shape(bundle.settings),
            )
            self._settings: dict[str, Any] = dict(bundle.settings.section("options").values)
            _ext.VadOptions(**self._settings)
        self.sample_rate: int = arguments["sample_rate"]
        # Before the steps of recognisers, which wait for what it finds.
        self._runner = _ext.VadRunner(
            self.model,
            live_limits(
                limits,
                device,
                live_priority=2,
                ragged=False,
                followed_within_ms=_STEP_FOLLOWS_WITHIN_MS,
            ),
        )

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise for options that make no sense."""
        self.vad_options(options)

    @staticmethod
    def _chunk_size(options: Mapping[str, Any]) -> float:
        value = options.get("chunk_size")
        return CHUNK_MS if value is None else float(value)

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
        taken = {k: v for k, v in options.items() if k in MODEL_OPTIONS and v is not None}
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
            OptionError: if one of them makes no sense; names it.
        """
        try:
            return _ext.VadOptions(**self.stream_options(options, streaming=streaming))
        except ValueError as error:
            raise OptionError(str(error)) from None

    def open(self, engine: _ext.Engine, options: Mapping[str, Any]) -> _ext.VadStream:
        """A new stream with the options of FunASR's ``generate``."""
        return self._runner.open(engine, self.vad_options(options))

    def recording(self, options: Mapping[str, Any]) -> _ext.VadRecording:
        """A recording that will come in blocks."""
        return self._runner.recording(self.vad_options(options, streaming=False))

    def segments_of(self, recording: _ext.VadRecording, result: Any) -> list[list[int]]:
        """The segments that a block's result brings."""
        found: list[list[int]] = result["segments"]
        return found

    def step_samples(self, options: Mapping[str, Any]) -> int:
        """A detector looks at each frame of 10 ms."""
        return self.sample_rate // 100

    def text_of(self, ids: list[int]) -> str:
        """A detector gives no text."""
        return ""

    def submit(
        self,
        engine: _ext.Engine,
        data: NDArray[np.float32],
        options: Mapping[str, Any],
        terms: Terms,
    ) -> _ext.Ticket:
        """Queue the next samples of the stream in ``cache``, or a recording of their own.

        A file is whole; an array in short chunks may be a beginning.
        """
        streaming = not terms.from_file and self._streams(options)
        is_final = terms.from_file or bool(options.get("is_final", not streaming))
        if options.get("cache") is None:
            return self._runner.submit(
                engine,
                data,
                self.vad_options(options, streaming=streaming),
                is_final=is_final,
                terms=terms.for_engine(),
            )
        return submit_cached(self, engine, data, options, terms, is_final=is_final)

    def finish(
        self, result: Mapping[str, Any], key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """FunASR's ``{"key", "value"}``; value: ``[[start_ms, end_ms], ...]``."""
        return {"key": key, "value": result["segments"]}
