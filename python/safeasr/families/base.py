"""What a family has to offer, and a model that it loaded."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.bundles.bundle import Bundle
from safeasr.bundles.model_dir import ModelDir
from safeasr.families.terms import Terms
from safeasr.options.declared import Options

__all__ = [
    "TASKS",
    "Accepts",
    "ComingWords",
    "DetectedRecording",
    "Detector",
    "Exporter",
    "Family",
    "FollowingPunctuator",
    "LoadedModel",
    "NBest",
    "Punctuator",
    "Recognizer",
    "RunsByItself",
    "StepwiseRecognizer",
    "StreamingRecognizer",
    "Task",
    "UsesGraphs",
    "runner_of",
]

#: What a model is for.
Task = Literal["asr", "vad", "punc", "spk", "align", "emotion", "kws"]
TASKS: dict[Task, str] = {
    "asr": "speech recognition",
    "vad": "voice activity detection",
    "punc": "punctuation",
    "spk": "speaker embeddings",
    "align": "forced alignment",
    "emotion": "emotion recognition",
    "kws": "keyword spotting",
}
#: What a request may hold: samples (n,), features (frames, size), text, or samples with their text.
Accepts = Literal["samples", "features", "text", "pairs"]


class LoadedModel(Protocol):
    """What every loaded model has: turns input into requests, and results into FunASR's dicts.

    Immutable: one serves any number of threads.
    """

    #: What it is for: decides in which role it may stand beside others.
    task: Task
    #: What it takes. Nothing else reaches it.
    accepts: tuple[Accepts, ...]
    #: Whether it takes recordings piece by piece: then it is a :class:`StreamingRecognizer`.
    streams: bool
    #: Rate in Hz of the samples that it takes, if it takes any.
    sample_rate: int
    #: Options of its own. What reaches its methods was checked by them.
    options: Options

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise for options whose meaning cannot be honoured."""

    def finish(self, result: Any, key: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """FunASR's result dict of a finished request."""


class Recognizer(LoadedModel, Protocol):
    """A model whose answer to an utterance is one request."""

    def submit(
        self,
        engine: _ext.Engine,
        data: Any,
        options: Mapping[str, Any],
        terms: Terms,
    ) -> _ext.Ticket:
        """Queue one utterance: samples (n,), features (frames, size), text or a :class:`Pair`."""


class StepwiseRecognizer(LoadedModel, Protocol):
    """A model that needs several requests for an utterance, each after the one before.

    :mod:`safeasr.pipeline.stepwise` makes a :class:`Recognizer` of it.
    """

    def steps(
        self,
        engine: _ext.Engine,
        data: Any,
        options: Mapping[str, Any],
        terms: Terms,
    ) -> Generator[_ext.Ticket, Any, Any]:
        """One utterance: yields each ticket, is sent its result, returns what ``finish`` takes.

        The first request may wait for room, as the terms say; later ones are ``later_stage``.
        Closed before its end, it cancels what it waits for.
        """


class Punctuator(StepwiseRecognizer, Protocol):
    """A model for punctuation. Its results have ``text`` and ``punc_array``."""

    #: The marks by their numbers in ``punc_array``; "_" stands for none.
    marks: tuple[str, ...]

    def words_of(self, text: str) -> list[str]:
        """The words that marks stand behind: ``punc_array`` has a number for each.

        Of words that a dictionary cut out, for each of their characters.
        """


class ComingWords(Protocol):
    """The words of a text, some of which may be still to come."""

    #: Those that have come. Only this object adds to them.
    words: list[str]

    def beyond(self, count: int) -> Generator[_ext.Ticket, Any, bool]:
        """Steps that wait until there are more than so many, or will be no more; which it is."""


@runtime_checkable
class FollowingPunctuator(Punctuator, Protocol):
    """One that can punctuate the beginning of a text before the end is known."""

    #: Whether what a text is split into does not depend on what follows behind a space.
    splits_anywhere: bool

    def split(self, text: str) -> list[str]:
        """The words that are read."""

    def follow(
        self,
        engine: _ext.Engine,
        source: ComingWords,
        options: Mapping[str, Any],
        terms: Terms,
        tell: Callable[[list[str], list[int]], None],
    ) -> Generator[_ext.Ticket, Any, Any]:
        """As ``steps``; tells of the words that are done, with their marks, and the numbers."""


class StreamingRecognizer(Recognizer, Protocol):
    """A model that can take a recording piece by piece."""

    def stream_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """What a stream is opened with; ValueError for what makes no sense."""

    def open(self, engine: _ext.Engine, options: Mapping[str, Any]) -> Any:
        """A new stream of the extension, with a method ``submit``."""

    def step_samples(self, options: Mapping[str, Any]) -> int:
        """Samples of a step of such a stream; those that do not fill one change no result yet."""

    def text_of(self, ids: list[Any]) -> str:
        """The text of token ids; empty for models that give none."""


class DetectedRecording(Protocol):
    """A recording that comes to a detector in blocks, each when the result before is taken."""

    def submit(
        self,
        engine: _ext.Engine,
        samples: NDArray[np.float32],
        *,
        is_final: bool = ...,
        terms: _ext.Terms = ...,
    ) -> _ext.Ticket:
        """Queue the next block."""

    @property
    def needed_from(self) -> int:
        """No segment that is still to come begins before this time, in ms."""


class Detector(LoadedModel, Protocol):
    """A model for voice activity."""

    def recording(self, options: Mapping[str, Any]) -> DetectedRecording:
        """A recording that will come in blocks."""

    def segments_of(self, recording: Any, result: Any) -> list[list[int]]:
        """The segments ``[start_ms, end_ms]`` that ended by then, by the result of a block."""


@runtime_checkable
class UsesGraphs(Protocol):
    """A model whose steps can be recorded as graphs on devices that have them."""

    def use_graphs(self) -> None:
        """Record steps as graphs, and replay them where that is faster."""

    def graph_counts(self) -> dict[str, int]:
        """What became of graphs: made, replayed, slower (given up), failed."""


@runtime_checkable
class RunsByItself(Protocol):
    """A model that does not run on the engine, and has workers of its own."""

    def close(self, *, drain: bool) -> None:
        """As of ``AutoModel.close``."""

    def stats(self) -> dict[str, Any]:
        """Counters in the engine's words."""

    def part_stats(self) -> dict[str, Any]:
        """As of a part of ``AutoModel.stats``."""


class NBest(dict[str, Any]):
    """FunASR's result dict of the best answer, and those of the others, best first.

    Whoever asked for several (``nbest``) is given all, one behind the other.
    """

    def __init__(self, best: Mapping[str, Any], others: Iterable[dict[str, Any]]) -> None:
        super().__init__(best)
        self.others = list(others)


def runner_of(model: LoadedModel) -> _ext.Runner | None:
    """What the engine runs a model's requests by, which families keep as ``_runner``."""
    found = getattr(model, "_runner", None)
    return found if isinstance(found, _ext.Runner) else None


class Exporter(Protocol):
    """Writes the programs of a model."""

    def __call__(
        self, model: ModelDir, out: Path, *, trust_remote_code: bool, precision: str
    ) -> Bundle:
        """Write the programs into ``out`` and describe them.

        Args:
            model: the FunASR model.
            out: an empty directory.
            trust_remote_code: whether the checkpoint may hold more than tensors.
            precision: one of the family's.

        Raises:
            ExportError: if a file is missing or does not fit.
            UnsupportedModelError: if the configuration asks for what the network does not have.
        """


@dataclass(frozen=True)
class Family:
    """How FunASR models of one kind are exported and loaded.

    Attributes:
        name: in bundles; that of the family's folder.
        model_classes: FunASR's model classes that it exports.
        export: writes the programs of a model.
        load: a bundle, a device and the arguments of ``_ext.BatchLimits`` to a loaded model.
        precisions: of :data:`safeasr.nets.precision.PRECISIONS`, those that its programs can have.
        options: options that change results of this family.
        files: keys or names, as of ``ModelDir.find``, of files that ``export`` reads beside the
            checkpoint, the vocabulary, CMVN and what configuration.json names. A bundle in the
            cache is made anew when one of them changes.
    """

    name: str
    model_classes: tuple[str, ...]
    export: Exporter
    load: Callable[[Bundle, str, Mapping[str, Any]], Recognizer | StepwiseRecognizer]
    precisions: tuple[str, ...] = ("float32",)
    options: Options = field(default_factory=Options)
    files: tuple[str, ...] = ()
