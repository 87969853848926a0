"""The models beside the main one: loaded when they are needed, all on one engine."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard, TypeVar, cast

from safeasr.errors import UnsupportedModelError
from safeasr.families.base import (
    TASKS,
    Detector,
    LoadedModel,
    Punctuator,
    Recognizer,
    RunsByItself,
    StepwiseRecognizer,
    StreamingRecognizer,
    UsesGraphs,
    runner_of,
)
from safeasr.loading.load import options_of
from safeasr.observability.histograms import histogram
from safeasr.options.checker import AUTO_MODEL, checked, of_model, strangers
from safeasr.options.declared import Options
from safeasr.options.model import call_defaults
from safeasr.pipeline.stepwise import is_recognizer
from safeasr.warn import warn

__all__ = ["Companions", "is_streaming"]

#: Models that stand beside the embedded demo if no others are named.
_DEMO = {"online_model": "demo-streaming", "vad_model": "demo-vad"}
#: The task of a model in a role, its name in messages, and whether it must take streams.
_ROLES = {
    "online_model": ("asr", "streaming recogniser", True),
    "vad_model": ("vad", "voice activity detector", False),
    "punc_model": ("punc", "punctuation model", False),
    "spk_model": ("spk", "model for speaker embeddings", False),
}
_NONE = Options()
_Kind = TypeVar("_Kind", bound=LoadedModel)


def is_streaming(recognizer: LoadedModel) -> TypeGuard[StreamingRecognizer]:
    """Whether a model takes recordings piece by piece."""
    return recognizer.streams


def _is_detector(model: LoadedModel) -> TypeGuard[Detector]:
    return model.task == "vad"


def _is_punctuator(model: LoadedModel) -> TypeGuard[Punctuator]:
    return model.task == "punc"


class Companions:
    """The models of :data:`_ROLES` beside a main one."""

    def __init__(
        self,
        main: LoadedModel,
        load: Callable[[str, str], LoadedModel],
        names: Mapping[str, str | None],
        *,
        demo: bool,
    ) -> None:
        """Remember what can be loaded; loads what is named.

        Args:
            main: the model itself.
            load: loads the model of a role by its name.
            names: of the roles' models, None where there is none.
            demo: the main model is the embedded one: its companions are loaded when needed.
        """
        self.main = main
        self._load = load
        self._lock = threading.RLock()
        self._names = {
            role: name or (_DEMO.get(role) if demo else None) for role, name in names.items()
        }
        self._loaded: dict[str, LoadedModel] = {}
        for role, name in names.items():
            if name is not None:
                self._get(role)

    def get(self, role: str) -> StreamingRecognizer | None:
        """The model of a role that takes streams, loaded; None if there is none.

        Raises:
            UnsupportedModelError: if a model of that name cannot have the role, or works at another
                rate than the main one.
        """
        found = self._get(role)
        if found is not None and not is_streaming(found):
            raise UnsupportedModelError(
                f"{role}={self._names[role]!r} takes whole recordings only, and no live streams"
            )
        return self._as(is_streaming, role)

    def detector(self) -> Detector | None:
        """The model of the role "vad_model"; as :meth:`get`."""
        return self._as(_is_detector, "vad_model")

    def punctuator(self) -> Punctuator | None:
        """The model of the role "punc_model"; as :meth:`get`."""
        return self._as(_is_punctuator, "punc_model")

    def speaker_model(self) -> Recognizer | None:
        """The model of the role "spk_model"; as :meth:`get`."""
        return self._as(is_recognizer, "spk_model")

    def _as(self, is_kind: Callable[[LoadedModel], TypeGuard[_Kind]], role: str) -> _Kind | None:
        found = self._get(role)
        if found is None:
            return None
        assert is_kind(found)  # its task was looked at
        return found

    def loaded(self, role: str) -> Recognizer | StepwiseRecognizer:
        """The model of a role that is named."""
        found = self._get(role)
        assert found is not None
        return cast("Recognizer | StepwiseRecognizer", found)

    def _get(self, role: str) -> LoadedModel | None:
        name = self._names.get(role)
        if name is None:
            return None
        with self._lock:
            if role not in self._loaded:
                model = self._load(role, name)
                task, wanted, live = _ROLES[role]
                if model.task != task or (live and not is_streaming(model)):
                    kind = "a streaming" if is_streaming(model) else "an offline"
                    raise UnsupportedModelError(
                        f"{role}={name!r} is not a {wanted}: it is {kind} model for "
                        f"{TASKS[model.task]} ({model.task})"
                    )
                self._require_rate_of_main(f"{role}={name!r}", model)
                self._loaded[role] = model
            return self._loaded[role]

    def _require_rate_of_main(self, argument: str, model: LoadedModel) -> None:
        rate = self.main.sample_rate
        listen = "samples" in model.accepts and "samples" in self.main.accepts
        if listen and model.sample_rate != rate:
            raise UnsupportedModelError(
                f"{argument} works at {model.sample_rate} Hz and the model at {rate} Hz"
            )

    def options_of(self, role: str) -> Options:
        """What the model of a role understands; none is loaded for that."""
        name = self._names.get(role)
        if name is None:
            return Options()
        with self._lock:
            loaded = self._loaded.get(role)
        return options_of(name) if loaded is None else loaded.options

    def require_offline_recogniser(self, argument: str) -> None:
        """Refuse an argument that goes with no other main model.

        Raises:
            UnsupportedModelError: if it takes recordings piece by piece, or gives no text.
        """
        if self.main.task != "asr" or is_streaming(self.main):
            kind = "streaming " if is_streaming(self.main) else ""
            raise UnsupportedModelError(
                f"{argument}= goes with an offline recogniser only, and this is a "
                f"{kind}model for {TASKS[self.main.task]} ({self.main.task})"
            )

    def own_options(
        self, role: str, argument: str, given: Mapping[str, Any], more: Options = _NONE
    ) -> dict[str, Any]:
        """``vad_kwargs`` or its like, checked.

        Args:
            role: whose options they are. A detector may be the main model.
            argument: its name.
            given: what it holds.
            more: options that it may hold beside the model's.

        Raises:
            ValueError: for a value that an option cannot have.
        """
        detects = role == "vad_model" and self.main.task == "vad"
        known = (self.main.options if detects else self.options_of(role)) | more
        if given and not detects and self._names.get(role) is None:
            warn(f"{argument} has no effect without {role}")
            return {}
        return known.own(checked(given, of_model(argument), known))

    def call_defaults(self, given: Mapping[str, Any], known: Options) -> dict[str, Any]:
        """Options of calls among the arguments of ``AutoModel``, checked.

        Args:
            given: the arguments.
            known: options of the main model, or of the pipeline that it became a part of.

        Raises:
            ValueError: for a value that an option cannot have.
        """
        if strangers(given, AUTO_MODEL, known):
            for role in self._names:
                known |= self.options_of(role)
        return call_defaults(given, known)

    def part_stats(self) -> dict[str, dict[str, Any]]:
        """What the engine did for each model that is loaded, by its role; "model" is the main one.

        Returns:
            requests that have begun, batches; queue and compute, histograms of the requests' wait
            for their first batch and of the batches. Nothing of a model that keeps its runner to
            itself.
        """
        with self._lock:
            models: dict[str, LoadedModel] = {"model": self.main, **self._loaded}
        found: dict[str, dict[str, Any]] = {}
        for role, model in models.items():
            if isinstance(model, RunsByItself):
                found[role] = model.part_stats()
                continue
            runner = runner_of(model)
            if runner is None:
                found[role] = {}
                continue
            stats = runner.stats()
            queue, compute = histogram(*stats["queue_time"]), histogram(*stats["run_time"])
            found[role] = {
                "requests": queue["count"],
                "batches": compute["count"],
                "queue": queue,
                "compute": compute,
            }
        return found

    def graph_counts(self) -> dict[str, int]:
        """What became of the graphs of all models: made, replayed, slower, failed."""
        with self._lock:
            models: list[LoadedModel] = [self.main, *self._loaded.values()]
        counts: Counter[str] = Counter()
        for model in models:
            if isinstance(model, UsesGraphs):
                counts.update(model.graph_counts())
        return dict(counts)
