"""The arguments of a model: told apart, checked, and never shared or changed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from safeasr._extension import _ext
from safeasr.options.access import ANYTHING, Access, access
from safeasr.options.checker import AUTO_MODEL, checked, plain, without_none
from safeasr.options.checks import time_limit
from safeasr.options.cores import usable_cores
from safeasr.options.declared import Options
from safeasr.options.device import pick_device
from safeasr.options.kinds import require
from safeasr.options.names import (
    COMMON,
    CONFIG,
    CONFIG_KEYS,
    CONSTRUCTOR,
    CONSTRUCTOR_OPTIONS,
    HOTWORDS,
    OWN_OPTIONS,
)
from safeasr.printable import quoted
from safeasr.warn import warn

__all__ = [
    "ModelOptions",
    "call_defaults",
    "model_arguments",
    "model_options",
    "pick_precision",
    "plain_given",
]

#: Threads of one batch while nobody else has work: beyond, the pieces of one utterance get so small
#: that threads wait for each other more than they compute.
_MOST_IDLE_THREADS = 4
#: The environment's name for ``slow_request_s``.
_SLOW = "SAFEASR_SLOW_S"


@dataclass(frozen=True)
class ModelOptions:
    """Arguments of ``AutoModel``, sorted.

    Attributes:
        num_workers: threads that run batches, for each device.
        intra_op_threads: cores that one batch uses on the CPU.
        idle_threads: the same while other workers have nothing to do, at most.
        max_batch_size: utterances in a batch at most.
        max_batch_frames: limit of count x longest of a batch, in encoder frames (60 ms).
        max_wait_ms: how long an utterance may wait for company although a worker is free.
        queue_size: requests that may wait, for each device.
        timeout: seconds that a call may take; None: as long as it takes.
        slow_request_s: seconds after which a request counts as slow and is logged; None: never.
        device: torch's name of the device, or names of several of one kind: "cuda:0,cuda:1".
        precision: of the linear layers: "float32", "bfloat16", "int8" or "float16".
        cuda_graphs: steps of live streams are recorded and replayed.
        disable_pbar: no progress bar.
        access: which files and hosts inputs and options of calls may name.
        overrides: keys of config.yaml.
        call_defaults: options of ``generate`` that were given to the constructor, as FunASR allows.
    """

    num_workers: int
    intra_op_threads: int
    idle_threads: int
    max_batch_size: int
    max_batch_frames: int
    max_wait_ms: float
    queue_size: int
    timeout: float | None
    slow_request_s: float | None
    device: str
    precision: str
    cuda_graphs: bool
    disable_pbar: bool
    access: Access = ANYTHING
    overrides: Mapping[str, Any] = field(default_factory=dict)
    call_defaults: Mapping[str, Any] = field(default_factory=dict)


def pick_precision(given: Mapping[str, Any], device: str) -> str:
    """What ``bf16``, ``quantize`` and ``fp16`` ask for, as far as the device has it.

    ``quantize`` goes before ``bf16``: it is the smaller one, and what is not in 8 bits is bfloat16
    then anyway. ``fp16`` comes last: who asks for bfloat16 too can do without its range.
    """
    wanted = "int8" if given.get("quantize") else "bfloat16" if given.get("bf16") else "float32"
    if device != "cpu":
        if wanted == "int8":
            warn(f"quantize=True is not supported on {device}: running in float32")
            return "float32"
        return "float16" if wanted == "float32" and given.get("fp16") else wanted
    if given.get("fp16"):
        warn(f"fp16=True is not supported: running in {wanted}. On the CPU bf16=True is")
    if wanted != "float32" and not _ext.cpu_supports(wanted):
        name, needed = (
            ("quantize", "AVX-512 VNNI") if wanted == "int8" else ("bf16", "AVX-512 BF16")
        )
        warn(
            f"{name}=True: this processor has no instructions for {wanted} ({needed}): running in "
            "float32"
        )
        return "float32"
    return wanted


def _have_graphs(device: str) -> bool:
    """Whether graphs can be recorded there; says so if they cannot."""
    if _ext.graphs_supported(device.split(",")[0].strip()):
        return True
    hint = ": this safeasr was built without CUDA's headers" if device.startswith("cuda") else ""
    warn(f"cuda_graphs=True has no effect on {device}{hint}")
    return False


def _slow_limit() -> float | None:
    """The limit for slow requests that the environment names, if it does."""
    said = os.environ.get(_SLOW)
    if not said:
        return None
    try:
        limit = float(said)
    except ValueError:
        limit = -1.0
    if limit >= 0:
        return limit
    # Not an error: what is only watched must not keep a service from starting.
    warn(f"{_SLOW}={quoted(said)} has no effect: it is no number of seconds")
    return None


def model_arguments(**arguments: Any) -> dict[str, Any]:
    """The named arguments of ``AutoModel`` as plain Python; those that are None are left out.

    A switch that keeps strangers out is never None: nobody should have to guess what that allows.

    Raises:
        OptionError: for a value that an argument cannot have.
    """
    return {
        name: require(OWN_OPTIONS[name].kind, name, value)
        for name, value in arguments.items()
        if value is not None or name.startswith("allow_")
    }


def plain_given(given: Mapping[str, Any]) -> dict[str, Any]:
    """FunASR's other arguments of ``AutoModel``; those that belong to no family are checked.

    Raises:
        TypeError: for ``vda_model``, as in FunASR.
        OptionError: for a value that an argument cannot have.
    """
    if "vda_model" in given:
        raise TypeError("`vda_model` is not an argument of AutoModel; did you mean `vad_model`?")
    known = CONSTRUCTOR_OPTIONS | CONFIG | COMMON | HOTWORDS
    return {**given, **plain(given, AUTO_MODEL, known)}


def model_options(
    given: Mapping[str, Any],
    *,
    num_workers: int | None = None,
    intra_op_threads: int | None = None,
    max_batch_size: int | None = None,
    max_batch_frames: int | None = None,
    max_wait_ms: float = 0.0,
    queue_size: int | None = None,
    timeout: float | None = None,
    slow_request_s: float | None = None,
    device: str | None = None,
    cuda_graphs: bool = False,
    allow_urls: Any = True,
    allow_paths: bool = True,
) -> ModelOptions:
    """Sort the arguments of ``AutoModel``; options of calls come later, with the model.

    Args:
        given: as of :func:`plain_given`.
        num_workers: this and what follows: as of :func:`model_arguments`.
        intra_op_threads: as of ``AutoModel``.
        max_batch_size: as of ``AutoModel``.
        max_batch_frames: as of ``AutoModel``.
        max_wait_ms: as of ``AutoModel``.
        queue_size: as of ``AutoModel``.
        timeout: as of ``AutoModel``.
        slow_request_s: as of ``AutoModel``.
        device: as of ``AutoModel``.
        cuda_graphs: as of ``AutoModel``.
        allow_urls: as of ``AutoModel``.
        allow_paths: as of ``AutoModel``.
    """
    ngpu = given.get("ngpu")
    chosen = pick_device(device, 1 if ngpu is None else ngpu)
    threads = 1 if intra_op_threads is None else intra_op_threads
    cores = usable_cores()
    cores = min(cores, given.get("ncpu") or cores)
    workers = num_workers
    if workers is None:
        # One thread a worker: batches of different callers in parallel use cores better than
        # operators split over threads. An accelerator needs a few, to overlap copies and launches.
        workers = max(1, cores // threads) if chosen == "cpu" else min(4, cores)
    if max_batch_size is None:
        max_batch_size = 16 if chosen == "cpu" else 128
    if queue_size is None:
        # Enough for every live stream of a device to bring a chunk at the same moment.
        queue_size = 1024 if chosen == "cpu" else 8192
    if max_batch_frames is None:
        # Enough rows to keep the CPU's matrix units busy while activations stay in cache; beyond
        # that a larger batch only adds latency.
        max_batch_frames = 320 if chosen == "cpu" else 40_000
    return ModelOptions(
        num_workers=workers,
        intra_op_threads=threads,
        idle_threads=threads if intra_op_threads is not None else min(cores, _MOST_IDLE_THREADS),
        max_batch_size=max_batch_size,
        max_batch_frames=max_batch_frames,
        max_wait_ms=max_wait_ms,
        queue_size=queue_size,
        timeout=time_limit(timeout),
        slow_request_s=_slow_limit() if slow_request_s is None else float(slow_request_s),
        device=chosen,
        precision=pick_precision(given, chosen),
        cuda_graphs=cuda_graphs and _have_graphs(chosen),
        disable_pbar=bool(given.get("disable_pbar", False)),
        access=access(allow_urls, allow_paths),
        overrides={k: v for k, v in given.items() if k in CONFIG_KEYS},
    )


def call_defaults(given: Mapping[str, Any], known: Options) -> dict[str, Any]:
    """Options of calls among the arguments of ``AutoModel``, checked.

    Args:
        given: the arguments.
        known: options of the model and of those beside it.

    Raises:
        ValueError: for a value that an option cannot have.
    """
    taken = checked(given, AUTO_MODEL, known)
    calls = (COMMON | HOTWORDS | known) - CONSTRUCTOR
    return without_none(calls.own(taken))
