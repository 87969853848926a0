"""The fake accelerator of tests/fake_device, as tests use it.

Loading it changes what torch takes for the machine's accelerator, for the rest of the process:
tests that use it run in a process of their own (`support.device_process`).
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import types
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

from support.paths import ROOT

BUILD = ROOT / "build-fake"
LIBRARY = BUILD / "tests" / "fake_device" / "fakegpu.so"

NAME = "fakegpu"
DEVICE_COUNT = 2
HERE = "fakegpu:0"
THERE = "fakegpu:1"


def build() -> Path:
    """Brings the library up to date and returns its path; RuntimeError with what CMake said."""
    scripts = sysconfig.get_path("scripts")
    environment = {**os.environ, "PATH": os.pathsep.join([scripts, os.environ.get("PATH", "")])}
    configure = [
        "cmake", "-S", ROOT, "-B", BUILD, "-DSAFEASR_BUILD_EXTENSION=OFF",
        "-DSAFEASR_BUILD_FAKE_DEVICE=ON", f"-DPython_EXECUTABLE={sys.executable}",
    ]  # fmt: skip
    for command in (configure, ["cmake", "--build", BUILD, "--target", NAME]):
        done = subprocess.run(
            list(map(str, command)),
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"the fake device does not build:\n{done.stdout}\n{done.stderr}")
    return LIBRARY


def load(library: Path) -> None:
    """Makes devices "fakegpu:0" and "fakegpu:1" known to torch, as an installed backend would."""
    torch.ops.load_library(str(library))
    module = types.ModuleType(f"torch.{NAME}")
    module.is_available = lambda: True  # type: ignore[attr-defined]
    module.device_count = lambda: DEVICE_COUNT  # type: ignore[attr-defined]
    module.is_initialized = lambda: True  # type: ignore[attr-defined]
    # torch 2.11 waits for no device that it has not initialised, and does not without this.
    module._lazy_init = lambda: None  # type: ignore[attr-defined]
    module._is_in_bad_fork = lambda: False  # type: ignore[attr-defined]
    module.manual_seed_all = lambda seed: None  # type: ignore[attr-defined]
    module.current_device = lambda: torch.accelerator.current_device_index()  # type: ignore[attr-defined]
    torch._register_device_module(NAME, module)


T = TypeVar("T")


def on_stream(work: Callable[[], T], stream: torch.Stream) -> T:
    """What `work` returns, run with `stream` as the current one of its device."""
    before = torch.accelerator.current_stream(stream.device)
    torch.accelerator.set_stream(stream)
    try:
        return work()
    finally:
        torch.accelerator.set_stream(before)


def counters(device: int = 0) -> dict[str, int]:
    """What happened on a device since `reset`; what never happened is missing.

    live_bytes, peak_bytes, allocations (rounded up to powers of two); kernels;
    {h2d,d2h}_{pinned,pageable}_{non_blocking,blocking}, h2d_bytes, d2h_bytes, copies_on_device,
    copies_between_devices, scalars_read; device_synchronisations, stream_synchronisations,
    stream_synchronisations_of_copies, event_synchronisations, implicit_synchronisations (sizes
    that depend on values), allocator_synchronisations; events_recorded, event_waits,
    recorded_streams, pinned_allocations, out_of_memory, cache_emptied.
    """
    return dict(torch.ops.fakegpu.counters(device))


def kernels(device: int = 0) -> list[int]:
    """Kernels of each stream; the first is the default stream."""
    return list(torch.ops.fakegpu.kernels(device))


def races() -> list[str]:
    """What ran on two streams without a wait between them, in words; the first hundred."""
    return list(torch.ops.fakegpu.races())


def take_races() -> list[str]:
    """The reports, which are gone then: for tests that cause them."""
    reports = races()
    torch.ops.fakegpu.forget_races()
    return reports


def reset() -> None:
    """Counters and reports from nothing; no limit of memory, no failures to come."""
    torch.ops.fakegpu.reset()


def set_limit(limit: int | None, device: int = 0) -> None:
    """Bytes that may be in use at a time; None: as many as there are."""
    torch.ops.fakegpu.set_limit(device, -1 if limit is None else limit)


def break_devices(*devices: int) -> None:
    """Whatever is asked of these, and of no others, fails from now on, as after an illegal access
    on CUDA."""
    torch.ops.fakegpu.break_devices(sum(1 << device for device in devices))


def break_after(calls: int) -> None:
    """The next `calls` calls are answered; the device of the one after them is broken then."""
    torch.ops.fakegpu.break_after(calls)


def calls_left() -> int:
    """How many of those calls are left; -1 after the break and where none was ordered."""
    return int(torch.ops.fakegpu.calls_left())


def slow_replays(milliseconds: int) -> None:
    """Replays of graphs take so much longer from now on."""
    torch.ops.fakegpu.slow_replays(milliseconds)


def fail_allocations(after: int, times: int = 1, device: int = 0) -> None:
    """After so many allocations from now, so many fail."""
    torch.ops.fakegpu.fail_allocations(device, after, times)
