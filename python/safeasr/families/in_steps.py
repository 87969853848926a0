"""What models share that take live audio in steps of FunASR's ``chunk_size``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.errors import OptionError, SafeASRError
from safeasr.families.cached import CACHE, submit_cached
from safeasr.families.terms import Terms
from safeasr.options.declared import FLAG, Option, Options, Where, list_of, whole

__all__ = ["InSteps", "step_options"]

_LOOK_BACK = whole("a whole number of chunks, or -1 for all", least=-1)


def step_options(default: list[int], rows: str, *looking_back: str) -> Options:
    """Options of such a model.

    Args:
        default: of ``chunk_size``.
        rows: what it counts.
        looking_back: the parts of the network that look back, such as "encoder".
    """
    chunks = list_of(whole(), f"[left, chunk, right] in {rows}", least=3, most=3)
    looks = (
        Option(f"{part}_chunk_look_back", _LOOK_BACK, 0, help=f"Chunks that the {part} looks back.")
        for part in looking_back
    )
    return Options(
        Option("cache", CACHE, where=Where.CALL, help="A dict that holds the stream."),
        Option("is_final", FLAG, False, help="The stream ends with this chunk."),
        Option("chunk_size", chunks, default, help="Rows before, of and after a step."),
        *looks,
    )


class InSteps:
    """Opens streams and queues their chunks; whatever is told of them is the family's."""

    options: Options
    sample_rate: int
    #: Of the extension.
    _runner: Any

    def stream_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """What a stream is opened with: FunASR's names and defaults."""
        size = options.get("chunk_size")
        default = self.options["chunk_size"].default
        left, chunk, right = map(int, default if size is None else size)
        looks = (name for name in self.options if name.endswith("_look_back"))
        return {
            "chunk_size": (left, chunk, right),
            **{name: int(options.get(name) or 0) for name in looks},
        }

    def _runner_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """By the extension's names."""
        raise NotImplementedError

    def open(self, engine: _ext.Engine, options: Mapping[str, Any]) -> Any:
        """A new stream with the options of FunASR's ``generate``."""
        chosen = self._runner_options(options)
        try:
            return self._runner.open(engine, **chosen)
        except ValueError as error:  # of a range that only the network knows
            raise OptionError(str(error)) from None

    def submit(
        self,
        engine: _ext.Engine,
        data: NDArray[np.float32],
        options: Mapping[str, Any],
        terms: Terms,
    ) -> _ext.Ticket:
        """Queue the next samples of the stream in ``cache``, or of one of their own."""
        is_final = terms.from_file or bool(options.get("is_final", False))
        if options.get("cache") is not None:
            return submit_cached(self, engine, data, options, terms, is_final=is_final)
        chosen = self._runner_options(options)
        try:
            ticket: _ext.Ticket = self._runner.submit(
                engine, data, **chosen, is_final=is_final, terms=terms.for_engine()
            )
        except SafeASRError:
            raise
        except ValueError as error:
            raise OptionError(str(error)) from None
        return ticket
