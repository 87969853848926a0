# SPDX-License-Identifier: Apache-2.0
"""Measures the demo's speaker model through FunASR, on people it never heard.

python -m training.demo.evaluate_speakers --model DIR [--real-digits FSDD_FOLDER_OR_TAR]
"""

from __future__ import annotations

import argparse
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from . import speaker_data, synthesis
from .dataset import Source, make_source
from .evaluate import TEST_SEED
from .metrics import funasr_model, write_metrics

#: Samples of a window, and from one to the next, as in pipelines.
WINDOW, SHIFT = int(1.5 * synthesis.RATE), int(0.75 * synthesis.RATE)


def equal_error(embeddings: np.ndarray, people: np.ndarray) -> float:
    """Where as many pairs of one person are taken for two as the other way round."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    first, second = np.triu_indices(len(unit), 1)
    scores = (unit @ unit.T)[first, second]
    same = people[first] == people[second]
    order = np.argsort(scores)
    missed = np.cumsum(same[order]) / max(same.sum(), 1)
    accepted = 1.0 - np.cumsum(~same[order]) / max((~same).sum(), 1)
    at = int(np.argmin(np.abs(missed - accepted)))
    return float((missed[at] + accepted[at]) / 2)


def _embed(model: Any, waves: list[synthesis.Wave]) -> np.ndarray:
    found = [model.generate(wave, disable_pbar=True)[0]["spk_embedding"] for wave in waves]
    return np.concatenate([one.numpy() for one in found])


def _windows(wave: synthesis.Wave) -> list[synthesis.Wave]:
    starts = range(0, max(len(wave) - WINDOW, 0) + 1, SHIFT)
    return [wave[start : start + WINDOW] for start in starts]


def verification(model: Any, source: Source, each: int) -> dict[str, Any]:
    """The equal error rate of windows of 1.5 s, each against every other."""
    people = speaker_data.people_of(source)
    waves, numbers = [], []
    for index in range(each * len(people)):
        rng = np.random.default_rng([source.seed, 8, index])
        number = index % len(people)
        speech = speaker_data.clean_speech(rng, source, people[number])
        waves.append(speaker_data.recorded(rng, speech)[:WINDOW])
        numbers.append(number)
    error = equal_error(_embed(model, waves), np.array(numbers))
    return {
        "people": len(people),
        "windows": len(waves),
        "equal_error_percent": round(100 * error, 2),
    }


def conversations(model: Any, source: Source, count: int) -> dict[str, Any]:
    """Two people by turns: how many FunASR's clustering finds, and whose each window is.

    It is not told that there are two.
    """
    from funasr.models.campplus.cluster_backend import ClusterBackend

    people = speaker_data.people_of(source)
    cluster = ClusterBackend(merge_thr=0.78)
    two, right, total = 0, 0, 0
    for number in range(count):
        rng: Generator = np.random.default_rng([source.seed, 9, number])
        pair = rng.choice(len(people), 2, replace=False)
        waves, truth = [], []
        for turn in range(12):
            who = int(turn % 2)
            speech = speaker_data.clean_speech(rng, source, people[pair[who]])
            cut = _windows(speech / max(float(np.abs(speech).max()), 1e-6) * 0.5)
            waves += cut
            truth += [who] * len(cut)
        found = cluster(_embed(model, waves), oracle_num=None)
        two += len(set(found.tolist())) == 2
        agree = [
            sum(names[who] == label for who, label in zip(truth, found.tolist(), strict=True))
            for names in itertools.permutations([*sorted(set(found.tolist())), -1], 2)
        ]
        right += max(agree)
        total += len(truth)
    return {
        "conversations": count,
        "found_two_people": two,
        "windows": total,
        "windows_right_percent": round(100 * right / total, 2),
    }


def measure(
    directory: Path,
    real: synthesis.RealDigits,
    held_out: str,
    run: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Measure a model directory and write its metrics.json."""
    model = funasr_model(directory, 1)
    source = make_source("test", TEST_SEED, {}, held_out)
    metrics: dict[str, Any] = {
        "parameters": sum(p.numel() for p in model.model.parameters()),
        "unseen_espeak_voices": verification(model, source, 25),
        "two_unseen_voices": conversations(model, source, 40),
    }
    if real:
        takes = {key: value for key, value in real.items() if key[0] == held_out}
        mixed = replace(source, real=takes, real_speakers=[held_out])
        metrics["with_a_real_person"] = {
            "speaker": held_out,
            **verification(model, mixed, 25),
        }
    write_metrics(directory, metrics, run)
    return metrics


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--real-digits", type=Path)
    parser.add_argument("--held-out-speaker", default="yweweler")
    args = parser.parse_args()
    real = synthesis.load_real_digits(args.real_digits) if args.real_digits else {}
    measure(args.model, real, args.held_out_speaker)


if __name__ == "__main__":
    main()
