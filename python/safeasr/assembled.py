"""What an AutoModel is made of, beneath its interface: models, their engine, what is under way."""

from __future__ import annotations

import atexit
import weakref
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from safeasr._extension import _ext
from safeasr.calls.awaiting import Readers
from safeasr.calls.calls import Calls
from safeasr.errors import OptionError
from safeasr.families.base import Recognizer, RunsByItself
from safeasr.guarded.counts import with_guarded
from safeasr.guarded.deciding import Loader
from safeasr.guarded.settings import guard_settings
from safeasr.loading.export import export_bundle
from safeasr.nets.precision import PRECISIONS
from safeasr.observability.observer import Observer
from safeasr.observability.stats import model_stats
from safeasr.options.checker import of_model, plain
from safeasr.options.checks import flag
from safeasr.options.declared import Options
from safeasr.options.kinds import PATH, one_of, require, shown
from safeasr.options.model import ModelOptions, model_arguments, model_options, plain_given
from safeasr.options.names import COMMON, CONFIG
from safeasr.pipeline.companions import Companions
from safeasr.pipeline.diarization import CLUSTERING, diarization_of
from safeasr.pipeline.live_diarization import LIVE_SPEAKERS
from safeasr.pipeline.punctuated import PunctuatedRecognizer
from safeasr.pipeline.punctuation import punctuation_of
from safeasr.pipeline.recording import segmented
from safeasr.pipeline.runs import Runs
from safeasr.pipeline.stepwise import as_recognizer
from safeasr.stream.opening import Streams
from safeasr.warn import warn

__all__ = ["Assembled"]

#: Whose options an argument holds.
_ROLES = {"vad_kwargs": "vad_model", "punc_kwargs": "punc_model", "spk_kwargs": "spk_model"}
#: Options that it may hold beside the model's.
_MORE = {"spk_kwargs": CLUSTERING}
_NONE = Options()
_PRECISION = one_of(*PRECISIONS)
_Self = TypeVar("_Self", bound="Assembled")
#: Streams that may be open at a time, for each device.
_MAX_STREAMS = 16_384
_open_models: weakref.WeakSet[Assembled] = weakref.WeakSet()


