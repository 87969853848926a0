"""What a guarded model has done, in the words of the engine's own stats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from safeasr.observability.histograms import histogram

__all__ = ["Counts", "with_guarded"]

#: The engine's buckets: entry i counts what took less than 2^i us.
_BUCKETS: Final = 32
#: What is simply added to the engine's counters.
_ADDED: Final = (
    "workers busy_workers waiting submitted completed failed cancelled expired rejected batches "
    "batched_requests queue_seconds run_seconds"
).split()
_OUTCOMES: Final = ("completed", "failed", "cancelled", "expired")


class _Times:
    """How long something took."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.buckets = [0] * _BUCKETS

    def add(self, seconds: float) -> None:
        self.seconds += seconds
        bits = int(max(0.0, seconds) * 1e6).bit_length()
        self.buckets[min(bits, _BUCKETS - 1)] += 1


class Counts:
    """Counts requests. Not locked: whoever uses it holds a lock."""

    def __init__(self) -> None:
        """Nothing has happened yet."""
        self.submitted = 0
        self.rejected = 0
        self.crashes = 0
        self.replaced = 0
        self.outcomes = dict.fromkeys(_OUTCOMES, 0)
        self.queue = _Times()
        self.run = _Times()

    def stats(self, *, workers: int, busy: int, waiting: int) -> dict[str, Any]:
        """The counters as of the engine, and of processes."""
        ran = sum(self.run.buckets)
        return {
            "workers": workers,
            "busy_workers": busy,
            "waiting": waiting,
            "submitted": self.submitted,
            "rejected": self.rejected,
            **self.outcomes,
            "batches": ran,
            "batched_requests": ran,
            "queue_seconds": self.queue.seconds,
            "run_seconds": self.run.seconds,
            "queue_time_us_log2": list(self.queue.buckets),
            "run_time_us_log2": list(self.run.buckets),
            "crashes": self.crashes,
            "replaced": self.replaced,
        }

    def part(self) -> dict[str, Any]:
        """As of a part of ``AutoModel.stats``."""
        queue = histogram(self.queue.seconds, self.queue.buckets)
        compute = histogram(self.run.seconds, self.run.buckets)
        return {
            "requests": queue["count"],
            "batches": compute["count"],
            "queue": queue,
            "compute": compute,
        }


def with_guarded(engine: Mapping[str, Any], guarded: Mapping[str, Any]) -> dict[str, Any]:
    """The engine's counters with those of a guarded model beside it added to them.

    Args:
        engine: its stats.
        guarded: as of :meth:`Counts.stats`, and what else is known of the model.
    """
    both = dict(engine)
    for name in _ADDED:
        both[name] = engine[name] + guarded[name]
    for name in ("queue_time_us_log2", "run_time_us_log2"):
        both[name] = [a + b for a, b in zip(engine[name], guarded[name], strict=True)]
    own = {name: guarded[name] for name in guarded if name not in engine}
    both["guarded"] = {**own, "workers": guarded["workers"]}
    return both
