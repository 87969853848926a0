"""From whatever the caller has to mono float32 samples at the model's rate.

Arrays, lists and buffers of numbers: :mod:`safeasr.inputs.arrays`. Files, URLs and bytes:
:mod:`safeasr.inputs.decoders`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safeasr.errors import AudioError, SafeASRError
from safeasr.inputs.arrays import (
    DEFAULT_SAMPLE_RATE,
    MAX_CHANNELS,
    SAMPLE_RATE_RANGE,
    as_array,
    bytes_or_array,
    checked_rate,
    is_tensor,
    mono_float32,
    resample,
    samples_of_list,
)
from safeasr.inputs.decoders import decode, joined, parts_of, parts_of_file
from safeasr.inputs.download import DEFAULT_MAX_BYTES, DEFAULT_TIMEOUT_S, download, is_url, url_path
from safeasr.inputs.reading import DEFAULT_MAX_SECONDS, Parts, Reading
from safeasr.inputs.recording import Recording
from safeasr.inputs.sources import source_of_bytes, source_of_file
from safeasr.options.access import ANYTHING, Access

__all__ = [
    "DEFAULT_MAX_SECONDS",
    "DEFAULT_SAMPLE_RATE",
    "MAX_CHANNELS",
    "SAMPLE_RATE_RANGE",
    "checked_rate",
    "is_buffer",
    "is_tensor",
    "load_audio",
    "mono_float32",
    "open_audio",
    "reading_of",
    "resample",
]

_Samples = NDArray[np.float32]


def is_buffer(value: Any) -> bool:
    """Whether the value has Python's buffer protocol: bytes, memoryview, array.array."""
    try:
        memoryview(value).release()
    except (TypeError, ValueError, BufferError):
        return isinstance(value, memoryview)  # one that was released
    return True


def load_audio(
    source: Any,
    fs: int | None = None,
    sample_rate: int = DEFAULT_SAMPLE_RATE,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    max_bytes: int = DEFAULT_MAX_BYTES,
    allow_empty: bool = False,
    deadline: float | None = None,
    access: Access = ANYTHING,
    is_pcm: bool = False,
    max_seconds: float = DEFAULT_MAX_SECONDS,
    strict: bool = False,
) -> _Samples:
    """One recording, in any form, as mono float32 samples at the model's rate.

    Encoded audio is the same as a path, URL, bytes or file object: whatever libsndfile or FFmpeg
    recognise. What they do not is raw 16-bit mono PCM if ``is_pcm`` says so, if a path or URL ends
    in ".pcm", or if it was given as bytes and either ``fs`` was given or it looks like samples
    (with a warning). Text, pictures, archives and the like are refused, unless ``is_pcm``.

    Args:
        source: a path (str or os.PathLike), an http(s) URL, an array or tensor (see
            :func:`mono_float32`), a list of floats, bytes, a buffer (a memoryview or array.array
            of another format is samples of that type), or a binary file object, which is read
            from its start.
        fs: rate in Hz of samples that do not state their own: arrays and raw PCM. None: 16,000.
        sample_rate: wanted rate in Hz.
        timeout_s: the longest that a download may take in all, in seconds.
        max_bytes: the largest download, in bytes.
        allow_empty: it is a piece of a stream: it may hold no samples, and bytes are raw ones.
        deadline: time of the monotonic clock by which it must be done; None: no limit.
        access: which hosts a URL may lead to.
        is_pcm: files, URLs and bytes are raw samples, whatever they look like.
        max_seconds: the longest recording that is taken.
        strict: refuse a file of which parts cannot be decoded; else a warning says so.

    Returns:
        Shape [samples], float32, C-contiguous. It may share memory with ``source``.

    Raises:
        AudioFileNotFoundError: if ``source`` is a str that is no URL and names no file.
        AudioTooLongError: if it is longer than ``max_seconds``.
        AudioError: if it cannot be turned into samples; the message says what came.
        DeadlineExceededError: if the deadline passed.
    """
    reading = reading_of(
        fs, sample_rate, is_pcm=is_pcm, deadline=deadline, max_seconds=max_seconds, strict=strict
    )
    with _typed_errors():
        parts = _parts(source, reading, timeout_s, max_bytes, access)
        if parts is None:
            return _samples(source, reading, max_bytes, allow_empty)
        return _checked(joined(parts), reading, allow_empty)


