"""One library with its models, in a process of its own."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

__all__ = ["Process"]

#: How often the memory is looked at, in s.
_LOOK_S = 0.02


def _resident_mb() -> float:
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


class _Peak:
    """The most memory that the process had within a ``with`` block."""

    def __enter__(self) -> _Peak:
        self.before = self.most = _resident_mb()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def _look(self) -> None:
        while not self._ended.wait(_LOOK_S):
            self.most = max(self.most, _resident_mb())

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def _load(library: str, models: dict[str, str], options: dict[str, Any]) -> Any:
    if library == "funasr":
        import logging

        from funasr import AutoModel

        logging.disable(logging.WARNING)
        return AutoModel(
            **models, device="cpu", disable_update=True, disable_pbar=True, log_level="ERROR",
            **options,
        )  # fmt: skip
    import safeasr

    return safeasr.AutoModel(**models, disable_pbar=True, **options)


def _generate(model: Any, path: str, options: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = model.generate(path, **options)[0]
    return result


def _first_sentence(model: Any, path: str, options: dict[str, Any]) -> dict[str, Any]:
    began = time.perf_counter()
    with model.generate_iter(path, **options) as sentences:
        next(sentences)
        return {"text": "", "first_s": time.perf_counter() - began}


def _serve(pipe: Connection, library: str, models: dict[str, str], options: dict[str, Any]) -> None:
    model = _load(library, models, options)
    pipe.send(None)
    while (asked := pipe.recv()) is not None:
        path, given, times, first_only = asked
        call: Callable[..., dict[str, Any]] = _first_sentence if first_only else _generate
        with _Peak() as peak, ThreadPoolExecutor(times) as pool:
            began, cpu = time.perf_counter(), time.process_time()
            calls = [pool.submit(call, model, path, given) for _ in range(times)]
            results = [one.result() for one in calls]
            wall = time.perf_counter() - began
            used = time.process_time() - cpu
        pipe.send(
            {
                "wall_s": wall,
                "cpu_s": used,
                "over_mb": peak.most - peak.before,
                "peak_mb": peak.most,
                "results": [
                    {
                        "text": one["text"],
                        "sentences": len(one.get("sentence_info", ())),
                        "first_s": one.get("first_s"),
                    }
                    for one in results
                ],
            }
        )


class Process:
    """Answers one question at a time."""

    def __init__(self, library: str, models: dict[str, str], options: dict[str, Any]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, library, models, options))
        self._process.start()
        self._pipe.recv()

    def ask(
        self,
        path: Path,
        options: dict[str, Any] | None = None,
        *,
        times: int = 1,
        first_only: bool = False,
    ) -> dict[str, Any]:
        """Have a recording recognised, ``times`` times at once."""
        self._pipe.send((str(path), options or {}, times, first_only))
        answer: dict[str, Any] = self._pipe.recv()
        return answer

    def close(self) -> None:
        """End the process."""
        self._pipe.send(None)
        self._process.join()
