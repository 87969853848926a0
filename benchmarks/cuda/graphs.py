"""Steps of live streams as graphs: the same texts, and what a step then costs."""

from __future__ import annotations

from typing import Any

from benchmarks.cuda.context import Context, NotHereError
from benchmarks.cuda.equality import ask_streams, compare
from benchmarks.cuda.live import measure
from benchmarks.cuda.seeded import model_dir
from safeasr import AutoModel, _ext
from safeasr.bench.audio.manifest import embedded_clips

#: Sessions: from one step at a time to batches that fill the device.
COUNTS = (1, 16, 128, 1024)
THREADS = 64


def _texts(context: Context) -> None:
    """With every graph kept, the texts of the launches."""
    items = embedded_clips()
    with AutoModel("demo-streaming", device="cpu", disable_pbar=True, num_workers=2) as model:
        expected = ask_streams(model, items, 2)
    _ext.keep_slower_graphs(True)
    try:
        with context.load("demo-streaming", cuda_graphs=True) as model:
            for _ in range(3):
                found = ask_streams(model, items, THREADS)
            counts = model.stats()["graphs"]
    finally:
        _ext.keep_slower_graphs(False)
    tokens = compare(found, expected)["equal_tokens"]
    context.check(
        "texts of replayed steps",
        tokens == 1.0 and counts["replayed"] > 0 and counts["failed"] == 0,
        f"{100 * tokens:.2f} % of tokens as on the CPU; {_said(counts)}",
    )


def _said(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def run(context: Context) -> None:
    """Texts first; then sessions with graphs and without, in turn."""
    if not _ext.graphs_supported(context.device) and not context.quick:
        raise NotHereError(f"this build records no graphs on {context.device}")
    if _ext.graphs_supported(context.device):
        _texts(context)
    counts, seconds = ((2,), 3.0) if context.quick else (COUNTS, 4.8)
    precision = context.fastest()
    directory = model_dir("paraformer-streaming", context.quick)
    found: list[dict[str, Any]] = []
    with (
        context.load(directory, precision) as plain,
        context.load(directory, precision, cuda_graphs=True) as recorded,
    ):
        for count in counts:
            for name, model in (("launches", plain), ("graphs", recorded)):
                if context.left() < 2 * seconds + 3:
                    context.row(f"{count} sessions, {name}", "not run", "no time was left")
                    return
                measure(context, model, count, seconds)  # what is made once is made
                row = {"way": name, **measure(context, model, count, seconds)}
                found.append(row)
                context.put("sessions", found)
                graphs = f"; {_said(model.stats()['graphs'])}" if name == "graphs" else ""
                context.row(
                    f"{count} sessions, {name}",
                    f"p50 {row['p50_ms']:.1f}, p99 {row['p99_ms']:.1f} ms",
                    f"batches of {row['mean_batch']} in {row['batch_ms']} ms, host "
                    f"{row['host_cores']} cores{graphs}",
                )
