"""A fork while other threads start threads: the child can start its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from support.programs import save

FORKS = """
import os, signal, sys, threading, time
from safeasr import _ext

busy = {
    "settings": lambda: _ext.set_intra_op_threads(1),
    "programs": lambda: _ext.Program.load(sys.argv[1]),
    "engines": lambda: _ext.Engine(num_workers=2, queue_size=8).close(),
}[sys.argv[2]]
ended = threading.Event()

def work():
    while not ended.is_set():
        busy()

threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
hung = 0
for _ in range(int(sys.argv[3])):
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        _ext.set_intra_op_threads(1)
        os._exit(0)
    hung += os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0
    time.sleep(0.001)
ended.set()
for thread in threads:
    thread.join()
print("hung", hung)
"""

Run = Callable[..., Any]


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


@pytest.mark.slow
def test_while_others_set_their_threads(run_python: Run, tmp_path: Path) -> None:
    path = save(Layer(), tmp_path / "layer.ts")
    done = run_python(FORKS, path, "settings", 100)
    assert done.returncode == 0 and "hung 0" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_while_others_load(run_python: Run, tmp_path: Path) -> None:
    path = save(Layer(), tmp_path / "layer.ts")
    done = run_python(FORKS, path, "programs", 150)
    assert done.returncode == 0 and "hung 0" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_while_others_start_engines(run_python: Run, tmp_path: Path) -> None:
    done = run_python(FORKS, "", "engines", 150)
    assert done.returncode == 0 and "hung 0" in done.stdout, done.stdout + done.stderr
