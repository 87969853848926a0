"""Token timestamps from CIF weights and peaks.

A continuous integrate-and-fire (CIF) predictor adds up one weight per frame and fires a token when
the sum reaches one (Dong and Xu, "CIF: Continuous Integrate-and-Fire for End-to-End Speech
Recognition", 2020). The frames at which it fires bound the tokens. The rules for silence, long
tokens and the tail are those of FunASR's ``utils/timestamp_tools.py``, so results are equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "TokenTimestamps",
    "integrate_and_fire",
    "paraformer_timestamps",
    "ts_prediction_lfr6_standard",
]

#: The sum at which a token fires; a little under one so that rounding cannot delay a token.
FIRE_THRESHOLD = 1.0 - 1e-4
#: Silence at the start or the end is marked when it is longer than this, in frames.
_MIN_SILENCE_FRAMES = 5
#: A token lasts at most this long, in frames; what follows is silence.
_MAX_TOKEN_FRAMES = 12
#: One frame after low-frame-rate stacking by six, in seconds, before upsampling.
_LFR_FRAME_S = 10.0 * 6 / 1000
_SILENCE = "<sil>"
_EOS = "</s>"

_Float32 = NDArray[np.float32]


class TokenTimestamps(NamedTuple):
    """Where the tokens lie in time.

    Attributes:
        text: ``"token start end;"`` for every token and silence, times in seconds cut to five
            characters: FunASR's printed form.
        timestamps: ``[start, end]`` in whole milliseconds for every token, silences left out.
            Early tokens may start below zero, as in FunASR.
    """

    text: str
    timestamps: list[list[int]]


class _Span:
    """A labelled stretch of time in seconds, while it is being adjusted."""

    __slots__ = ("end", "label", "start")

    def __init__(self, label: str, start: float, end: float) -> None:
        self.label = label
        self.start = start
        self.end = end


def _first_row_float32(values: Any, name: str) -> _Float32:
    """One utterance's values as a float32 vector; the argument is never written to."""
    detach = getattr(values, "detach", None)
    if detach is not None:  # a torch tensor, on any device and of any float type
        values = detach().cpu().float().numpy()
    array = np.asarray(values, dtype=np.float32)
    if array.ndim == 2:
        array = array[0]
    if array.ndim != 1:
        raise ValueError(f"{name} must have shape [frames] or [1, frames], not {array.shape}")
    return array


def integrate_and_fire(alphas: _Float32, threshold: float = FIRE_THRESHOLD) -> _Float32:
    """The running CIF sum of each frame, before the threshold is taken off.

    Args:
        alphas: weights, shape [frames], float32.
        threshold: the sum at which a token fires.

    Returns:
        Shape [frames], float32; a value at or above ``threshold`` is a fire. The arithmetic is
        float32 throughout, as in FunASR's ``cif_wo_hidden``, so that fires fall on equal frames.
    """
    limit = np.float32(threshold)
    total = np.float32(0.0)
    sums = np.empty(alphas.shape[0], dtype=np.float32)
    for frame, weight in enumerate(alphas):
        total = total + weight
        sums[frame] = total
        if total >= limit:
            total = total - limit
    return sums


def _fire_frames(peaks: _Float32, shift: float) -> NDArray[np.float64]:
    frames = np.flatnonzero(peaks >= np.float32(FIRE_THRESHOLD))
    return frames.astype(np.float64) + shift


def _rescaled_peaks(alphas: _Float32, fires: int) -> _Float32:
    """Peaks of ``alphas`` scaled so that exactly ``fires`` tokens fire."""
    # Summed in double precision: closest to any order of single-precision summation.
    total = np.float32(alphas.sum(dtype=np.float64))
    with np.errstate(all="ignore"):  # weights that sum to zero give NaN, which never fires
        return integrate_and_fire(alphas / np.float32(total / np.float32(fires)))


def _token_spans(
    fires: NDArray[np.float64], tokens: Sequence[str], frames: int, frame_s: float
) -> list[_Span]:
    """Tokens and silences between the fires, in order. Frame times are in units of ``frame_s``."""
    spans: list[_Span] = []
    if fires[0] > _MIN_SILENCE_FRAMES:
        spans.append(_Span(_SILENCE, 0.0, float(fires[0] * frame_s)))
    for token, begin, end in zip(tokens, fires[:-1], fires[1:], strict=False):
        if end - begin <= _MAX_TOKEN_FRAMES:
            spans.append(_Span(token, float(begin * frame_s), float(end * frame_s)))
            continue
        split = begin + _MAX_TOKEN_FRAMES
        spans.append(_Span(token, float(begin * frame_s), float(split * frame_s)))
        spans.append(_Span(_SILENCE, float(split * frame_s), float(end * frame_s)))
    if not spans:
        return spans
    last = float(fires[-1])
    if frames - last > _MIN_SILENCE_FRAMES:
        # The last token takes half of the tail, the rest is silence.
        middle = (frames + last) * 0.5
        spans[-1].end = middle * frame_s
        spans.append(_Span(_SILENCE, middle * frame_s, frames * frame_s))
    else:
        spans[-1].end = frames * frame_s
    return spans


