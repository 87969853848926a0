"""Streams in a caller's ``cache``: FunASR's way to continue a stream in the next call."""

from __future__ import annotations

import threading
from collections.abc import Mapping, MutableMapping
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from safeasr._extension import _ext
from safeasr.errors import InterruptedCallError, OptionError
from safeasr.families.terms import OwnStream, Terms
from safeasr.options.kinds import Kind
from safeasr.resampling import StreamResampler

__all__ = ["CACHE", "CACHE_ENTRY", "CachedStream", "submit_cached", "submit_to_stream"]

#: What the option ``cache`` may be.
CACHE = Kind("a dict", lambda value: isinstance(value, MutableMapping))
#: The one entry that safeasr makes in a cache.
CACHE_ENTRY = "safeasr"


class _Streaming(Protocol):
    sample_rate: int

    def stream_options(self, options: Mapping[str, Any]) -> dict[str, Any]: ...

    def open(self, engine: _ext.Engine, options: Mapping[str, Any]) -> Any: ...


def submit_to_stream(
    stream: Any, samples: NDArray[np.float32], is_final: bool, terms: Terms
) -> _ext.Ticket:
    """Queue samples for a stream, of the extension or not."""
    given = terms if isinstance(stream, OwnStream) else terms.for_engine()
    ticket: _ext.Ticket = stream.submit(samples, is_final=is_final, terms=given)
    return ticket


class CachedStream:
    """What lies in a cache: a stream, whose it is, and the call's options it was opened with.

    It frees the stream's state when the cache lets go of it and no chunk is under way.
    """

    def __init__(self, owner: _Streaming, stream: Any, options: Mapping[str, Any]) -> None:
        self.owner = owner
        self.stream = stream
        self.options = {k: v for k, v in options.items() if k != "cache"}
        #: Nothing was fed since the beginning or the last end: other options may come.
        self.fresh = True
        #: A signal handler may come while its thread holds it.
        self.lock = threading.RLock()
        #: From the rate of what comes.
        self.resample = StreamResampler(owner.sample_rate, owner.sample_rate)
        self._submitting = False

    def submit(
        self, samples: NDArray[np.float32], options: Mapping[str, Any], is_final: bool, terms: Terms
    ) -> _ext.Ticket:
        """Queue the next samples; what is refused never came. Threads take turns."""
        with self.lock:
            if self._submitting:
                raise InterruptedCallError(
                    "a signal handler cannot feed the stream whose call it interrupted: set a "
                    "flag there, or keep the samples for later"
                )
            self._submitting = True
            try:
                return self._submit(samples, options, is_final, terms)
            finally:
                self._submitting = False

    def _submit(
        self, samples: NDArray[np.float32], options: Mapping[str, Any], is_final: bool, terms: Terms
    ) -> _ext.Ticket:
        model_rate = self.owner.sample_rate
        before = self.resample
        if terms.rate is None:
            if before.rate != model_rate:
                # A file, which states its own rate: what was held back comes before it.
                samples = np.concatenate([before(np.zeros(0, np.float32), True), samples])
        else:
            rate = terms.rate if self.fresh or "fs" in options else before.rate
            if rate != before.rate:
                if not self.fresh:
                    raise OptionError(
                        f"fs is {rate}, but the stream in this cache was begun with "
                        f"{before.rate}; options hold for a whole stream"
                    )
                self.resample = StreamResampler(rate, model_rate)
            samples = self.resample(samples, is_final)
        try:
            ticket = submit_to_stream(self.stream, samples, is_final, terms)
        except BaseException:
            self.resample.take_back()
            self.resample = before
            raise
        self.fresh = is_final
        return ticket


def submit_cached(
    recognizer: _Streaming,
    engine: _ext.Engine,
    samples: NDArray[np.float32],
    options: Mapping[str, Any],
    terms: Terms,
    *,
    is_final: bool,
) -> _ext.Ticket:
    """Queue samples for the stream in ``options["cache"]``; an empty cache receives one.

    If it raises, nothing has come.

    Args:
        recognizer: the model.
        engine: where the stream's chunks run.
        samples: (n,), at the rate of ``terms``.
        options: of the call; the cache must be there.
        terms: of the call.
        is_final: whether the call ends the stream; the next may then begin one with other options.

    Raises:
        OptionError: if the cache is no dict, if it was filled by something else, or if the options
            differ from those that its stream was opened with.
        InterruptedCallError: in a signal handler that interrupted a call for the same stream.
    """
    cache = options["cache"]
    if not isinstance(cache, MutableMapping):
        raise OptionError(f"cache must be a dict, got {type(cache).__name__}")
    while True:
        found = _stream_in(cache, recognizer, engine, options)
        with found.lock:
            if cache.get(CACHE_ENTRY) is not found:
                continue  # another thread began one with other options
            if _changed(recognizer, found, options):
                found = CachedStream(recognizer, recognizer.open(engine, options), options)
                cache[CACHE_ENTRY] = found
            return found.submit(samples, options, is_final, terms)


def _stream_in(
    cache: MutableMapping[str, Any],
    recognizer: _Streaming,
    engine: _ext.Engine,
    options: Mapping[str, Any],
) -> CachedStream:
    found = cache.get(CACHE_ENTRY)
    if found is None:
        if cache:
            some = [str(key) for key in islice(cache, 3)]
            raise OptionError(
                f"this cache was filled by something else (it has {some}): begin a stream with "
                "cache={}"
            )
        new = CachedStream(recognizer, recognizer.open(engine, options), options)
        # Two threads may come here with one cache: they get one stream.
        found = cache.setdefault(CACHE_ENTRY, new)
    if not isinstance(found, CachedStream) or found.owner is not recognizer:
        raise OptionError("this cache belongs to another model: begin a stream with cache={}")
    return found


def _changed(recognizer: _Streaming, found: CachedStream, options: Mapping[str, Any]) -> bool:
    """Whether a fresh stream must be opened anew; raises where that would lose audio."""
    # What a later call leaves out stays as it was.
    wanted = options if found.fresh else {**found.options, **options}
    begun, wanted = recognizer.stream_options(found.options), recognizer.stream_options(wanted)
    changed = [name for name, value in wanted.items() if begun.get(name) != value]
    if changed and not found.fresh:
        name = changed[0]
        raise OptionError(
            f"{name} is {wanted[name]!r}, but the stream in this cache was begun with "
            f"{begun.get(name)!r}; options hold for a whole stream"
        )
    return bool(changed)
