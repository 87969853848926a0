"""One of the models of an AutoModel, by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from safeasr.calls.calls import Calls
from safeasr.families.base import Recognizer, Task
from safeasr.options.declared import Options
from safeasr.options.names import COMMON

__all__ = ["Part"]


class Part:
    """What FunASR has as ``model.model``, ``model.vad_model`` and so on.

    There they are torch modules; here they answer calls, of any number of threads, on the engine of
    the model that they are a part of.

    Attributes:
        task: what it is for: "asr", "vad", "punc", "spk", "align".
        sample_rate: in Hz, of the samples that it takes.
        options: names of the options of its own.
    """

    def __init__(self, owner: object, model: Recognizer, calls: Calls) -> None:
        """Take a loaded model.

        Args:
            owner: what it is a part of; lives as long.
            model: which one.
            calls: makes its calls.
        """
        self._owner = owner
        self._calls = calls
        self._known: Options = model.options | COMMON
        self.task: Task = model.task
        self.sample_rate = model.sample_rate
        self.options = tuple(model.options)

    def options_among(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Those of FunASR's arguments of a model that its calls take; None is left out."""
        own = self._known.own(given)
        return {name: value for name, value in own.items() if value is not None}

    def generate(
        self,
        input: Any,
        input_len: Any = None,
        progress_callback: Callable[[int, int], object] | None = None,
        *,
        timeout: float | None = None,
        **options: Any,
    ) -> list[dict[str, Any]]:
        """As :meth:`AutoModel.generate <safeasr.AutoModel.generate>`, of this model alone."""
        return self._calls.run(input, input_len, progress_callback, timeout, options)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.task}>"
