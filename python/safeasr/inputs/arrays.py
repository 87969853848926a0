"""Arrays, tensors, lists and buffers of samples as mono float32 at the model's rate.

Samples are numbers in [-1, 1]; integer samples are scaled by their full range, floating-point
samples are taken as they are. Resampling is soxr's "HQ" recipe, which FunASR uses through librosa.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from safeasr.errors import AudioError

__all__ = [
    "DEFAULT_SAMPLE_RATE",
    "MAX_CHANNELS",
    "SAMPLE_RATE_RANGE",
    "as_array",
    "bytes_or_array",
    "checked_rate",
    "fitted",
    "is_tensor",
    "length_at",
    "mono_float32",
    "resample",
    "samples_of_list",
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
#: Formats of buffers that hold bytes, as struct writes them.
_BYTE_FORMATS: Final = frozenset("Bbc")

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
    except (TypeError, ValueError, RuntimeError):  # of several numbers, as an array or tensor
        pass
    raise AudioError(f"{name} must be a whole number of Hz from {low} to {high}, not {rate!r:.200}")


def length_at(count: int, orig_rate: int, target_rate: int) -> int:
    """How many samples librosa makes of some at another rate.

    Args:
        count: samples before resampling.
        orig_rate: rate before, in Hz.
        target_rate: rate now, in Hz.
    """
    # The ratio is rounded before the product, as in librosa: it decides the length.
    return math.ceil(count * (float(target_rate) / orig_rate))


def fitted(samples: _Samples, length: int) -> _Samples:
    """Audio of shape [samples], cut or padded to a length."""
    if len(samples) == length:
        return samples
    made = np.zeros(length, dtype=np.float32)
    made[: len(samples)] = samples[:length]
    return made


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

    made: _Samples = soxr.resample(samples, orig_rate, target_rate, quality="HQ")
    return fitted(made, length_at(len(samples), orig_rate, target_rate))


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
        samples: numpy array of any byte order, torch tensor on any device, or anything numpy can
            view as an array; shape [samples], [channels, samples] or [samples, channels]. Of two
            axes the shorter one is the channels (the first one, if they are equal), at most 32;
            they are averaged. Floating point of any width is taken as it is; int8, uint8, int16
            and int32 are scaled to [-1, 1).
        fs: rate of the samples in Hz.
        sample_rate: wanted rate in Hz.
        allow_empty: no samples are samples too, as in a piece of a stream.

    Returns:
        Shape [samples], float32, C-contiguous.

    Raises:
        AudioError: if there are no samples, some are not finite, or type or shape is another.
    """
    fs, sample_rate = checked_rate(fs), checked_rate(sample_rate, "sample_rate")
    array = as_array(samples)
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


def bytes_or_array(buffer: Any) -> bytes | bytearray | memoryview | NDArray[Any]:
    """What a buffer holds: bytes, or samples of the type that it states.

    Args:
        buffer: anything with Python's buffer protocol: bytes, bytearray, memoryview, array.array.
            Formats ``B``, ``b`` and ``c`` are bytes, of whatever shape and strides; all others are
            numbers (``h``, ``>h``, ``i``, ``f``, ``d``).

    Returns:
        Contiguous bytes, or an array that numpy made of it; neither is a copy unless it must be.

    Raises:
        AudioError: if it is no buffer, was released, or is of a format that numpy does not know.
    """
    if isinstance(buffer, (bytes, bytearray)):
        return buffer
    try:
        view = memoryview(buffer)
        if view.format.lstrip("@=<>!") not in _BYTE_FORMATS:
            return np.asarray(view)
        if not view.c_contiguous:
            return view.tobytes()
        return view if view.ndim == 1 and view.format == "B" else view.cast("B")
    except (TypeError, ValueError, RuntimeError, BufferError, NotImplementedError) as error:
        raise AudioError(
            f"expected a buffer of bytes or samples, got a {type(buffer).__name__} that cannot be "
            f"read: {error}"
        ) from error


def as_array(samples: Any) -> NDArray[Any]:
    """Samples as numpy sees them: array, tensor, or what numpy can view as an array.

    Raises:
        AudioError: if it cannot.
    """
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
    except Exception as error:  # whatever somebody's __array__ raises
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


def samples_of_list(values: Any) -> NDArray[Any]:
    """A plain list of numbers as an array.

    Raises:
        AudioError: if it is nested, or holds anything but floating-point numbers.
    """
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise AudioError(f"expected a flat list of samples: {error}") from error
    if array.ndim == 1 and array.dtype.kind == "f":
        return array
    if array.ndim == 1 and array.dtype.kind in "iu":
        raise AudioError(
            "a list of whole numbers does not say its full scale: "
            "use numpy.array(values, dtype=numpy.int16)"
        )
    raise AudioError("expected a flat list of numbers as samples, got a nested or mixed list")
