"""From whatever the caller has to mono float32 samples at the model's rate.

Arrays, lists and buffers of numbers: :mod:`safeasr.inputs.arrays`. Files, URLs and bytes:
:mod:`safeasr.inputs.decoders`.
"""

from __future__ import annotations

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
from safeasr.inputs.decoders import decode, decode_file
from safeasr.inputs.download import DEFAULT_MAX_BYTES, DEFAULT_TIMEOUT_S, download, is_url, url_path
from safeasr.inputs.reading import DEFAULT_MAX_SECONDS, Reading
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
    reading = Reading(
        sample_rate=checked_rate(sample_rate, "sample_rate"),
        fs=DEFAULT_SAMPLE_RATE if fs is None else checked_rate(fs),
        fs_given=fs is not None,
        is_pcm=is_pcm,
        deadline=deadline,
        max_seconds=max_seconds,
        strict=strict,
    )
    try:
        if isinstance(source, str) and is_url(source):
            data = download(
                source, timeout_s=timeout_s, max_bytes=max_bytes, deadline=deadline, access=access
            )
            samples: _Samples | None = decode(source_of_bytes(data, url_path(source)), reading)
        else:
            samples = _decoded(source, reading, max_bytes, allow_empty)
        if samples is None:
            array = _array(source)
            if array.ndim:
                reading.require_length(max(array.shape), reading.fs, f"of shape {array.shape}")
            return mono_float32(array, reading.fs, reading.sample_rate, allow_empty=allow_empty)
        reading.require_time()
        return mono_float32(
            samples, reading.sample_rate, reading.sample_rate, allow_empty=allow_empty
        )
    except SafeASRError:
        raise
    except MemoryError as error:
        raise AudioError("the audio needs more memory than there is") from error
    except Exception as error:  # whatever a library makes of hostile data
        raise AudioError(f"the audio cannot be read: {type(error).__name__}: {error}") from error


def _decoded(source: Any, reading: Reading, max_bytes: int, piece: bool) -> _Samples | None:
    """The samples of a file or bytes, at the wanted rate; None if it is samples already."""
    if isinstance(source, str) or hasattr(source, "__fspath__"):
        return decode_file(source, reading)
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
