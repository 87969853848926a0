"""How busy a GPU is, as its driver says."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Sequence
from types import TracebackType

import numpy as np

#: What is asked for, and under what name it is kept.
FIELDS = {
    "utilization.gpu": "busy_percent",
    "utilization.memory": "memory_busy_percent",
    "clocks.sm": "sm_mhz",
    "power.draw": "watts",
    "memory.used": "used_mib",
}


def query(fields: Sequence[str], index: int = 0) -> dict[str, str]:
    """Facts about a GPU in nvidia-smi's words; empty where there is no nvidia-smi."""
    if shutil.which("nvidia-smi") is None:
        return {}
    done = subprocess.run(
        ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader", f"-i={index}"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    values = [value.strip() for value in done.stdout.strip().split(",")]
    return dict(zip(fields, values, strict=True)) if len(values) == len(fields) else {}


class Usage:
    """Samples nvidia-smi while a block runs; a context manager.

    Attributes:
        mean: of each of :data:`FIELDS` the mean over the block; empty without nvidia-smi.
        samples: how many there were.
    """

    def __init__(self, index: int, every_ms: int = 100) -> None:
        self.mean: dict[str, float] = {}
        self.samples = 0
        self._command = [
            "nvidia-smi", f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits",
            f"-i={index}", f"-lms={every_ms}",
        ]  # fmt: skip
        self._process: subprocess.Popen[str] | None = None
        self._lines: list[str] = []
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Usage:
        if shutil.which("nvidia-smi") is not None:
            process = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            stream = process.stdout
            if stream is not None:
                self._reader = threading.Thread(target=lambda: self._lines.extend(stream))
                self._reader.start()
            self._process = process
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is None:
            return
        self._process.terminate()
        self._process.wait()
        if self._reader is not None:
            self._reader.join()
        self.mean, self.samples = means(self._lines)


def means(lines: Sequence[str]) -> tuple[dict[str, float], int]:
    """Means of the samples that are whole lines of numbers, and how many those are."""
    rows = []
    for line in lines:
        try:
            values = [float(value) for value in line.split(",")]
        except ValueError:
            continue
        if len(values) == len(FIELDS):
            rows.append(values)
    if not rows:
        return {}, 0
    found = np.mean(np.array(rows), axis=0)
    return {n: round(float(v), 1) for n, v in zip(FIELDS.values(), found, strict=True)}, len(rows)
