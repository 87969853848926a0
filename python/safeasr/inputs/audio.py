"""From whatever the caller has to mono float32 samples at the model's rate.

Samples are numbers in [-1, 1]; integer samples are scaled by their full range, floating-point
samples are taken as they are. Files and bytes are decoded by :mod:`safeasr.inputs.decoders`.
Resampling is soxr's "HQ" recipe, which FunASR uses through librosa.
"""

from __future__ import annotations

import math
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from safeasr.deadlines import require_time
from safeasr.errors import AudioError
from safeasr.inputs.containers import is_container
from safeasr.inputs.decoders import decode_encoded, decode_file, decode_pcm16
from safeasr.inputs.download import DEFAULT_MAX_BYTES, DEFAULT_TIMEOUT_S, download, is_url, url_path
from safeasr.options.access import ANYTHING, Access

__all__ = [
    "DEFAULT_SAMPLE_RATE",
    "MAX_CHANNELS",
    "SAMPLE_RATE_RANGE",
    "checked_rate",
    "is_tensor",
    "load_audio",
    "mono_float32",
    "resample",
]

#: The rate of FunASR's models, and of samples whose rate is not given, in Hz.
DEFAULT_SAMPLE_RATE: Final = 16000
#: Rates that are believed, in Hz. A damaged header may claim anything.
SAMPLE_RATE_RANGE: Final = (1000, 768000)
#: More channels than this are no audio: features, a batch, or an array of another kind.
MAX_CHANNELS: Final = 32

#: Zero level and full scale of integer samples.
_INTEGER_SCALE: Final = {
    "int8": (0, 2.0**-7),
    "uint8": (128, 2.0**-7),  # as in 8-bit WAV files
    "int16": (0, 2.0**-15),
    "int32": (0, 2.0**-31),
}

_Samples = NDArray[np.float32]


def checked_rate(rate: Any, name: str = "fs") -> int:
    """The rate as an int.

    Raises:
        AudioError: if it is no whole number of Hz within :data:`SAMPLE_RATE_RANGE`.
    """
    low, high = SAMPLE_RATE_RANGE
    try:
        if not isinstance(rate, (bool, str, bytes)) and low <= rate <= high and int(rate) == rate:
            return int(rate)
    except (TypeError, ValueError):
        pass
    raise AudioError(f"{name} must be a whole number of Hz from {low} to {high}, not {rate!r}")


def resample(samples: _Samples, orig_rate: int, target_rate: int) -> _Samples:
    """Mono samples at another rate; the same array if the rates are equal.

    Args:
        samples: shape [samples], float32.
        orig_rate: their rate in Hz.
        target_rate: the wanted rate in Hz.

    Returns:
        Shape [ceil(samples * target_rate / orig_rate)], float32; equal to ``librosa.resample``
        with its defaults, which FunASR calls.
    """
    if orig_rate == target_rate or not len(samples):
        return samples
    import soxr

    # The ratio is rounded before the product, as in librosa: it decides the length.
    length = math.ceil(len(samples) * (float(target_rate) / orig_rate))
    made: _Samples = soxr.resample(samples, orig_rate, target_rate, quality="HQ")
    if len(made) == length:
        return made
    fitted = np.zeros(length, dtype=np.float32)
    fitted[: len(made)] = made[:length]
    return fitted


def mono_float32(
    samples: Any,
    fs: int = DEFAULT_SAMPLE_RATE,
    sample_rate: int = DEFAULT_SAMPLE_RATE,
    *,
    allow_empty: bool = False,
) -> _Samples:
    """An array of samples as mono float32 at the model's rate.

    A C-contiguous float32 vector that is already at the rate is returned as it is, without a
    copy; so the result may share memory with ``samples``.

    Args:
        samples: numpy array, torch tensor on any device, or anything numpy can view as an array;
            shape [samples], [channels, samples] or [samples, channels]. Of two axes the shorter
            one is the channels (the first one, if they are equal), at most 32; they are averaged.
            Floating point of any width is taken as it is; int8, uint8, int16 and int32 are
            scaled to [-1, 1).
        fs: rate of the samples in Hz.
        sample_rate: wanted rate in Hz.
        allow_empty: no samples are samples too, as in a piece of a stream.

    Returns:
        Shape [samples], float32, C-contiguous.

    Raises:
        AudioError: if there are no samples, some are not finite, or type or shape is another.
    """
    fs, sample_rate = checked_rate(fs), checked_rate(sample_rate, "sample_rate")
    array = _as_array(samples)
    if array.ndim not in (1, 2):
        raise AudioError(
            "expected samples of shape [samples], [channels, samples] or [samples, channels], "
            f"got shape {array.shape}"
        )
    if array.size == 0:
        if allow_empty:
            return np.zeros(0, np.float32)
        raise AudioError(f"expected audio, got no samples (shape {array.shape})")
    array = _as_float32(array)
    if array.ndim == 2:
        array = _mix_down(array)
    return resample(np.ascontiguousarray(array), fs, sample_rate)


def is_tensor(value: Any) -> bool:
    """Whether the value is a torch tensor; torch itself is not imported."""
    return any(
        kind.__name__ == "Tensor" and kind.__module__.partition(".")[0] == "torch"
        for kind in type(value).__mro__
    )


def _as_array(samples: Any) -> NDArray[Any]:
    if isinstance(samples, np.ndarray):
        return samples
    try:
        if is_tensor(samples):
            tensor = samples.detach().cpu()
            if str(tensor.dtype) == "torch.bfloat16":  # numpy has no such type
                tensor = tensor.float()
            array: NDArray[Any] = tensor.resolve_conj().resolve_neg().numpy()
            return array
        return np.asarray(samples)
    except (TypeError, ValueError, RuntimeError) as error:
        raise AudioError(
            f"expected an array of samples, got {type(samples).__name__} that numpy cannot view: "
            f"{error}"
        ) from error


