"""Streams in a caller's ``cache``: FunASR's way to continue a stream in the next call."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, Generic, Protocol, TypeVar

from safeasr._extension import _ext

__all__ = ["CACHE_ENTRY", "CachedStream", "stream_of"]

#: The one entry that safeasr makes in a cache.
CACHE_ENTRY = "safeasr"

_Stream = TypeVar("_Stream", covariant=True)


class _Streaming(Protocol[_Stream]):
    def stream_options(self, options: Mapping[str, Any]) -> dict[str, Any]: ...

    def open(self, engine: _ext.Engine, options: Mapping[str, Any]) -> _Stream: ...


class CachedStream(Generic[_Stream]):
    """What lies in a cache: a stream, whose it is, and the call's options it was opened with.

    It frees the stream's state when the cache lets go of it and no chunk is under way.
    """

    def __init__(self, owner: object, stream: _Stream, options: Mapping[str, Any]) -> None:
        self.owner = owner
        self.stream = stream
        self.options = {k: v for k, v in options.items() if k != "cache"}
        #: Nothing was fed since the beginning or the last end: other options may come.
        self.fresh = True
        self.lock = threading.Lock()


@contextlib.contextmanager
def stream_of(
    recognizer: _Streaming[_Stream],
    engine: _ext.Engine,
    options: Mapping[str, Any],
    *,
    is_final: bool,
) -> Iterator[_Stream]:
    """The stream in ``options["cache"]``, which must be there; an empty cache receives one.

    Submit the samples within the ``with``: if that raises, nothing has come.

    Args:
        recognizer: the model.
        engine: where the stream's chunks run.
        options: of the call.
        is_final: whether the call ends the stream; the next may then begin one with other options.

    Raises:
        TypeError: if the cache is no dict.
        ValueError: if the cache was filled by something else, or if the options differ from those
            that its stream was opened with.
    """
    cache = options["cache"]
    if not isinstance(cache, MutableMapping):
        raise TypeError(f"cache must be a dict, got {type(cache).__name__}")
    while True:
        found = _stream_in(cache, recognizer, engine, options)
        with found.lock:
            if cache.get(CACHE_ENTRY) is not found:
                continue  # another thread began one with other options
            if _changed(recognizer, found, options):
                found = CachedStream(recognizer, recognizer.open(engine, options), options)
                cache[CACHE_ENTRY] = found
            before, found.fresh = found.fresh, is_final
        break
    try:
        yield found.stream
    except BaseException:
        with found.lock:
            found.fresh = before
        raise


def _stream_in(
    cache: MutableMapping[str, Any],
    recognizer: _Streaming[_Stream],
    engine: _ext.Engine,
    options: Mapping[str, Any],
) -> CachedStream[_Stream]:
    found = cache.get(CACHE_ENTRY)
    if found is None:
        if cache:
            raise ValueError(
                f"this cache was filled by something else (it has {sorted(map(str, cache))[:3]}): "
                "begin a stream with cache={}"
            )
        new = CachedStream(recognizer, recognizer.open(engine, options), options)
        # Two threads may come here with one cache: they get one stream.
        found = cache.setdefault(CACHE_ENTRY, new)
    if not isinstance(found, CachedStream) or found.owner is not recognizer:
        raise ValueError("this cache belongs to another model: begin a stream with cache={}")
    return found


def _changed(
    recognizer: _Streaming[_Stream], found: CachedStream[_Stream], options: Mapping[str, Any]
) -> bool:
    """Whether a fresh stream must be opened anew; ValueError where that would lose audio."""
    # What a later call leaves out stays as it was.
    wanted = options if found.fresh else {**found.options, **options}
    begun, wanted = recognizer.stream_options(found.options), recognizer.stream_options(wanted)
    changed = [name for name, value in wanted.items() if begun.get(name) != value]
    if changed and not found.fresh:
        name = changed[0]
        raise ValueError(
            f"{name} is {wanted[name]!r}, but the stream in this cache was begun with "
            f"{begun.get(name)!r}; options hold for a whole stream"
        )
    return bool(changed)
