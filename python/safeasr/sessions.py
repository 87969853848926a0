"""Streams in a caller's ``cache``: FunASR's way to continue a stream in the next call."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, Generic, Protocol, TypeVar

from safeasr import _ext

__all__ = ["CachedStream", "stream_of"]

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
        self.ended = False


def stream_of(
    recognizer: _Streaming[_Stream],
    engine: _ext.Engine,
    options: Mapping[str, Any],
    *,
    is_final: bool,
) -> _Stream:
    """The stream in ``options["cache"]``, which must be there; an empty cache receives one.

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
    found = cache.get(CACHE_ENTRY)
    if found is None:
        if cache:
            raise ValueError(
                f"this cache was filled by something else (it has {sorted(map(str, cache))[:3]}): "
                "begin a stream with cache={}"
            )
        fresh = CachedStream(recognizer, recognizer.open(engine, options), options)
        # Two threads may come here with one cache: they get one stream.
        found = cache.setdefault(CACHE_ENTRY, fresh)
    if not isinstance(found, CachedStream) or found.owner is not recognizer:
        raise ValueError("this cache belongs to another model: begin a stream with cache={}")
    if found.ended:
        # The same options go on with the same stream, which has begun anew.
        begun, wanted = found.options, options
    else:
        # What a later call leaves out stays as it was.
        begun, wanted = found.options, {**found.options, **options}
    begun, wanted = recognizer.stream_options(begun), recognizer.stream_options(wanted)
    changed = [name for name, value in wanted.items() if begun.get(name) != value]
    if changed and found.ended:
        found = CachedStream(recognizer, recognizer.open(engine, options), options)
        cache[CACHE_ENTRY] = found
    elif changed:
        name = changed[0]
        raise ValueError(
            f"{name} is {wanted[name]!r}, but the stream in this cache was begun with "
            f"{begun.get(name)!r}; options hold for a whole stream"
        )
    found.ended = is_final
    stream: _Stream = found.stream
    return stream
