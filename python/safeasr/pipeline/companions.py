"""The models beside the main one: loaded when they are needed, all on one engine."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeGuard

from safeasr.errors import UnsupportedModelError
from safeasr.families.base import TASKS, Recognizer, StreamingRecognizer, UsesGraphs

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
        load: Callable[[str], Recognizer],
        names: Mapping[str, str | None],
        *,
        demo: bool,
    ) -> None:
        """Remember what can be loaded; loads what is named.

        Args:
            main: the model itself.
            load: loads a model by its name.
            names: of the roles' models, None where there is none.
            demo: the main model is the embedded one: its companions are loaded when needed.
        """
        self.main = main
        self._load = load
        self._lock = threading.Lock()
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
                recognizer = self._load(name)
                task, wanted = _ROLES[role]
                if not is_streaming(recognizer) or recognizer.task != task:
                    kind = "a streaming" if is_streaming(recognizer) else "an offline"
                    raise UnsupportedModelError(
                        f"{role}={name!r} is not a {wanted}: it is {kind} model for "
                        f"{TASKS[recognizer.task]} ({recognizer.task})"
                    )
                self._loaded[role] = recognizer
            return self._loaded[role]

    def graph_counts(self) -> dict[str, int]:
        """What became of the graphs of all models: made, replayed, slower, failed."""
        with self._lock:
            models: list[Recognizer] = [self.main, *self._loaded.values()]
        counts: Counter[str] = Counter()
        for model in models:
            if isinstance(model, UsesGraphs):
                counts.update(model.graph_counts())
        return dict(counts)
