"""Which models a stream needs, and which options go to which of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from safeasr._extension import _ext
from safeasr.errors import UnsupportedModelError
from safeasr.families.base import TASKS, Recognizer
from safeasr.inputs.expand import random_key
from safeasr.inputs.hotwords import with_hotwords_read
from safeasr.observability.observer import Observer
from safeasr.options.access import ANYTHING, Access
from safeasr.options.checker import STREAM, checked, without_none
from safeasr.options.declared import NAME, Options, number, one_of
from safeasr.options.kinds import require
from safeasr.options.names import COMMON
from safeasr.pipeline.companions import Companions, is_streaming
from safeasr.pipeline.diarization import Diarization
from safeasr.pipeline.live_diarization import LIVE_SPEAKERS
from safeasr.pipeline.punctuation import Punctuation
from safeasr.pipeline.runs import Runs
from safeasr.pipeline.single import ModelPipeline
from safeasr.pipeline.stepwise import is_recognizer
from safeasr.pipeline.two_pass import Models, TwoPassPipeline
from safeasr.stream.jobs import Pipeline
from safeasr.stream.stream import Stream
from safeasr.warn import warn

__all__ = ["Streams"]

#: Models that must stand beside an offline one, for each mode.
_BESIDE = {
    "online": ("vad_model", "online_model"),
    "offline": ("vad_model",),
    "2pass": ("vad_model", "online_model"),
}
_MODE = one_of(*_BESIDE)
_CHUNK_MS = number("a number of ms above 0", least=1e-9, most=1e11)
#: FunASR's own examples look back so far; its defaults, 0 and 0, cost accuracy.
_LOOK_BACK = {"encoder_chunk_look_back": 4, "decoder_chunk_look_back": 1}
#: Chunks of the detector in ms: how soon it can say that speech begins or ends.
_VAD_CHUNK_MS = 200


class Streams:
    """Opens the streams of a model, and knows the chunks that are under way."""

    def __init__(
        self,
        companions: Companions,
        engine: _ext.Engine,
        access: Access = ANYTHING,
        punctuation: Punctuation | None = None,
        diarization: Diarization | None = None,
        observer: Observer | None = None,
    ) -> None:
        """Open none yet.

        Args:
            companions: the model and those beside it.
            engine: where all run.
            access: which files and hosts options of streams may name.
            punctuation: puts the marks in the texts of two passes, if anything does.
            diarization: tells who says the segments of two passes, if anything does.
            observer: counts and times the chunks.
        """
        self._observer = Observer() if observer is None else observer
        self._companions = companions
        self._main = companions.main
        self._engine = engine
        self._access = access
        self._punctuation = punctuation
        self._diarization = diarization
        #: Chunks that were taken and have not ended.
        self.runs = Runs()

    @property
    def modes(self) -> tuple[str, ...]:
        """Those in which :meth:`open` opens a stream of these models."""
        if is_streaming(self._main):
            return ("online",)
        if not is_recognizer(self._main):
            return ()
        there = set(filter(self._has, {role for roles in _BESIDE.values() for role in roles}))
        return tuple(mode for mode, roles in _BESIDE.items() if there.issuperset(roles))

    def _has(self, role: str) -> bool:
        try:
            return self._companions.get(role) is not None
        except UnsupportedModelError:  # there is one, for recordings only
            return False

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
        key = random_key() if key is None else require(NAME, "key", key) or random_key()
        if mode is None:
            mode = "online" if is_streaming(self._main) else "2pass"
        require(_MODE, "mode", mode)
        # Those of the constructor are the operator's own.
        self._access.require_options(options)
        if vad_chunk_size is not None:
            vad_chunk_size = require(_CHUNK_MS, "vad_chunk_size", vad_chunk_size)
        main = self._main
        if is_streaming(main):
            if mode != "online":
                raise UnsupportedModelError(
                    f"mode={mode!r} needs an offline model, with online_model= and vad_model= "
                    "beside it"
                )
            taken = without_none(checked(options, STREAM, main.options))
            if vad_chunk_size is not None:
                warn("vad_chunk_size has no effect on a stream of one model")
            # What looks for keywords was trained on chunks by themselves.
            looks_back = {} if main.task == "kws" else _LOOK_BACK
            chosen = {**looks_back, **main.options.own(defaults), **taken}
            if main.task == "vad":
                chosen.setdefault("is_streaming_input", True)
                chosen.setdefault("chunk_size", _VAD_CHUNK_MS)
            main.check(chosen)
            make: Callable[[], Pipeline] = partial(ModelPipeline, main, self._engine, chosen, key)
        elif not is_recognizer(main):
            raise UnsupportedModelError(
                f"stream() is for audio, and this is a model for {TASKS[main.task]}, which takes "
                f"{' or '.join(main.accepts)}: use generate"
            )
        else:
            make = self._two_pass(main, mode, options, defaults, key, vad_chunk_size)
        return Stream(make, runs=self.runs, watch=self._observer.stream(key), **stream)

    def _two_pass(
        self,
        main: Recognizer,
        mode: str,
        options: Mapping[str, Any],
        defaults: Mapping[str, Any],
        key: str,
        vad_chunk_size: float | None,
    ) -> Callable[[], Pipeline]:
        vad = self._companions.get("vad_model")
        online = self._companions.get("online_model") if mode != "offline" else None
        missing = [role for role in _BESIDE[mode] if self._companions.get(role) is None]
        if vad is None or missing:
            raise UnsupportedModelError(
                f"mode={mode!r} needs {' and '.join(missing)}: give AutoModel the argument"
            )
        marks = self._punctuation.options if self._punctuation else Options()
        # Who speaks is known at the end of a segment, from all of it.
        diarization = self._diarization if mode != "online" else None
        speakers = LIVE_SPEAKERS if diarization else Options()
        known = main.options | (online.options if online else Options()) | marks | speakers
        # Of the two, chunk_size is the recogniser's, in rows of 60 ms.
        options = checked(options, STREAM, known | (vad.options - {"chunk_size"}))
        options = without_none(options)
        vad_own = {**vad.options.own(defaults), **vad.options.own(options)}
        vad_own |= {"chunk_size": vad_chunk_size or _VAD_CHUNK_MS, "is_streaming_input": True}
        online_own = {**_LOOK_BACK}
        if online is not None:
            online_own |= {**online.options.own(defaults), **online.options.own(options)}
        offline = {**main.options.own(defaults), **main.options.own(options)}
        whose = {**speakers.own(defaults), **speakers.own(options)}
        return partial(
            TwoPassPipeline,
            Models(
                self._engine,
                vad,
                online,
                main if mode != "online" else None,
                self._punctuation,
                diarization,
            ),
            vad=vad_own,
            online=online_own,
            offline=self._with_hotwords(offline, defaults),
            punctuation={**marks.own(defaults), **marks.own(options)},
            speakers=whose,
            key=key,
        )

    def _with_hotwords(
        self, given: Mapping[str, Any], defaults: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        limits = {
            name: COMMON[name].default if defaults.get(name) is None else defaults[name]
            for name in ("download_timeout", "max_download_bytes")
        }
        return with_hotwords_read(
            given,
            self._main.options,
            timeout_s=limits["download_timeout"],
            max_bytes=limits["max_download_bytes"],
            access=self._access,
            operators=defaults,
        )
