"""Models of FunASR's registry that misbehave as their options say: remote code for FunASR.

Nothing of safeasr or of the tests is imported: the processes of guarded models run it, too.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from funasr.register import tables
from torch import nn

#: What a call did to the model shows in the next one's answer, if it is still there.
_grown: list[Any] = []


class OddError(Exception):
    """It cannot be made again from its arguments."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two} do not agree")


class UnsayableError(Exception):
    """Its text fails."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def _crash() -> None:
    os._exit(7)


def _segfault() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _odd() -> None:
    raise OddError(1, 2)


def _unsayable() -> None:
    raise UnsayableError


def _key_error() -> None:
    raise KeyError("no such token")


def _no_memory() -> None:
    raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")


def _exit() -> None:
    sys.exit("the model wants to leave")


def _interrupt() -> None:
    raise KeyboardInterrupt


def _sleep() -> None:
    time.sleep(10_000)


def _print() -> None:
    print("the model says something", flush=True)


def _start_another() -> None:
    subprocess.Popen(["sleep", "10000"])


ACTS: dict[str, Callable[[], None]] = {
    "crash": _crash,
    "segfault": _segfault,
    "odd": _odd,
    "unsayable": _unsayable,
    "key error": _key_error,
    "no memory": _no_memory,
    "exit": _exit,
    "interrupt": _interrupt,
    "sleep": _sleep,
    "print": _print,
    "start another": _start_another,
}
ANSWERS: dict[str, Any] = {
    "none": [None],
    "word": "a word",
    "number": [3],
    "empty": [],
    "several": [{"key": "a", "text": "one"}, {"key": "b", "text": "two"}],
    "tensor": [{"key": "a", "text": "t", "tensor": torch.arange(3.0)}],
    "function": [{"key": "a", "text": "f", "function": lambda: None}],
}


class _Toy(nn.Module):
    """Says what it got, and what it remembers of other calls."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.register_buffer("seen", torch.zeros(1))
        self.last: str | None = None
        self.words: list[str] = []
        self.nested: dict[str, dict[str, int]] = {"counts": {}}
        if kwargs.get("fails_to_load"):
            raise ValueError("this model cannot be made")
        if kwargs.get("dies_while_it_loads"):
            os._exit(9)

    def _said(self, data: Any, kwargs: dict[str, Any]) -> str:
        samples = np.asarray(data, dtype=np.float32).ravel() if not isinstance(data, str) else data
        heard = samples if isinstance(samples, str) else f"{len(samples)} {float(sum(samples)):.3f}"
        beam = kwargs.get("beam_size", 1)
        nested = kwargs.get("nested_conf", {}).get("depth", 0)
        memory = [self.last, self.words, self.nested["counts"], int(self.seen)]
        return f"{heard} beam={beam} depth={nested} memory={memory}"

    def _remember(self, kwargs: dict[str, Any]) -> None:
        self.last = str(kwargs.get("beam_size"))
        self.words.append("word")
        self.nested["counts"]["calls"] = self.nested["counts"].get("calls", 0) + 1
        self.seen += 1
        self.lazy = object()
        kwargs.setdefault("nested_conf", {})["depth"] = 99


@tables.register("model_classes", "GuardedToy")
class GuardedToy(_Toy):
    """Takes recordings."""

    def inference(
        self,
        data_in: Any,
        data_lengths: Any = None,
        key: Any = None,
        tokenizer: Any = None,
        frontend: Any = None,
        **kwargs: Any,
    ) -> Any:
        if hasattr(self, "lazy"):
            raise AssertionError("an attribute of another call is still there")
        said = self._said(data_in[0], kwargs)
        self._remember(kwargs)
        time.sleep(kwargs.get("seconds", 0.0))
        if kwargs.get("grow"):
            _grown.append(np.ones(int(kwargs["grow"]), np.uint8))
        if kwargs.get("act"):
            ACTS[kwargs["act"]]()
        if kwargs.get("answer"):
            return ANSWERS[kwargs["answer"]], {}
        found = {
            "key": key[0],
            "text": said,
            "pid": os.getpid(),
            "threads": torch.get_num_threads(),
            "device": str(kwargs.get("device")),
        }
        if kwargs.get("timestamps"):
            found["timestamp"] = [[0, 100]]
        return [found], {"batch_data_time": 1.0}


@tables.register("model_classes", "GuardedLiveToy")
class GuardedLiveToy(_Toy):
    """Takes recordings in pieces: counts samples, and remembers them in ``cache``."""

    def inference(
        self,
        data_in: Any,
        data_lengths: Any = None,
        key: Any = None,
        tokenizer: Any = None,
        frontend: Any = None,
        cache: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        cache = {} if cache is None else cache
        cache.setdefault("lengths", []).append(len(data_in[0]))
        if kwargs.get("act"):
            ACTS[kwargs["act"]]()
        final = bool(kwargs.get("is_final"))
        text = f"{sum(cache['lengths'])}{'.' if final else ','}"
        found = {"key": key[0], "text": text, "pid": os.getpid()}
        if final:
            cache.clear()
        return [found], {}