def _as_float32(array: NDArray[Any]) -> _Samples:
    """The samples as float32, integers scaled; checked to be finite."""
    if array.dtype.kind in "iu":
        scale = _INTEGER_SCALE.get(array.dtype.name)
        if scale is None:
            raise AudioError(
                f"samples of type {array.dtype} have no known full scale: convert them to int16, "
                "int32 or float32"
            )
        zero, factor = scale
        # int32 has more digits than float32: scale it in double precision, round once.
        wide = np.float64 if array.dtype.itemsize == 4 else np.float32
        return ((array.astype(wide) - zero) * factor).astype(np.float32, copy=False)
    if array.dtype.kind != "f":
        raise AudioError(
            f"expected samples of a real number type (float32 or int16), got {array.dtype}"
        )
    with np.errstate(all="ignore"):
        floats: _Samples = array.astype(np.float32, copy=False)
        # One sum is much cheaper than testing each sample; it can only err towards testing.
        if not np.isfinite(floats.sum()) and not np.isfinite(floats).all():
            bad = int(floats.size - np.count_nonzero(np.isfinite(floats)))
            raise AudioError(
                f"expected finite samples, got {bad} of {floats.size} that are NaN or infinite"
            )
    return floats


def _mix_down(array: _Samples) -> _Samples:
    channels, axis = min((array.shape[0], 0), (array.shape[1], 1))
    if channels > MAX_CHANNELS:
        raise AudioError(
            f"expected at most {MAX_CHANNELS} channels, got an array of shape {array.shape}; "
            'features need data_type="fbank", several recordings need a list'
        )
    mixed: _Samples = array.mean(axis=axis, dtype=np.float32)
    return mixed


def _as_samples(values: Any) -> NDArray[Any]:
    """A plain list of numbers as an array."""
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise AudioError(f"expected a flat list of samples: {error}") from error
    if array.ndim == 1 and array.dtype.kind == "f":
        return array
    if array.ndim == 1 and array.dtype.kind in "iu":
        raise AudioError(
            "a list of whole numbers does not say its full scale: "
            "use numpy.array(values, dtype=numpy.int16)"
        )
    raise AudioError("expected a flat list of numbers as samples, got a nested or mixed list")


def load_audio(
    source: Any,
    fs: int = DEFAULT_SAMPLE_RATE,
    sample_rate: int = DEFAULT_SAMPLE_RATE,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    max_bytes: int = DEFAULT_MAX_BYTES,
    allow_empty: bool = False,
    deadline: float | None = None,
    access: Access = ANYTHING,
) -> _Samples:
    """One recording, in any form, as mono float32 samples at the model's rate.

    Args:
        source: a path (str or os.PathLike), an http(s) URL, an array or tensor (see
            :func:`mono_float32`), a list of floats, bytes, or a binary file object, which is read
            from its start. Bytes with a container header are decoded, others are 16-bit PCM.
        fs: rate in Hz of samples that do not state their own: arrays, raw PCM, ``.pcm`` files.
        sample_rate: wanted rate in Hz.
        timeout_s: the longest that a download may take in all, in seconds.
        max_bytes: the largest download, in bytes.
        allow_empty: no samples are samples too, as in a piece of a stream.
        deadline: time of the monotonic clock by which it must be done; None: no limit.
        access: which hosts a URL may lead to.

    Returns:
        Shape [samples], float32, C-contiguous. It may share memory with ``source``.

    Raises:
        AudioFileNotFoundError: if ``source`` is a str that is no URL and names no file.
        AudioError: if it cannot be turned into samples; the message says what came.
        DeadlineExceededError: if the deadline passed.
    """
    fs, sample_rate = checked_rate(fs), checked_rate(sample_rate, "sample_rate")
    if isinstance(source, str) and is_url(source):
        data = download(
            source, timeout_s=timeout_s, max_bytes=max_bytes, deadline=deadline, access=access
        )
        decoded = decode_encoded(data, fs, sample_rate, url_path(source), deadline)
    elif isinstance(source, str) or hasattr(source, "__fspath__"):
        decoded = decode_file(source, fs, sample_rate, deadline)
    elif isinstance(source, (bytes, bytearray, memoryview)):
        if is_container(source):
            decoded = decode_encoded(source, fs, sample_rate, deadline=deadline)
        else:
            decoded = decode_pcm16(source), fs
    elif hasattr(source, "read"):
        decoded = decode_encoded(_read_all(source), fs, sample_rate, deadline=deadline)
    elif isinstance(source, (list, tuple)):
        return mono_float32(_as_samples(source), fs, sample_rate, allow_empty=allow_empty)
    elif is_tensor(source) or hasattr(source, "__array__"):
        return mono_float32(source, fs, sample_rate, allow_empty=allow_empty)
    else:
        raise AudioError(
            "expected audio (a path, URL, array, tensor, bytes or binary file object), "
            f"got {type(source).__name__}"
        )
    samples, rate = decoded
    rate = checked_rate(rate, "the file's sample rate")
    require_time(deadline)
    return mono_float32(samples, rate, sample_rate, allow_empty=allow_empty)


def _read_all(file: BinaryIO) -> bytes:
    try:
        # FunASR rewinds too, so that one object can be given twice.
        if getattr(file, "seekable", lambda: hasattr(file, "seek"))():
            file.seek(0)
        data = file.read()
    except (OSError, ValueError) as error:  # ValueError: the file is closed
        raise AudioError(f"the file object cannot be read: {error}") from error
    if not isinstance(data, (bytes, bytearray)):
        raise AudioError(f"expected a file object opened in binary mode, got {type(data).__name__}")
    return bytes(data)
