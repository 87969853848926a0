"""Where a batch's time goes: what it would take at least, what it takes, and the kernels."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.common.models import TOKENS_PER_FRAME, VOCABULARY
from benchmarks.cuda.context import Context
from benchmarks.cuda.floors import DTYPES, bandwidth, layer_rate
from benchmarks.cuda.seeded import FEATURES, described, model_dir
from benchmarks.cuda.throughput import Setup, load_items, measure
from safeasr.bench.local import measure_calls
from safeasr.bundles.model_dir import read_weights
from safeasr.families.paraformer.export import build_networks


def floors_of(small: bool, rows: float, longest: float, size: int) -> tuple[float, float]:
    """FLOP and bytes that a batch of Paraformer cannot do without.

    Args:
        small: which model.
        rows: of all utterances.
        longest: rows of one utterance, for attention.
        size: bytes of a number.

    Returns:
        FLOP of matrix products and attention; bytes of all weights once, and of what each linear
        layer reads and writes.
    """
    model = described("paraformer", small)
    weights = read_weights(model.checkpoint)
    encoder, decoder = build_networks(model.config, weights, FEATURES, len(VOCABULARY))
    tokens = rows * TOKENS_PER_FRAME
    flop = moved = 0.0
    for network, of in ((encoder, rows), (decoder, tokens)):
        for name, module in network.named_modules():
            if not isinstance(module, nn.Linear):
                continue
            # The decoder's keys and values are made of the encoder's rows.
            count = rows if name.endswith("linear_k_v") else of
            flop += 2 * count * module.in_features * module.out_features
            moved += size * count * (module.in_features + module.out_features)
        moved += size * sum(p.numel() for p in network.parameters())
    width = encoder.encoder.size
    layers = len(encoder.encoder.encoders) + 1
    flop += 4 * width * longest * (rows * layers + tokens * len(decoder.decoder.decoders))
    convolution = encoder.predictor.cif_conv1d
    flop += 2 * rows * convolution.weight.numel()
    return flop, moved


def kernels_of(events: Iterable[dict[str, Any]]) -> tuple[Counter[str], Counter[str], float, float]:
    """Microseconds and numbers of kernels and copies by name; share of time that any ran; its span.

    Args:
        events: of a trace in Chrome's format.
    """
    spent: Counter[str] = Counter()
    count: Counter[str] = Counter()
    spans = []
    for event in events:
        if event.get("cat") not in ("kernel", "gpu_memcpy", "gpu_memset"):
            continue
        name, began, took = event["name"], float(event["ts"]), float(event["dur"])
        spent[name] += took  # type: ignore[assignment]
        count[name] += 1
        spans.append((began, began + took))
    busy, end = 0.0, -1.0
    for began, ended in sorted(spans):
        busy += max(0.0, ended - max(began, end))
        end = max(end, ended)
    whole = max((e for _, e in spans), default=0.0) - min((b for b, _ in spans), default=0.0)
    return spent, count, busy / whole if whole else 0.0, whole


def table_of(spent: Counter[str], count: Counter[str]) -> str:
    """The kernels that took most, one a line."""
    total = sum(spent.values()) or 1.0
    lines = [f"{'ms':>10} {'share':>6} {'number':>8} {'us each':>8}  kernel"]
    for name, took in spent.most_common(60):
        each = took / count[name]
        lines.append(f"{took / 1e3:10.2f} {took / total:6.1%} {count[name]:8d} {each:8.1f}  {name}")
    return "\n".join(lines) + "\n"


def _kernels(context: Context, precision: str, items: list[Any]) -> None:
    """The kernels of one worker, written to a file."""
    directory = model_dir("paraformer", context.quick)
    with context.load(directory, precision, num_workers=1) as model:

        def call(audio: Any) -> str:
            return str(model.generate(audio)[0]["text"])

        measure_calls(call, items, 64, passes=1)
        before = model.stats()["batches"]
        activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
        with torch.profiler.profile(activities=activities) as profiler:
            measure_calls(call, items, 64, seconds=0.5)
            torch.cuda.synchronize(context.device)
        batches = max(model.stats()["batches"] - before, 1)
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    spent, count, busy, whole = kernels_of(events)
    (context.folder / "kernels.txt").write_text(table_of(spent, count), encoding="utf-8")
    top = ", ".join(
        f"{took / sum(spent.values()):.0%} {n[:60]}" for n, took in spent.most_common(5)
    )
    context.put("kernels", {n: [round(t), count[n]] for n, t in spent.most_common(60)})
    context.row(
        "one worker: share of time that any kernel ran",
        f"{busy:.0%}",
        f"{sum(count.values()) / batches:.0f} launches and copies a batch, in {whole / 1e3:.0f} ms",
    )
    context.row("kernels that took most", f"{len(count)} kinds", f"{top}; all in kernels.txt")


def run(context: Context) -> None:
    """Floors beside what was measured, with one worker and with the default number."""
    precision = context.fastest()
    items = load_items(context)
    seconds = 0.3 if context.quick else max(3.0, min(8.0, context.seconds / 8))
    directory = model_dir("paraformer", context.quick)
    longest = sum(one.seconds for one in items) / len(items) / 0.06
    threads = 4 if context.quick else 64
    window = 0.01 if context.quick else 0.1
    rate_of_memory = bandwidth(context, window)
    for options in ({"num_workers": 1}, {}):
        name = "one worker" if options else "default workers"
        row = measure(context, Setup(name, directory, precision, options, threads), items, seconds)
        rows, taken = row["rows_a_batch"] or 1.0, (row["batch_ms"] or 1.0) / 1e3
        dtype = DTYPES[row["precision"]]
        rate = layer_rate(context, max(1, round(rows)), dtype, window)
        flop, moved = floors_of(context.quick, rows, longest, dtype.itemsize)
        floors = {"products": flop / rate, "memory": moved / rate_of_memory}
        which = max(floors, key=lambda key: floors[key])
        # Workers share the device: what matters is the time from one batch's end to the next.
        apart = row["wall_s"] * (row["mean_batch"] or 1.0) / max(row["utterances"], 1)
        context.put(name, {**row, "flop": flop, "bytes": moved, "floors_s": floors, "s": apart})
        context.row(
            f"{name}: a batch of {rows:.0f} rows",
            f"every {apart * 1e3:.2f} ms, {taken * 1e3:.2f} ms each",
            f"floors: products {floors['products'] * 1e3:.2f} ms ({flop / 1e9:.3g} GFLOP at "
            f"{rate / 1e12:.3g} TFLOP/s), memory {floors['memory'] * 1e3:.2f} ms "
            f"({moved / 1e6:.3g} MB); {floors[which] / apart:.0%} of the {which} floor; "
            f"{row['rtfx']:.0f} s of audio a second",
        )
    if context.on_cuda:
        _kernels(context, precision, items)
