"""Models in processes of their own, called as if they were one: what people do today to be safe."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
from multiprocessing.connection import Connection
from typing import Any

from safeasr.bench.targets.base import Options, TargetError
from safeasr.bench.targets.libraries import load

__all__ = ["ProcessError", "ProcessModel"]


def _serve(pipe: Connection, library: str, options: Options) -> None:
    # What a library prints is not the report.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        model = load(library, options)
    except Exception as error:
        pipe.send((False, (type(error).__name__, str(error))))
        return
    pipe.send((True, None))
    with contextlib.suppress(EOFError, OSError):
        while True:
            arguments = pipe.recv()
            try:
                pipe.send((True, model.generate(**arguments)))
            except Exception as error:
                # In words: the error itself may not survive the way.
                pipe.send((False, (type(error).__name__, str(error))))


class ProcessError(RuntimeError):
    """An error of another process; `kind` is its type's name."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class ProcessModel:
    """Takes each call to a process that is free, or waits for one.

    Args:
        library: "safeasr" or "funasr".
        options: of the models.
        count: how many processes.

    Raises:
        TargetError: the model cannot be made there.
    """

    def __init__(self, library: str, options: Options, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._free: queue.SimpleQueue[Connection] = queue.SimpleQueue()
        self._pipes = []
        self._processes = []
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, library, options))
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)
        for pipe in self._pipes:
            try:
                fine, error = pipe.recv()
            except EOFError:
                fine, error = False, ("EOFError", "the process ended")
            if not fine:
                self.close()
                raise TargetError(f"a process could not load {options.model}: {error[1]}")
            self._free.put(pipe)

    def generate(self, **arguments: Any) -> Any:
        """`generate` of one of the models.

        Raises:
            ProcessError: what the model raised there; EOFError: its process died.
        """
        pipe = self._free.get()
        try:
            pipe.send(arguments)
            fine, found = pipe.recv()
        finally:
            self._free.put(pipe)
        if not fine:
            raise ProcessError(*found)
        return found

    def close(self) -> None:
        """End the processes."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(10)
            if process.is_alive():
                process.kill()
