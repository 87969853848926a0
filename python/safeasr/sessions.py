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
    """What lies in a cache: a stream, whose it is, and the options it was opened with.

    It frees the stream's state when the cache lets go of it and no chunk is under way.
    """

    def __init__(self, owner: object, stream: _Stream, options: dict[str, Any]) -> None:
        self.owner = owner
        self.stream = stream
        self.options = options


def stream_of(
    recognizer: _Streaming[_Stream], engine: _ext.Engine, options: Mapping[str, Any]
) -> _Stream:
    """The stream of a call: the one in ``options["cache"]``, or a new one.

    Args:
        recognizer: the model.
        engine: where the stream's chunks will run.
        options: of the call. An empty cache receives the stream; None is a stream of one call.

    Raises:
        TypeError: if the cache is no dict.
        ValueError: if the cache was filled by something else, or if the options differ from those
            that its stream was opened with.
    """
    cache = options.get("cache")
    if cache is None:
        return recognizer.open(engine, options)
    if not isinstance(cache, MutableMapping):
        raise TypeError(f"cache must be a dict, got {type(cache).__name__}")
    wanted = recognizer.stream_options(options)
    found = cache.get(CACHE_ENTRY)
    if found is None:
        if cache:
            raise ValueError(
                f"this cache was filled by something else (it has {sorted(map(str, cache))[:3]}): "
                "begin a stream with cache={}"
            )
        fresh = CachedStream(recognizer, recognizer.open(engine, options), wanted)
        # Two threads may come here with one cache: they get one stream.
        found = cache.setdefault(CACHE_ENTRY, fresh)
    if not isinstance(found, CachedStream) or found.owner is not recognizer:
        raise ValueError("this cache belongs to another model: begin a stream with cache={}")
    for name, value in wanted.items():
        if found.options[name] != value:
            raise ValueError(
                f"{name} is {value!r}, but the stream in this cache was begun with "
                f"{found.options[name]!r}; options hold for a whole stream"
            )
    stream: _Stream = found.stream
    return stream
