"""The machine: what it is, and what it could do at most at these models' sizes."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import torch

from benchmarks.common.facts import machine_facts
from benchmarks.cuda.context import Context
from benchmarks.cuda.usage import query

#: Matrix products of an encoder layer, (inner, outer): queries keys values, output, feed-forward.
LAYER = ((512, 1536), (512, 512), (512, 2048), (2048, 512))
#: Rows of a batch: a step of some streams, one utterance, 8, 32 and 128 utterances of 10 s.
ROWS = (64, 168, 1344, 5376, 21504)
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
SMI = (
    "name", "driver_version", "clocks.max.sm", "clocks.max.memory", "power.limit", "memory.total",
    "pcie.link.gen.max", "pcie.link.width.max", "mig.mode.current", "compute_mode",
)  # fmt: skip


def synchronise(context: Context) -> None:
    """Wait for everything on the device."""
    if context.on_cuda:
        torch.cuda.synchronize(context.device)


def seconds_each(context: Context, work: Callable[[], object], window_s: float) -> float:
    """Seconds of one call, queued one behind the other; the best of three windows."""
    work()
    synchronise(context)
    began = time.perf_counter()
    work()
    synchronise(context)
    count = max(1, int(window_s / max(time.perf_counter() - began, 1e-6)))
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        for _ in range(count):
            work()
        synchronise(context)
        best = min(best, (time.perf_counter() - began) / count)
    return best


def layer_rate(context: Context, rows: int, dtype: torch.dtype, window_s: float) -> float:
    """FLOP/s over the products of one encoder layer."""
    spent = 0.0
    for inner, outer in LAYER:
        x = torch.randn(rows, inner, device=context.device).to(dtype)
        weight = torch.randn(outer, inner, device=context.device).to(dtype)
        bias = torch.zeros(outer, device=context.device, dtype=dtype)
        work = partial(torch.nn.functional.linear, x, weight, bias)
        spent += seconds_each(context, work, window_s)
    return sum(2 * rows * inner * outer for inner, outer in LAYER) / spent


def bandwidth(context: Context, window_s: float) -> float:
    """Bytes a second that a copy on the device reads and writes."""
    size = (16 if context.quick else 1024) << 20
    a = torch.zeros(size // 4, device=context.device)
    b = torch.empty_like(a)
    return 2 * size / seconds_each(context, partial(b.copy_, a), window_s)


def _transfers(context: Context, window_s: float) -> None:
    size = 256 << 20
    host = torch.zeros(size // 4, pin_memory=True)
    here = torch.empty(size // 4, device=context.device)
    up = size / seconds_each(context, partial(here.copy_, host, non_blocking=True), window_s)
    down = size / seconds_each(context, partial(host.copy_, here, non_blocking=True), window_s)
    context.row("host to device, back", f"{up / 1e9:.1f}, {down / 1e9:.1f} GB/s", "pinned")


def _launches(context: Context) -> None:
    x, count = torch.zeros(1, device=context.device), 200 if context.quick else 5000
    x.add_(1)
    synchronise(context)
    began = time.perf_counter()
    for _ in range(count):
        x.add_(1)
    queued = (time.perf_counter() - began) / count
    synchronise(context)
    done = (time.perf_counter() - began) / count
    began = time.perf_counter()
    for _ in range(count // 10):
        x.add_(1)
        synchronise(context)
    alone = (time.perf_counter() - began) / (count // 10)
    context.put("launch_s", done)
    context.row(
        "a launch",
        f"{queued * 1e6:.1f} us to queue, {done * 1e6:.1f} us each in a row",
        f"{alone * 1e6:.1f} us with a wait behind it, from Python",
    )


@torch.inference_mode()
def run(context: Context) -> None:
    """Facts and floors."""
    facts = machine_facts()
    context.put("machine", facts)
    context.row("host", f"{facts['cores']} cores, {facts['cpu']}", f"Python {facts['python']}")
    context.row("torch", facts["torch"], f"CUDA {torch.version.cuda}, FunASR {facts['funasr']}")
    if context.on_cuda:
        smi = query(SMI, context.index)
        context.put("smi", smi)
        properties = torch.cuda.get_device_properties(context.device)
        context.put("properties", str(properties))
        context.row(
            "device",
            f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, "
            f"{properties.multi_processor_count} SMs, sm_{properties.major}{properties.minor}",
            ", ".join(f"{k} {v}" for k, v in smi.items() if k != "name"),
        )
    else:
        context.row("device", context.device, "no CUDA: this run shows that the steps work")
    window_s = 0.01 if context.quick else 0.1
    rates: dict[str, dict[int, float]] = {}
    for name, dtype in DTYPES.items():
        if name == "float16" and not context.on_cuda:
            continue  # not a type to compute in there
        rates[name] = {}
        for rows in ROWS[:2] if context.quick else ROWS:
            rates[name][rows] = layer_rate(context, rows, dtype, window_s)
            context.put("gemm", rates)
        best = max(rates[name].values())
        listed = ", ".join(f"{rate / 1e12:.3g} ({rows})" for rows, rate in rates[name].items())
        context.row(f"matrix products, {name}", f"{best / 1e12:.3g} TFLOP/s", f"by rows: {listed}")
    rate = bandwidth(context, window_s)
    context.put("bandwidth", rate)
    context.row("memory bandwidth, copy", f"{rate / 1e9:.3g} GB/s", "read and written")
    if context.on_cuda:
        _transfers(context, window_s)
    _launches(context)
