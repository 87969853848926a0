"""FunASR's own AutoModel, made and called so that no call sees another."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import inspect
import logging
import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from safeasr.errors import InferenceError, UnsupportedModelError
from safeasr.guarded.messages import Described, Request
from safeasr.guarded.restoring import Keeper
from safeasr.guarded.tasks import accepted, task_of, wants_tensors
from safeasr.inputs.arrays import DEFAULT_SAMPLE_RATE
from safeasr.loading.hub import have_funasr
from safeasr.options.kinds import shown

__all__ = ["MISSING", "OwnModel", "registered"]

#: What is said where FunASR is missing.
MISSING: Final = "FunASR's own code would run it: pip install 'safeasr[funasr]'"
_AUTO_MODEL: Final = "funasr.auto.auto_model"
#: The name of every input: answers get their own names later.
_KEY: Final = "utterance"


def _funasr_class() -> Any:
    """FunASR's AutoModel, also where ``install_as_funasr`` put safeasr's in its place.

    Raises:
        UnsupportedModelError: if FunASR is missing, or cannot be imported.
    """
    if not have_funasr():
        raise UnsupportedModelError(MISSING)
    try:
        package = importlib.import_module("funasr")
        if not hasattr(package, "import_submodules") and package.__spec__ is not None:
            # Its own __init__ was left out so far; it registers all classes.
            assert package.__spec__.loader is not None
            vars(package).setdefault("__file__", package.__spec__.origin)
            package.__spec__.loader.exec_module(package)
        module = importlib.import_module(_AUTO_MODEL)
        found: Any = module.AutoModel
        if found.__module__.partition(".")[0] == "safeasr":
            spec = importlib.util.find_spec(_AUTO_MODEL)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            found = module.AutoModel
    except ImportError as error:
        raise UnsupportedModelError(f"funasr cannot be imported: {error}. {MISSING}") from error
    return found


def registered(model_class: str) -> bool | None:
    """Whether FunASR's registry has a class; None if nobody has asked FunASR for one by now."""
    tables = getattr(sys.modules.get("funasr.register"), "tables", None)
    return None if tables is None else model_class in tables.model_classes


@contextmanager
def _undisturbed() -> Iterator[None]:
    """FunASR seeds all generators and sets up logging, imported or asked; both are put back."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        root.setLevel(level)
        for one in [one for one in root.handlers if one not in handlers]:
            root.removeHandler(one)


@contextmanager
def _without_update_check() -> Iterator[None]:
    """FunASR looks for a newer one of itself and prints what it is; it can do without."""
    name = "funasr.utils.version_checker"
    before = sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment]  # whoever imports it gets an ImportError
    try:
        yield
    finally:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before


class OwnModel:
    """A model of FunASR's, called by one thread, one input at a time."""

    def __init__(self, kwargs: Mapping[str, Any]) -> None:
        """Make it.

        Args:
            kwargs: of FunASR's AutoModel.

        Raises:
            UnsupportedModelError: if FunASR is missing.
            BaseException: whatever FunASR raises.
        """
        with _undisturbed():
            made_by = _funasr_class()
        with _undisturbed(), _without_update_check():
            self._auto = made_by(**copy.deepcopy(dict(kwargs)))
        self._class = _name_of(self._auto.model)
        self._tensors = wants_tensors(self._class)
        self._caches: dict[int, dict[str, Any]] = {}
        self._keeper = Keeper(self._auto)

    def described(self) -> Described:
        """What it is."""
        path = self._auto.model_path
        task = task_of(self._class, Path(path) if isinstance(path, str) else None)
        model = self._auto.model
        parameters = model.parameters() if isinstance(model, torch.nn.Module) else ()
        return Described(
            model_class=self._class,
            task=task,
            accepts=accepted(task),
            streams="cache" in inspect.signature(model.inference).parameters,
            sample_rate=self._sample_rate(),
            weights_bytes=sum(one.numel() * one.element_size() for one in parameters),
        )

    def _sample_rate(self) -> int:
        own = self._auto.kwargs
        section = own.get("frontend_conf")
        rate = section.get("fs") if isinstance(section, Mapping) else None
        rate = getattr(own.get("frontend"), "fs", None) if rate is None else rate
        return int(rate) if isinstance(rate, int) and rate > 0 else DEFAULT_SAMPLE_RATE

    def call(self, request: Request) -> dict[str, Any]:
        """FunASR's result for one input.

        Raises:
            InferenceError: if the answer is none.
            BaseException: whatever the model raises. The state is as before, that of a stream too.
        """
        given = dict(request.options)
        before: dict[str, Any] | None = None
        if request.stream is not None:
            cache = self._caches.setdefault(request.stream, {})
            before = copy.deepcopy(cache)
            given["cache"] = cache
        try:
            answer = self._auto.generate(**self._input(request), **given, disable_pbar=True)
            return _result_of(answer, self._class)
        except BaseException:
            if before is not None and request.stream is not None:
                self._caches[request.stream] = before
            raise
        finally:
            self._keeper.restore()

    def _input(self, request: Request) -> dict[str, Any]:
        data: Any = request.data
        if request.kind == "fbank":
            features = torch.from_numpy(np.ascontiguousarray(data))[None]
            length = torch.tensor([features.shape[1]], dtype=torch.int32)
            return {"input": [features], "input_len": length, "data_type": "fbank", "key": _KEY}
        if request.kind == "text":
            return {"input": [data], "key": _KEY}
        rate = self._sample_rate()
        # Not where it says nothing new: some models fail when they are told.
        named = {"key": _KEY} if rate == DEFAULT_SAMPLE_RATE else {"key": _KEY, "fs": rate}
        if request.kind == "pair":
            samples, text = data
            return {"input": ([samples], [text]), "data_type": ("sound", "text"), **named}
        sound: Any = torch.from_numpy(data) if self._tensors else data
        return {"input": [sound], **named}

    def forget(self, stream: int) -> None:
        """Drop the state of a live stream."""
        self._caches.pop(stream, None)


def _name_of(model: object) -> str:
    """FunASR's name of a model's class."""
    tables = getattr(sys.modules.get("funasr.register"), "tables", None)
    for name, one in getattr(tables, "model_classes", {}).items():
        if one is type(model):
            return str(name)
    return type(model).__name__


def _result_of(answer: Any, model_class: str) -> dict[str, Any]:
    """The one result of one input.

    FunASR's own answer for a recording in which nothing was found may be an empty list. Where there
    are several (``nbest``), the first is the result and has them all.
    """
    if isinstance(answer, (list, tuple)) and all(isinstance(one, Mapping) for one in answer):
        if not answer:
            return {"text": ""}
        first = {str(name): value for name, value in answer[0].items() if name != "key"}
        if len(answer) > 1:
            first["nbest"] = [dict(one) for one in answer]
        return first
    raise InferenceError(
        f"FunASR's {model_class} answered with no list of dicts, but with {shown(answer)}"
    )
