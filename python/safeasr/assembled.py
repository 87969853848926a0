"""What an AutoModel is made of, beneath its interface: models, their engine, what is under way."""

from __future__ import annotations

import atexit
import weakref
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, TypeVar

from safeasr._extension import _ext
from safeasr.calls.call import Calls
from safeasr.loading.load import load_model
from safeasr.options.checks import positive
from safeasr.options.model import model_options
from safeasr.options.names import CONFIG_KEYS
from safeasr.pipeline.companions import Companions
from safeasr.pipeline.recording import segmented
from safeasr.pipeline.steps import Runs
from safeasr.pipeline.stepwise import as_recognizer
from safeasr.stream.opening import Streams

__all__ = ["Assembled"]

_Self = TypeVar("_Self", bound="Assembled")
_open_models: weakref.WeakSet[Assembled] = weakref.WeakSet()


class Assembled:
    """A model with those beside it, on an engine, until it is closed."""

    def __init__(
        self,
        model: str,
        given: Mapping[str, Any],
        *,
        beside: Mapping[str, str | None],
        vad_kwargs: Mapping[str, Any],
        max_streams: int,
        **tuning: Any,
    ) -> None:
        """Load the models and start the engine.

        Args:
            model: as of ``AutoModel``.
            given: FunASR's arguments of ``AutoModel``.
            beside: names of "online_model" and "vad_model", None where there is none.
            vad_kwargs: as of ``AutoModel``.
            max_streams: as of ``AutoModel``.
            **tuning: the other arguments of :func:`safeasr.options.model.model_options`.
        """
        self._options = model_options(given, **tuning)
        self.kwargs: dict[str, Any] = {"model": model, **given, "device": self._options.device}
        self._trust = bool(given.get("trust_remote_code", False))
        source: dict[str, Any] = {
            "hub": str(given.get("hub", "ms")),
            "check_latest": bool(given.get("check_latest", False)),
            "trust_remote_code": self._trust,
        }
        loaded = load_model(
            str(given.get("model_path") or model),
            self._options,
            revision=given.get("model_revision"),
            overrides=self._options.overrides,
            **source,
        )
        self._directory = loaded.directory
        self.precision = loaded.precision
        self.model_path = str(self._directory)
        options = self._options  # not self: a cycle keeps dropped models until a collection
        own: dict[str, dict[str, Any]] = {
            "vad_model": {
                "revision": given.get("vad_model_revision"),
                "overrides": {k: v for k, v in vad_kwargs.items() if k in CONFIG_KEYS},
            }
        }
        self._companions = Companions(
            loaded.recognizer,
            lambda role, name: load_model(name, options, **source, **own.get(role, {})).recognizer,
            beside,
            demo=model == "demo",
        )
        self._vad_kwargs = self._companions.vad_options(vad_kwargs)
        self._recordings = Runs(self._options.queue_size)
        self._recognizer = as_recognizer(loaded.recognizer, self._recordings)
        if beside["vad_model"] is not None:
            self._recognizer = segmented(
                self._recognizer, self._companions, self._vad_kwargs, self._recordings
            )
        defaults = self._companions.call_defaults(given, self._recognizer.options)
        self._recognizer.check(defaults)
        self._options = replace(self._options, call_defaults=defaults)
        self._engine = _ext.Engine(
            num_workers=self._options.num_workers,
            queue_size=self._options.queue_size,
            max_streams=positive("max_streams", max_streams),
            device=self._options.device,
            intra_op_threads=self._options.intra_op_threads,
            idle_threads=self._options.idle_threads,
        )
        self._streams = Streams(self._companions, self._engine)
        self._calls = Calls(
            self._recognizer, self._engine, self._options, self._recordings.require_open
        )
        _open_models.add(self)

    def stats(self) -> dict[str, Any]:
        """Counters of the engine since the model was made.

        Returns:
            workers, busy_workers, queue_size, waiting; out_of_order (devices that cannot even be
            waited for after a failure); submitted, completed, failed, cancelled, expired, rejected;
            moved (given to another device by one that was out of order); batches,
            batched_requests, mean_batch_size, padding (share of the computed frames that was
            padding), retried_alone, halved (batches that did not fit the memory); queue_seconds,
            run_seconds (sums); queue_time_us_log2, run_time_us_log2 (histograms: entry i counts
            those under 2^i us); devices (most of this, of each device); graphs (with
            ``cuda_graphs``: made, replayed, slower and so given up, failed).
        """
        stats: dict[str, Any] = dict(self._engine.stats())
        batches, cost = stats["batches"], stats["batch_cost"]
        stats["mean_batch_size"] = stats["batched_requests"] / batches if batches else 0.0
        stats["graphs"] = self._companions.graph_counts()
        stats["padding"] = 1 - stats["batch_length"] / cost if cost else 0.0
        return stats

    @property
    def closed(self) -> bool:
        """Whether the model was closed."""
        return self._recordings.closed or bool(self._engine.closed)

    def close(self, *, drain: bool = True) -> None:
        """Stop the workers; later calls raise EngineClosedError. May be called more than once.

        Args:
            drain: finish everything that was accepted first, all segments of recordings and all
                chunks of streams; otherwise what still waits fails with EngineClosedError, and what
                runs as soon as it can be stopped.
        """
        # What takes several requests still submits some, so it comes first.
        for runs in (self._streams.runs, self._recordings):
            runs.close(drain=drain)
        self._engine.close(drain)

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(drain=kind is None)


@atexit.register
def _close_all() -> None:
    # Before the interpreter goes: workers end, and whoever still waits gets EngineClosedError.
    for model in list(_open_models):
        model.close(drain=False)
