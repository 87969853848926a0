"""Which models a stream needs, and which options go to which of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from safeasr._extension import _ext
from safeasr.errors import UnsupportedModelError
from safeasr.inputs.expand import random_key
from safeasr.inputs.hotwords import with_hotwords_read
from safeasr.options.checker import STREAM, checked
from safeasr.options.declared import Options
from safeasr.pipeline.companions import Companions, is_streaming
from safeasr.pipeline.single import ModelPipeline
from safeasr.pipeline.steps import Runs
from safeasr.pipeline.two_pass import Models, TwoPassPipeline
from safeasr.stream.jobs import Pipeline
from safeasr.stream.stream import Stream

__all__ = ["Streams"]

MODES = ("online", "offline", "2pass")
#: FunASR's own examples look back so far; its defaults, 0 and 0, cost accuracy.
_LOOK_BACK = {"encoder_chunk_look_back": 4, "decoder_chunk_look_back": 1}
#: Chunks of the detector in ms: how soon it can say that speech begins or ends.
_VAD_CHUNK_MS = 200


class Streams:
    """Opens the streams of a model, and knows the chunks that are under way."""

    def __init__(self, companions: Companions, engine: _ext.Engine) -> None:
        """Open none yet.

        Args:
            companions: the model and those beside it.
            engine: where all run.
        """
        self._companions = companions
        self._main = companions.main
        self._engine = engine
        #: Chunks that were taken and have not ended.
        self.runs = Runs()

    def open(
        self,
        options: Mapping[str, Any],
        defaults: Mapping[str, Any],
        *,
        mode: str | None,
        key: str | None,
        vad_chunk_size: float | None,
        **stream: Any,
    ) -> Stream:
        """A stream; arguments as of ``AutoModel.stream``, ``defaults`` as of the constructor."""
        key = key or random_key()
        if mode is None:
            mode = "online" if is_streaming(self._main) else "2pass"
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
        main = self._main
        if is_streaming(main):
            if mode != "online":
                raise UnsupportedModelError(
                    f"mode={mode!r} needs an offline model, with online_model= and vad_model= "
                    "beside it"
                )
            taken = checked(options, STREAM, main.options)
            chosen = {**_LOOK_BACK, **main.options.own(defaults), **taken}
            if main.task == "vad":
                chosen.setdefault("is_streaming_input", True)
                chosen.setdefault("chunk_size", _VAD_CHUNK_MS)
            make: Callable[[], Pipeline] = partial(ModelPipeline, main, self._engine, chosen, key)
        else:
            make = self._two_pass(mode, options, defaults, key, vad_chunk_size)
        return Stream(make, runs=self.runs, **stream)

    def _two_pass(
        self,
        mode: str,
        options: Mapping[str, Any],
        defaults: Mapping[str, Any],
        key: str,
        vad_chunk_size: float | None,
    ) -> Callable[[], Pipeline]:
        vad = self._companions.get("vad_model")
        online = self._companions.get("online_model") if mode != "offline" else None
        missing = [
            role
            for role, model in (("vad_model", vad), ("online_model", online))
            if model is None and (role == "vad_model" or mode != "offline")
        ]
        if vad is None or missing:
            raise UnsupportedModelError(
                f"mode={mode!r} needs {' and '.join(missing)}: give AutoModel the argument"
            )
        known = self._main.options | (online.options if online else Options())
        # Of the two, chunk_size is the recogniser's, in rows of 60 ms.
        options = checked(options, STREAM, known | (vad.options - {"chunk_size"}))
        vad_own = {**vad.options.own(defaults), **vad.options.own(options)}
        vad_own |= {"chunk_size": vad_chunk_size or _VAD_CHUNK_MS, "is_streaming_input": True}
        online_own = {**_LOOK_BACK}
        if online is not None:
            online_own |= {**online.options.own(defaults), **online.options.own(options)}
        offline = {**self._main.options.own(defaults), **self._main.options.own(options)}
        return partial(
            TwoPassPipeline,
            Models(self._engine, vad, online, self._main if mode != "online" else None),
            vad=vad_own,
            online=online_own,
            offline=with_hotwords_read(offline, self._main.options),
            key=key,
        )
