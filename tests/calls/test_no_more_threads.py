"""A system that starts no more threads: a typed error, and all is well once it does again."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

_BEGIN = """
import asyncio, contextlib, resource, sys, threading
import numpy as np
from safeasr import AutoModel, _ext
from safeasr.errors import OutOfMemoryError
threading.stack_size(64 << 20)  # more than the allocator has to spare

@contextlib.contextmanager
def no_room():
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (8 << 20), resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

def refused(what):
    for _ in range(50):  # now and then all is done so soon that nobody has to wait in a thread
        with no_room():
            try:
                what()
            except OutOfMemoryError as error:
                assert "threads" in str(error), error
                return
    raise AssertionError("it was not refused")

clip = np.zeros(16000, np.float32)
"""

_SCRIPTS = {
    "workers": """
refused(lambda: _ext.Engine(num_workers=64, queue_size=8))
_ext.Engine(num_workers=64, queue_size=8).close()
""",
    "recordings in segments": """
with AutoModel("demo", vad_model="demo-vad", num_workers=1, disable_pbar=True) as model:
    refused(lambda: model.generate(clip))
    assert model.generate(clip, key="k")[0]["key"] == "k"
""",
    "asyncio": """
with AutoModel("demo", num_workers=1, disable_pbar=True) as model:
    refused(lambda: asyncio.run(model.agenerate(clip)))
    assert asyncio.run(model.agenerate(clip, key="k"))[0]["key"] == "k"
""",
}


@pytest.mark.parametrize("who", _SCRIPTS)
def test_whoever_starts_threads(
    run_python: Callable[..., subprocess.CompletedProcess[str]], who: str
) -> None:
    done = run_python(_BEGIN + _SCRIPTS[who])
    assert done.returncode == 0, done.stderr