class Assembled:
    """A model with those beside it, on an engine, until it is closed."""

    def __init__(
        self,
        model: Any,
        given: Mapping[str, Any],
        *,
        beside: Mapping[str, Any],
        kwargs_of: Mapping[str, Any],
        max_streams: Any,
        guard: Mapping[str, Any],
        **tuning: Any,
    ) -> None:
        """Load the models and start the engine.

        Args:
            model: as of ``AutoModel``.
            given: FunASR's arguments of ``AutoModel``.
            beside: names of the models of ``AutoModel`` beside it, None where there is none.
            kwargs_of: ``vad_kwargs`` and their like, as of ``AutoModel``.
            max_streams: as of ``AutoModel``.
            guard: ``guarded`` and the arguments of models that run so, as of ``AutoModel``.
            **tuning: the other arguments of :func:`safeasr.options.model.model_options`.
        """
        arguments = model_arguments(**tuning)
        own = model_arguments(
            model=model,
            max_streams=max_streams,
            **beside,
            **kwargs_of,
            **guard,
        )
        # What is wrong should cost no download and no export.
        self.kwargs: dict[str, Any] = {"model": model, **given}
        given = plain_given(given)
        name = given.get("model_path") or own.get("model")
        if name is None:
            raise OptionError("model must be a path (str or os.PathLike), got None")
        of_models = {argument: own.get(argument, {}) for argument in _ROLES}
        beside = {role: own.get(role) for role in beside}
        self._options = model_options(given, **arguments)
        self.kwargs["device"] = self._options.device
        self._trust = bool(given.get("trust_remote_code"))
        loader = Loader(given, self._options, guard_settings(own))
        loaded = loader.main(name)
        self._directory = loaded.directory
        self.precision = loaded.precision
        self.model_path = str(self._directory)
        self._weights = loader.weights
        found = loaded.recognizer
        self._by_itself = found if isinstance(found, RunsByItself) else None
        overrides = {
            role: plain(of_models[argument], of_model(argument), CONFIG)
            for argument, role in _ROLES.items()
        }
        self._companions = Companions(
            loaded.recognizer, loader.beside(overrides), beside, demo=name == "demo"
        )
        self._observer = Observer(_short(name), self._options.slow_request_s)
        self._role_kwargs = {
            role: self._companions.own_options(
                role, argument, of_models[argument], _MORE.get(argument, _NONE)
            )
            for argument, role in _ROLES.items()
        }
        self._vad_kwargs = self._role_kwargs["vad_model"]
        self._recordings = Runs(self._options.queue_size)
        self._recognizer = as_recognizer(loaded.recognizer, self._recordings)
        punctuation = punctuation_of(self._companions, self._role_kwargs["punc_model"])
        diarization = diarization_of(self._companions, self._role_kwargs["spk_model"])
        if beside["vad_model"] is not None:
            self._recognizer = segmented(
                self._recognizer,
                self._companions,
                self._vad_kwargs,
                self._recordings,
                punctuation,
                diarization,
            )
        elif punctuation is not None:
            self._recognizer = PunctuatedRecognizer(self._recognizer, punctuation, self._recordings)
        known = self._recognizer.options | (_NONE if diarization is None else LIVE_SPEAKERS)
        defaults = self._companions.call_defaults(given, known)
        self._recognizer.check(defaults)
        if diarization is not None and beside["vad_model"] is None:
            only = "in generate " if name == "demo" else ""  # its streams have a detector anyway
            warn(f"spk_model has no effect {only}without vad_model")
        self._options = replace(self._options, call_defaults=defaults)
        self._engine = _ext.Engine(
            num_workers=self._options.num_workers,
            queue_size=self._options.queue_size,
            max_streams=own.get("max_streams", _MAX_STREAMS),
            device=self._options.device,
            intra_op_threads=self._options.intra_op_threads,
            idle_threads=self._options.idle_threads,
        )
        self._streams = Streams(
            self._companions,
            self._engine,
            self._options.access,
            punctuation,
            diarization,
            self._observer,
        )
        self._calls = self._calls_of(self._recognizer, self._options)
        main = as_recognizer(loaded.recognizer, self._recordings)
        self._parts = {"model": self._part(main, (main.options | COMMON).own(defaults))}
        for role, own in self._role_kwargs.items():
            if beside.get(role) is not None:
                part = as_recognizer(self._companions.loaded(role), self._recordings)
                self._parts[role] = self._part(
                    part, {**COMMON.own(defaults), **part.options.own(own)}
                )
        self._readers = Readers()
        _open_models.add(self)

    def _calls_of(self, model: Recognizer, options: ModelOptions) -> Calls:
        opened = self._recordings.require_open
        return Calls(model, self._engine, options, opened, self._observer)

    def _part(self, model: Recognizer, defaults: Mapping[str, Any]) -> tuple[Recognizer, Calls]:
        return model, self._calls_of(model, replace(self._options, call_defaults=defaults))

    def export(
        self, output_dir: str | None = None, precision: str | None = None, **others: Any
    ) -> str:
        """Write the model's bundle to a directory of your own.

        Args:
            output_dir: an empty or new directory; default: ``<model directory>/safeasr_bundle``.
            precision: "float32", "bfloat16", "int8" or "float16"; default: what the model runs
                in.
            **others: FunASR's (``type``, ``quantize``, ...); they have no effect, and are named in
                a warning.

        Returns:
            The directory.

        Raises:
            ExportError: if the directory is not empty, or the model cannot have the precision.
            OptionError: if an argument is of a wrong type.
        """
        if output_dir is not None:
            output_dir = require(PATH, "output_dir", output_dir)
        if precision is not None:
            precision = require(_PRECISION, "precision", precision)
        for name in others:
            warn(f"option {shown(name)} of export has no effect")
        out = Path(output_dir) if output_dir else self._directory / "safeasr_bundle"
        bundle = export_bundle(
            self._directory,
            out,
            self._options.overrides,
            trust_remote_code=self._trust,
            precision=precision or self.precision,
        )
        return str(bundle.path)

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

            Of the calls of this model and its parts: calls and chunks (begun, answered, failed,
            cancelled), errors (counts by class), refused, audio_in_seconds, audio_out_seconds,
            streams (open, opened; ``lanes`` counts those of a ``cache``, too), latency (a histogram
            for each stage), parts (what each of the models cost), memory (resident_bytes of the
            process, weights_bytes). docs/observability.md says what each of them means.
        """
        engine = self._engine.stats()
        if self._by_itself is not None:
            engine = with_guarded(engine, self._by_itself.stats())
        return model_stats(
            engine,
            self._observer,
            parts=self._companions.part_stats(),
            weights=self._weights,
            graphs=self._companions.graph_counts(),
        )

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
        drain = flag("drain", drain)
        # What takes several requests still submits some, so it comes first.
        for runs in (self._streams.runs, self._recordings):
            runs.close(drain=drain)
        if self._by_itself is not None:
            self._by_itself.close(drain=drain)
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


def _short(name: str) -> str:
    """A model's name for people: of a path the last part."""
    return Path(name).name if "/" in name and Path(name).is_dir() else name


@atexit.register
def _close_all() -> None:
    # Before the interpreter goes: workers end, and whoever still waits gets EngineClosedError.
    for model in list(_open_models):
        model.close(drain=False)