def ts_prediction_lfr6_standard(
    alphas: Any,
    peaks: Any,
    tokens: Sequence[str],
    vad_offset: float = 0.0,
    force_time_shift: float = -1.5,
    sil_in_str: bool = True,
    upsample_rate: int = 3,
) -> TokenTimestamps:
    """Start and end of every token from CIF weights and peaks.

    Equal to ``funasr.utils.timestamp_tools.ts_prediction_lfr6_standard`` wherever that returns,
    and never changes its arguments. If the number of peaks is not one more than the number of
    tokens, the weights are scaled to that sum and integrated again.

    Args:
        alphas: CIF weights, shape [frames] or [1, frames], numpy array or torch tensor.
        peaks: CIF sums, same shape; a fire where at least 0.9999.
        tokens: the tokens of the utterance; one trailing ``"</s>"`` is ignored.
        vad_offset: start of the segment in the recording, in milliseconds, added to all times.
        force_time_shift: added to every fire, in frames.
        sil_in_str: whether silences are part of the printed form.
        upsample_rate: how many frames the predictor makes of one encoder frame (60 ms).

    Returns:
        The printed form and ``[[start, end], ...]`` in milliseconds. Both are empty when there
        are no tokens or nothing fires.

    Raises:
        ValueError: if ``alphas`` or ``peaks`` has another shape.
    """
    if not len(tokens):
        return TokenTimestamps("", [])
    weights = _first_row_float32(alphas, "alphas")
    sums = _first_row_float32(peaks, "peaks")
    names = list(tokens[:-1]) if tokens[-1] == _EOS else list(tokens)

    fires = _fire_frames(sums, force_time_shift)
    if len(fires) != len(names) + 1:
        sums = _rescaled_peaks(weights, len(names) + 1)
        # Beyond some ten thousand tokens the threshold lets one more fire than asked for.
        fires = _fire_frames(sums, force_time_shift)[: len(names) + 1]
    if not len(fires):
        return TokenTimestamps("", [])

    spans = _token_spans(fires, names, len(sums), _LFR_FRAME_S / upsample_rate)
    if vad_offset:
        for span in spans:
            span.start += vad_offset / 1000.0
            span.end += vad_offset / 1000.0
    text = "".join(
        f"{span.label} {_seconds(span.start)} {_seconds(span.end)};"
        for span in spans
        if sil_in_str or span.label != _SILENCE
    )
    milliseconds = [
        [int(span.start * 1000), int(span.end * 1000)] for span in spans if span.label != _SILENCE
    ]
    return TokenTimestamps(text, milliseconds)


def _seconds(value: float) -> str:
    """A time as FunASR prints it: half a millisecond up, then cut to five characters."""
    return str(value + 0.0005)[:5]


def paraformer_timestamps(
    alphas: Any,
    cif_peak: Any,
    tokens: Sequence[str],
    encoder_len: int | None = None,
    *,
    tail_mask: bool = True,
    tail_threshold: float = 0.0,
    begin_time: float = 0.0,
) -> TokenTimestamps:
    """Timestamps of plain Paraformer with ``pred_timestamp=True``.

    As in FunASR's ``models/paraformer/model.py`` after 1.4.16; up to that release it hands the
    predictor's peaks to the timestamp function as weights and its weights as peaks.

    Args:
        alphas: the predictor's weights for this utterance, shape [frames].
        cif_peak: the predictor's running sums for this utterance, shape [frames].
        tokens: the utterance's tokens, without start, end and blank.
        encoder_len: encoder frames of this utterance; needed with ``tail_mask`` so that padding
            of a batch cannot move the tail. None: the arrays hold no padding.
        tail_mask: the predictor's setting of that name.
        tail_threshold: the predictor's setting; above zero it appends one frame.
        begin_time: start of the segment in the recording, in milliseconds.

    Returns:
        As :func:`ts_prediction_lfr6_standard`.
    """
    weights = _first_row_float32(alphas, "alphas")
    sums = _first_row_float32(cif_peak, "cif_peak")
    if tail_mask and encoder_len is not None:
        length = min(encoder_len + int(tail_threshold > 0.0), len(weights), len(sums))
        weights, sums = weights[:length], sums[:length]
    return ts_prediction_lfr6_standard(
        weights, sums, tokens, vad_offset=begin_time, upsample_rate=1
    )
