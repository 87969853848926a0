# SPDX-License-Identifier: Apache-2.0
"""Measures a voice activity detector through funasr.AutoModel, in full and in telephone band.

python -m training.demo.evaluate_vad --model DIR [--real-digits PATH]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from . import synthesis, vad_data, vad_telephone
from .dataset import Source, make_source
from .evaluate import TEST_SEED
from .metrics import funasr_model, write_metrics

END_SILENCE_MS = 800
# Edges next to less silence than this may fall inside a segment, by design.
CLEAR_MS = 1300
NEAR_MS = 600


def runs(speech: np.ndarray) -> list[tuple[int, int]]:
    """Begin and end in ms of each stretch of speech frames."""
    change = np.flatnonzero(np.diff(np.concatenate([[0], speech.astype(np.int8), [0]])))
    return [(int(a) * 10, int(b) * 10) for a, b in zip(change[::2], change[1::2])]


def merged(parts: list[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    """Join stretches with shorter pauses than `gap` ms."""
    joined: list[tuple[int, int]] = []
    for begin, end in parts:
        if joined and begin - joined[-1][1] < gap:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return joined


def _nearest(value: int, others: list[int]) -> int | None:
    """The difference to the nearest of some values, if any is near."""
    differences = [other - value for other in others]
    best = min(differences, key=abs, default=NEAR_MS + 1)
    return best if abs(best) <= NEAR_MS else None


def _summary(differences: list[int | None]) -> dict[str, float]:
    found = np.array([d for d in differences if d is not None])
    median = float(np.median(found))
    return {
        "median_ms": median,
        "median_distance_from_median_ms": float(np.median(np.abs(found - median))),
        "within_100_ms_of_median_percent": round(
            100.0 * float(np.mean(np.abs(found - median) <= 100)), 1
        ),
        "not_found_percent": round(100.0 * (1 - len(found) / len(differences)), 1),
    }


def score(
    model: Any,
    source: Source,
    count: int,
    lines: Sequence[Callable[[synthesis.Wave], synthesis.Wave]] = (),
) -> dict[str, Any]:
    """Errors of frames (the network alone) and of segments (with FunASR's decision).

    The recordings come through `lines` by turns, if there are any.
    """
    frontend = model.kwargs["frontend"]
    missed = false = speech_total = silence_total = 0
    begins: list[int | None] = []
    ends: list[int | None] = []
    spurious = segments = swallowed = references = 0
    seconds, certain = 0.0, 0.0
    for index in range(count):
        wave, speech = vad_data.recording(source, index)
        if lines:
            wave = lines[index % len(lines)](wave)
        seconds += len(wave) / synthesis.RATE
        samples = torch.from_numpy(wave)[None]
        with torch.no_grad():
            feats, _ = frontend(samples, torch.tensor([samples.shape[1]]), cache={}, is_final=True)
            silence = model.model.encoder(feats, cache={})[0, :, 0].numpy()
        certain = max(certain, float(silence.max()), 1.0 - float(silence.min()))
        size = min(len(silence), len(speech))
        # FunASR's rule with its default speech_noise_thres of recordings, 0.5.
        heard = 1.0 - silence[:size] >= silence[:size] + 0.5
        missed += int((speech[:size] & ~heard).sum())
        false += int((~speech[:size] & heard).sum())
        speech_total += int(speech[:size].sum())
        silence_total += int((~speech[:size]).sum())

        answer = model.generate(input=wave, max_end_silence_time=END_SILENCE_MS, disable_pbar=True)
        found = [tuple(segment) for segment in answer[0]["value"]]
        wanted = merged(runs(speech), END_SILENCE_MS)
        limits = [(-CLEAR_MS, -CLEAR_MS), *wanted, (len(speech) * 10 + CLEAR_MS,) * 2]
        for before, (begin, end), after in zip(limits, wanted, limits[2:]):
            if begin - before[1] >= CLEAR_MS:
                begins.append(_nearest(begin, [b for b, _ in found]))
            if after[0] - end >= CLEAR_MS:
                ends.append(_nearest(end, [e for _, e in found]))
        segments += len(found)
        references += len(wanted)
        spurious += sum(all(e <= b or a >= f for b, f in wanted) for a, e in found)
        swallowed += sum(all(e <= a or b >= f for a, f in found) for b, e in wanted)
    return {
        "recordings": count,
        "minutes_of_audio": round(seconds / 60, 1),
        "missed_speech_frames_percent": round(100.0 * missed / max(speech_total, 1), 2),
        "false_speech_frames_percent": round(100.0 * false / max(silence_total, 1), 2),
        "highest_probability": certain,
        "segments_expected": references,
        "segments_found": segments,
        "segments_without_speech": spurious,
        "speech_without_segment": swallowed,
        "begin": _summary(begins),
        "end": _summary(ends),
    }


def measure(
    directory: Path,
    count: int,
    real: synthesis.RealDigits,
    held_out: str,
    run: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Measure a model directory and write its metrics.json."""
    model = funasr_model(directory, torch.get_num_threads())
    source = make_source("test", TEST_SEED, {}, held_out)
    lines = list(vad_telephone.MEASURED.values())
    metrics: dict[str, Any] = {
        "parameters": sum(p.numel() for p in model.model.parameters()),
        "telephone_lines": list(vad_telephone.MEASURED),
        "unseen_espeak_voices": score(model, source, count),
        "unseen_espeak_voices_telephone_band": score(model, source, count, lines),
    }
    if real:
        kept = {key: takes for key, takes in real.items() if key[0] == held_out}
        source = replace(source, real=kept, real_speakers=[held_out], real_share=1.0)
        metrics["real_digits"] = {"speaker": held_out, **score(model, source, count)}
        metrics["real_digits_telephone_band"] = {
            "speaker": held_out,
            **score(model, source, count, lines),
        }
    write_metrics(directory, metrics, run)
    return metrics


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--real-digits", type=Path)
    parser.add_argument("--held-out-speaker", default="yweweler")
    parser.add_argument("--test-recordings", type=int, default=150)
    args = parser.parse_args()
    real = synthesis.load_real_digits(args.real_digits) if args.real_digits else {}
    measure(args.model, args.test_recordings, real, args.held_out_speaker)


if __name__ == "__main__":
    main()
