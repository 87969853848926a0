"""What ``AutoModel.stats`` gives: the engine's counters, those of calls, and what both took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from safeasr.observability.histograms import histogram
from safeasr.observability.memory import resident_bytes
from safeasr.observability.observer import Observer

__all__ = ["model_stats"]

#: Stages that the engine times, and their names in its stats.
_ENGINE_STAGES: Final = {
    "queue": "queue",
    "compute": "run",
    "live_queue": "live_queue",
    "live_compute": "live_run",
}


def model_stats(
    engine: Mapping[str, Any],
    observer: Observer,
    *,
    parts: Mapping[str, Mapping[str, Any]],
    weights: Mapping[str, int],
    graphs: Mapping[str, int],
) -> dict[str, Any]:
    """The stats of a model, as ``AutoModel.stats`` says.

    Args:
        engine: its stats.
        observer: of the calls.
        parts: what the engine did for each of the models, by role.
        weights: size of each in bytes.
        graphs: what became of graphs.
    """
    stats: dict[str, Any] = {**engine, **observer.stats()}
    batches, cost = stats["batches"], stats["batch_cost"]
    stats["mean_batch_size"] = stats["batched_requests"] / batches if batches else 0.0
    stats["graphs"] = dict(graphs)
    stats["padding"] = 1 - stats["batch_length"] / cost if cost else 0.0
    for stage, name in _ENGINE_STAGES.items():
        stats["latency"][stage] = histogram(stats[f"{name}_seconds"], stats[f"{name}_time_us_log2"])
    sizes = dict(weights)  # a model may be loaded meanwhile
    stats["parts"] = {
        role: {**found, "weights_bytes": sizes.get(role)} for role, found in parts.items()
    }
    stats["memory"] = {
        "resident_bytes": resident_bytes(),
        "weights_bytes": sum(sizes.values()),
    }
    return stats