def open_audio(
    source: Any,
    reading: Reading,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    max_bytes: int = DEFAULT_MAX_BYTES,
    access: Access = ANYTHING,
    errors: Callable[[], AbstractContextManager[object]] = nullcontext,
    own: bool = False,
) -> Recording:
    """One recording, in any form, that is decoded as it is read.

    URLs are downloaded now. What may change meanwhile (file objects, buffers) is decoded now.

    Args:
        source: as of :func:`load_audio`.
        reading: the terms.
        timeout_s: the longest that a download may take in all, in seconds.
        max_bytes: the largest download, in bytes.
        access: which hosts a URL may lead to.
        errors: what all reading is done within, to say in which input something is wrong.
        own: whether it must not share memory with ``source``, which may change meanwhile.

    Raises:
        AudioError: as :func:`load_audio`, now or when it is read.
    """

    @contextmanager
    def named() -> Iterator[None]:
        with errors(), _typed_errors():
            yield

    with named():
        parts = _parts(source, reading, timeout_s, max_bytes, access)
        if isinstance(source, bytes) and source:
            parts = parts_of(source_of_bytes(source, is_bytes=True), reading)
        if parts is not None:
            return Recording(parts, reading.sample_rate, named)
        samples = _samples(source, reading, max_bytes, False)
        if own and (samples is source or samples.base is not None):
            samples = samples.copy()
    return Recording.of_samples(samples, reading.sample_rate)


def reading_of(fs: int | None, sample_rate: int, **terms: Any) -> Reading:
    """The terms of reading a recording, of arguments as of :func:`load_audio`.

    Raises:
        AudioError: if a rate is none.
    """
    return Reading(
        sample_rate=checked_rate(sample_rate, "sample_rate"),
        fs=DEFAULT_SAMPLE_RATE if fs is None else checked_rate(fs),
        fs_given=fs is not None,
        **terms,
    )


@contextmanager
def _typed_errors() -> Iterator[None]:
    """Whatever a library makes of hostile data is an AudioError."""
    try:
        yield
    except SafeASRError:
        raise
    except MemoryError as error:
        raise AudioError("the audio needs more memory than there is") from error
    except Exception as error:
        raise AudioError(f"the audio cannot be read: {type(error).__name__}: {error}") from error


def _parts(
    source: Any, reading: Reading, timeout_s: float, max_bytes: int, access: Access
) -> Parts | None:
    """The samples bit by bit, of what nobody else changes meanwhile; None for all else."""
    if isinstance(source, str) and is_url(source):
        data = download(
            source, timeout_s=timeout_s, max_bytes=max_bytes, deadline=reading.deadline,
            access=access,
        )  # fmt: skip
        return parts_of(source_of_bytes(data, url_path(source)), reading)
    if isinstance(source, str) or hasattr(source, "__fspath__"):
        return parts_of_file(source, reading)
    return None


def _samples(source: Any, reading: Reading, max_bytes: int, allow_empty: bool) -> _Samples:
    """Those of a file object, bytes, or what is samples already."""
    decoded = _decoded(source, reading, max_bytes, allow_empty)
    if decoded is not None:
        return _checked(decoded, reading, allow_empty)
    array = _array(source)
    if array.ndim:
        reading.require_length(max(array.shape), reading.fs, f"of shape {array.shape}")
    return mono_float32(array, reading.fs, reading.sample_rate, allow_empty=allow_empty)


def _checked(samples: _Samples, reading: Reading, allow_empty: bool) -> _Samples:
    reading.require_time()
    rate = reading.sample_rate
    return mono_float32(samples, rate, rate, allow_empty=allow_empty)


def _decoded(source: Any, reading: Reading, max_bytes: int, piece: bool) -> _Samples | None:
    """The samples of a file object or bytes, at the wanted rate; None if it is samples already."""
    if hasattr(source, "read"):
        return decode(source_of_file(source, max_bytes), reading)
    if is_tensor(source) or hasattr(source, "__array__") or not is_buffer(source):
        return None
    found = bytes_or_array(source)
    if isinstance(found, np.ndarray):
        return None
    if not len(found):
        return np.zeros(0, np.float32)
    if piece:
        reading = replace(reading, is_pcm=True)
    return decode(source_of_bytes(found, is_bytes=True), reading)


def _array(source: Any) -> NDArray[Any]:
    if isinstance(source, (list, tuple)):
        return samples_of_list(source)
    if is_tensor(source) or hasattr(source, "__array__"):
        return as_array(source)
    if is_buffer(source):
        return np.asarray(bytes_or_array(source))
    raise AudioError(
        "expected audio (a path, URL, array, tensor, bytes or binary file object), "
        f"got {type(source).__name__}"
    )
