"""The libraries behind one interface: load, texts of a list of utterances, close.

Nothing heavy is imported before it is used: what a process imports is in its memory figures.
"""

from __future__ import annotations

import contextlib
import io
import logging
import multiprocessing
import queue
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from benchmarks.peers.setups import Setup


@dataclass(frozen=True)
class Files:
    """Where the model is.

    Attributes:
        family: "paraformer" or "sense-voice".
        directory: FunASR's model directory.
        exported: directory with model.onnx, model_quant.onnx, OpenVINO's int8 networks and what
            goes with them.
    """

    family: str
    directory: Path
    exported: Path


class Adapter(Protocol):
    """A loaded library. Any thread may call ``transcribe``, several at the same time."""

    notes: list[str]

    def transcribe(self, audio: Sequence[Any]) -> list[str]:
        """The texts of some utterances: float32 arrays in [-1, 1] at 16 kHz."""

    def stats(self) -> dict[str, Any]:
        """Counters ``batches`` and ``batched_requests``, if the library batches by itself."""

    def close(self) -> None:
        """Give everything back."""


class UnavailableError(Exception):
    """A system cannot run here; the message says why."""


#: Options of ``generate`` for a family.
CALL_OPTIONS: dict[str, dict[str, Any]] = {
    "paraformer": {},
    "sense-voice": {"language": "auto", "use_itn": False},
}


#: safeasr's arguments for a precision.
PRECISION_OPTIONS: dict[str, dict[str, Any]] = {
    "float32": {},
    "bf16": {"bf16": True},
    "int8": {"quantize": True},
}


class SafeAsr:
    """safeasr with its defaults, apart from the precision."""

    def __init__(self, files: Files, setup: Setup) -> None:
        from safeasr import AutoModel

        options = dict(PRECISION_OPTIONS[setup.precision])
        if setup.threads > 1:
            options["intra_op_threads"] = setup.threads
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self._model = AutoModel(
                model=str(files.directory), device="cpu", disable_pbar=True, **options
            )
        self.notes = [str(one.message) for one in caught]
        self._options = CALL_OPTIONS[files.family]
        if fallback := [note for note in self.notes if "running in float32" in note]:
            # A second float32 under another name would only mislead.
            self._model.close()
            raise UnavailableError(fallback[0])

    def transcribe(self, audio: Sequence[Any]) -> list[str]:
        source = audio[0] if len(audio) == 1 else list(audio)
        return [str(one["text"]) for one in self._model.generate(source, **self._options)]

    def stats(self) -> dict[str, Any]:
        return self._model.stats()

    def close(self) -> None:
        self._model.close()


class FunAsr:
    """FunASR's own AutoModel, without dither, progress bars and update checks."""

    def __init__(self, files: Files, setup: Setup) -> None:
        logging.disable(logging.WARNING)
        self.notes: list[str] = []
        self._options = CALL_OPTIONS[files.family]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            from funasr import AutoModel

            self._model = AutoModel(
                model=str(files.directory),
                device="cpu",
                ncpu=setup.threads,
                disable_update=True,
                disable_pbar=True,
                log_level="ERROR",
            )

    def transcribe(self, audio: Sequence[Any]) -> list[str]:
        results = self._model.generate(
            audio[0] if len(audio) == 1 else list(audio),
            batch_size=len(audio),
            disable_pbar=True,
            **self._options,
        )
        return [str(one["text"]) for one in results]

    def stats(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        del self._model


def _child(pipe: Connection, files: Files, setup: Setup) -> None:
    try:
        adapter = FunAsr(files, setup)
        pipe.send(None)
        while (audio := pipe.recv()) is not None:
            try:
                pipe.send((adapter.transcribe(audio), ""))
            except Exception as error:
                pipe.send(([], f"{type(error).__name__}: {error}"))
    except (EOFError, KeyboardInterrupt):
        pass  # the worker is gone


class FunAsrProcesses:
    """FunASR in several processes, a model in each: what one does when threads do not scale."""

    def __init__(self, files: Files, setup: Setup) -> None:
        self.notes: list[str] = []
        context = multiprocessing.get_context("spawn")
        self._free: queue.Queue[Connection] = queue.Queue()
        self._children = []
        for _ in range(setup.processes):
            pipe, theirs = context.Pipe()
            child = context.Process(target=_child, args=(theirs, files, setup), daemon=True)
            child.start()
            theirs.close()
            self._children.append((child, pipe))
        for _, pipe in self._children:
            pipe.recv()
            self._free.put(pipe)

    def transcribe(self, audio: Sequence[Any]) -> list[str]:
        pipe = self._free.get()
        try:
            pipe.send(list(audio))
            texts, error = pipe.recv()
        finally:
            self._free.put(pipe)
        if error:
            raise RuntimeError(error)
        return list(texts)

    def stats(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        for child, pipe in self._children:
            with contextlib.suppress(OSError):
                pipe.send(None)
            child.join(10)
            if child.is_alive():
                child.kill()


def load(files: Files, setup: Setup) -> Adapter:
    """Load a library; raises UnavailableError where it is not installed."""
    from benchmarks.peers import adapters_onnx as onnx
    from benchmarks.peers.adapters_openvino import OpenVino

    makers: dict[str, Callable[[Files, Setup], Adapter]] = {
        "safeasr": SafeAsr,
        "funasr": FunAsrProcesses if setup.processes else FunAsr,
        "funasr_onnx": onnx.FunAsrOnnx,
        "onnxruntime": onnx.OnnxRuntime,
        "sherpa_onnx": onnx.SherpaOnnx,
        "openvino": OpenVino,
    }
    try:
        return makers[setup.library](files, setup)
    except ImportError as error:
        raise UnavailableError(f"{error} (pip install '.[peers]')") from error
