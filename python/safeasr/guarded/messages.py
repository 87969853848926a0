"""What is said between a guarded model and whoever calls it, in this process or another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from safeasr.families.base import Accepts, Task

__all__ = ["Answer", "Described", "Forget", "Request", "SetUp"]


@dataclass(frozen=True)
class SetUp:
    """What a model is made from.

    Attributes:
        kwargs: of FunASR's ``AutoModel``.
        sys_path: where modules are found.
    """

    kwargs: Mapping[str, Any]
    sys_path: tuple[str, ...] = ()


@dataclass(frozen=True)
class Described:
    """A model that is ready.

    Attributes:
        model_class: FunASR's name of it.
        task: what it is for.
        accepts: what it takes.
        streams: whether its ``inference`` has a ``cache``, so that it takes recordings in pieces.
        sample_rate: in Hz, of the samples that it takes.
        weights_bytes: size of its parameters.
    """

    model_class: str
    task: Task
    accepts: tuple[Accepts, ...]
    streams: bool
    sample_rate: int
    weights_bytes: int


@dataclass(frozen=True)
class Request:
    """One input for a model.

    Attributes:
        data: samples (n,) float32, features (frames, size) float32, a text, or samples and a text.
        kind: "sound", "fbank", "text" or "pair".
        options: of FunASR's ``generate``.
        stream: the number of the live stream that the samples belong to, if they do.
    """

    data: Any
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    stream: int | None = None


@dataclass(frozen=True)
class Forget:
    """A live stream whose state nobody needs any more."""

    stream: int


@dataclass(frozen=True)
class Answer:
    """What became of a request.

    Attributes:
        result: FunASR's result dict; None if it failed.
        failed: what it failed with, as :func:`safeasr.guarded.failures.packed` has it.
    """

    result: Any = None
    failed: Any = None
