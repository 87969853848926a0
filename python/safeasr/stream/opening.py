"""Which models a stream needs, and which options go to which of them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeGuard

from safeasr import _ext
from safeasr.errors import UnsupportedModelError
from safeasr.families.base import TASKS, Recognizer, StreamingRecognizer, UsesGraphs
from safeasr.inputs.expand import random_key
from safeasr.loading.load import options_of
from safeasr.options.checker import STREAM, checked
from safeasr.options.declared import Options
from safeasr.pipeline.single import ModelPipeline
from safeasr.pipeline.two_pass import Models, TwoPassPipeline
from safeasr.stream.jobs import Pipeline
from safeasr.stream.stream import Stream

__all__ = ["StreamModels", "is_streaming"]

#: Models that stand beside the embedded demo if no others are named.
_DEMO = {"online_model": "demo-streaming", "vad_model": "demo-vad"}
#: The task of a model in a role, and its name in messages.
_ROLES = {
    "online_model": ("asr", "streaming recogniser"),
    "vad_model": ("vad", "voice activity detector"),
}
MODES = ("online", "offline", "2pass")
#: FunASR's own examples look back so far; its defaults, 0 and 0, cost accuracy.
_LOOK_BACK = {"encoder_chunk_look_back": 4, "decoder_chunk_look_back": 1}
#: Chunks of the detector in ms: how soon it can say that speech begins or ends.
_VAD_CHUNK_MS = 200


def is_streaming(recognizer: Recognizer) -> TypeGuard[StreamingRecognizer]:
    """Whether a model takes recordings piece by piece."""
    return recognizer.streams


class StreamModels:
    """The models of ``AutoModel.stream``: the main one, and those beside it, on one engine."""

    def __init__(
        self,
        main: Recognizer,
        engine: _ext.Engine,
        load: Callable[[str, str], Recognizer],
        beside: Mapping[str, str | None],
        *,
        demo: bool,
    ) -> None:
        """Remember what can be loaded; loads what is named.

        Args:
            main: the model itself.
            engine: where all run.
            load: loads the model of a role by its name.
            beside: names of "online_model" and "vad_model", None where there is none.
            demo: the main model is the embedded one: its companions are loaded when needed.
        """
        self._main = main
        self._engine = engine
        self._load = load
        self._lock = threading.Lock()
        self._names = {
            role: name or (_DEMO[role] if demo else None) for role, name in beside.items()
        }
        self._loaded: dict[str, StreamingRecognizer] = {}
        for role, name in beside.items():
            if name is not None:
                self.get(role)

    def get(self, role: str) -> StreamingRecognizer | None:
        """The model of a role, loaded; None if there is none."""
        name = self._names[role]
        if name is None:
            return None
        with self._lock:
            if role not in self._loaded:
                recognizer = self._load(role, name)
                task, wanted = _ROLES[role]
                if not is_streaming(recognizer) or recognizer.task != task:
                    kind = "a streaming" if is_streaming(recognizer) else "an offline"
                    raise UnsupportedModelError(
                        f"{role}={name!r} is not a {wanted}: it is {kind} model for "
                        f"{TASKS[recognizer.task]} ({recognizer.task})"
                    )
                self._loaded[role] = recognizer
            return self._loaded[role]

    def options_of(self, role: str) -> Options:
        """What the model of a role understands; it is not loaded for that."""
        name = self._names[role]
        if name is None:
            return Options()
        with self._lock:
            loaded = self._loaded.get(role)
        return options_of(name) if loaded is None else loaded.options

    def graph_counts(self) -> dict[str, int]:
        """What became of the graphs of all models: made, replayed, slower, failed."""
        with self._lock:
            models: list[Recognizer] = [self._main, *self._loaded.values()]
        counts: Counter[str] = Counter()
        for model in models:
            if isinstance(model, UsesGraphs):
                counts.update(model.graph_counts())
        return dict(counts)

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
            return Stream(lambda: ModelPipeline(main, self._engine, chosen, key), **stream)
        return Stream(self._two_pass(mode, options, defaults, key, vad_chunk_size), **stream)

    def _two_pass(
        self,
        mode: str,
        options: Mapping[str, Any],
        defaults: Mapping[str, Any],
        key: str,
        vad_chunk_size: float | None,
    ) -> Callable[[], Pipeline]:
        vad = self.get("vad_model")
        online = self.get("online_model") if mode != "offline" else None
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
        return partial(
            TwoPassPipeline,
            Models(self._engine, vad, online, self._main if mode != "online" else None),
            vad=vad_own,
            online=online_own,
            offline={**self._main.options.own(defaults), **self._main.options.own(options)},
            key=key,
        )
