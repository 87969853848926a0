"""Who watches the calls of a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from safeasr.observability.histograms import histogram
from safeasr.observability.stream_watches import StreamWatch
from safeasr.observability.watches import CallWatch, Watched

__all__ = ["REFUSALS", "Observer"]

#: Errors that say that nothing was taken on: the caller may try again, elsewhere, or otherwise.
REFUSALS: Final = (
    "EngineClosedError",
    "ForkedProcessError",
    "InterruptedCallError",
    "NotAllowedError",
    "OptionError",
    "OptionFileNotFoundError",
    "HotwordError",
    "QueueFullError",
)


class Observer(Watched):
    """Watches the calls and streams of one model."""

    def __init__(self, model: str = "model", slow_s: float | None = None) -> None:
        """Nothing has happened yet.

        Args:
            model: its name, for people.
            slow_s: a request that takes longer is logged; None: none is.
        """
        super().__init__(model, slow_s)

    def call(self, what: str) -> CallWatch:
        """A call begins.

        Args:
            what: the method's name.
        """
        return CallWatch(self, what)

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Count what a stream could not be opened for."""
        try:
            yield
        except Exception as error:
            self.counters.error(type(error).__name__)
            raise

    def stream(self, key: str | None) -> StreamWatch:
        """A stream is opened; ``key`` is its name in results."""
        return StreamWatch(self, key)

    def stats(self) -> dict[str, Any]:
        """What was counted, for ``AutoModel.stats``; the latency of the engine's stages apart."""
        counts = self.counters.stats()
        errors = dict(counts.get("errors", {}))
        return {
            "calls": counts["calls"],
            "chunks": counts["chunks"],
            "errors": errors,
            "refused": sum(errors.get(name, 0) for name in REFUSALS),
            "audio_in_seconds": counts["audio_in_s"],
            "audio_out_seconds": counts["audio_out_s"],
            "streams": {"open": counts["streams_open"], "opened": counts["streams_opened"]},
            "latency": {
                stage: histogram(*counts[f"{timed}_time"])
                for stage, timed in (
                    ("decode", "decode"),
                    ("text", "text"),
                    ("call", "call"),
                    ("chunk", "chunk"),
                    ("chunk_turn", "turn"),
                )
            },
        }
