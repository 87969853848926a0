"""What a family has to offer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from safeasr import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir
from safeasr.deadlines import seconds_left

__all__ = ["Family", "Recognizer", "StreamingRecognizer", "Terms"]


@dataclass(frozen=True)
class Terms:
    """On which terms something is submitted.

    Attributes:
        from_file: it was not an array, so it is a whole recording and nothing follows.
        deadline: time of the monotonic clock after which it is not started; None: no limit.
        room_until: until when to wait for room in the queue; None: as long as it takes.
        direct: it belongs to what was accepted before, so it does not wait for room.
        live: it goes before recordings.
    """

    from_file: bool = False
    deadline: float | None = None
    room_until: float | None = None
    direct: bool = False
    live: bool = False

    def patience(self) -> float | None:
        """Seconds that are left to wait for room; None: as long as it takes."""
        return seconds_left(self.room_until)

    def later_stage(self, *, live: bool = False) -> Terms:
        """Of a piece of what was accepted on these terms: a whole recording by itself."""
        return replace(self, from_file=True, direct=True, live=live)

    def for_engine(self) -> _ext.Terms:
        """As the extension takes them, which counts seconds from now on."""
        return _ext.Terms(
            deadline_s=seconds_left(self.deadline),
            wait_s=self.patience(),
            direct=self.direct,
            live=self.live,
        )


class Recognizer(Protocol):
    """A loaded model: turns input into requests, and results of requests into FunASR's dicts.

    Immutable: one serves any number of threads.
    """

    #: Rate in Hz of the samples that :meth:`submit` takes.
    sample_rate: int
    #: Options of ``generate`` that change this family's results.
    options: frozenset[str]
    #: Options that FunASR takes from the constructor only; ``options`` of a call hold them too.
    constructor_options: frozenset[str]

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise for options whose meaning cannot be honoured."""

    def submit(
        self,
        engine: _ext.Engine,
        data: NDArray[np.float32],
        options: Mapping[str, Any],
        terms: Terms,
    ) -> _ext.Ticket:
        """Queue one utterance: samples (n,) or features (frames, size)."""

    def finish(
        self, result: Mapping[str, Any], key: str, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """FunASR's result dict of a finished request."""


class StreamingRecognizer(Recognizer, Protocol):
    """A model that can take a recording piece by piece."""

    def stream_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """What a stream is opened with; ValueError for what makes no sense."""

    def open(self, engine: _ext.Engine, options: Mapping[str, Any]) -> Any:
        """A new stream of the extension, with a method ``submit``."""

    def text_of(self, ids: list[int]) -> str:
        """The text of token ids; empty for models that give none."""


@runtime_checkable
class UsesGraphs(Protocol):
    """A model whose steps can be recorded as graphs on devices that have them."""

    def use_graphs(self) -> None:
        """Record steps as graphs, and replay them where that is faster."""

    def graph_counts(self) -> dict[str, int]:
        """What became of graphs: made, replayed, slower (given up), failed."""


class Family(Protocol):
    """How FunASR models of one kind are exported and loaded."""

    #: Name in bundles.
    name: str
    #: FunASR's model classes that it exports.
    model_classes: tuple[str, ...]
    #: Of :data:`safeasr.nets.precision.PRECISIONS`, those that its programs can have.
    precisions: tuple[str, ...]
    #: Options of ``generate`` that change results of this family.
    options: frozenset[str]
    #: Options that FunASR takes from the constructor only.
    constructor_options: frozenset[str]

    def export(
        self, model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str
    ) -> Bundle:
        """Write the programs into ``out`` and describe them.

        ``precision``: one of :data:`safeasr.nets.precision.PRECISIONS`.
        """

    def load(self, bundle: Bundle, device: str, limits: Mapping[str, Any]) -> Recognizer:
        """Load the programs; ``limits`` are the arguments of ``_ext.BatchLimits``."""
