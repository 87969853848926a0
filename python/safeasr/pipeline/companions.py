"""The models beside the main one: loaded when they are needed, all on one engine."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from safeasr.errors import UnsupportedModelError
from safeasr.families.base import TASKS, Recognizer, StreamingRecognizer, UsesGraphs
from safeasr.loading.load import options_of
from safeasr.options.checker import AUTO_MODEL, checked, of_model, strangers
from safeasr.options.declared import Options
from safeasr.options.model import call_defaults
from safeasr.warn import warn

__all__ = ["Companions", "is_streaming"]

#: Models that stand beside the embedded demo if no others are named.
_DEMO = {"online_model": "demo-streaming", "vad_model": "demo-vad"}
#: The task of a model in a role, and its name in messages.
_ROLES = {
    "online_model": ("asr", "streaming recogniser"),
    "vad_model": ("vad", "voice activity detector"),
}


def is_streaming(recognizer: Recognizer) -> TypeGuard[StreamingRecognizer]:
    """Whether a model takes recordings piece by piece."""
    return recognizer.streams


class Companions:
    """The models of the roles "online_model" and "vad_model", beside a main one."""

    def __init__(
        self,
        main: Recognizer,
        load: Callable[[str, str], Recognizer],
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
            role: name or (_DEMO[role] if demo else None) for role, name in names.items()
        }
        self._loaded: dict[str, StreamingRecognizer] = {}
        for role, name in names.items():
            if name is not None:
                self.get(role)

    def get(self, role: str) -> StreamingRecognizer | None:
        """The model of a role, loaded; None if there is none.

        Raises:
            UnsupportedModelError: if a model of that name cannot have the role.
        """
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
        """What the model of a role understands; none is loaded for that."""
        name = self._names[role]
        if name is None:
            return Options()
        with self._lock:
            loaded = self._loaded.get(role)
        return options_of(name) if loaded is None else loaded.options

    def vad_options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """``vad_kwargs``, checked: the options of the detector, which may be the main model.

        Raises:
            ValueError: for a value that an option cannot have.
        """
        detects = self.main.task == "vad"
        known = self.main.options if detects else self.options_of("vad_model")
        if given and not known:
            warn("vad_kwargs has no effect without vad_model")
            return {}
        return known.own(checked(given, of_model("vad_kwargs"), known))

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

    def graph_counts(self) -> dict[str, int]:
        """What became of the graphs of all models: made, replayed, slower, failed."""
        with self._lock:
            models: list[Recognizer] = [self.main, *self._loaded.values()]
        counts: Counter[str] = Counter()
        for model in models:
            if isinstance(model, UsesGraphs):
                counts.update(model.graph_counts())
        return dict(counts)
