# SPDX-License-Identifier: Apache-2.0
"""Measures a finished model directory through funasr.AutoModel.

python -m training.demo.evaluate --model DIR [--real-digits PATH]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from . import dataset, synthesis
from .metrics import funasr_model, write_metrics
from .vocabulary import DIGITS, TEST_VOICES

# One test set for all runs, whatever the seed of their training.
TEST_SEED = 0
# How streaming models are measured: FunASR's own example, 600 ms at a time.
STREAM: dict[str, Any] = {
    "chunk_size": [0, 10, 5],
    "encoder_chunk_look_back": 4,
    "decoder_chunk_look_back": 1,
}
STREAM_SAMPLES = STREAM["chunk_size"][1] * 960


def errors_between(reference: Sequence[Any], hypothesis: Sequence[Any]) -> tuple[int, int, int]:
    """Substitutions, deletions and insertions of a cheapest alignment."""
    # Each cell: (cost, substitutions, deletions, insertions).
    row = [(j, 0, 0, j) for j in range(len(hypothesis) + 1)]
    for i, wanted in enumerate(reference, 1):
        previous, row = row, [(i, 0, i, 0)]
        for j, got in enumerate(hypothesis, 1):
            c, s, d, n = previous[j - 1]
            wrong = int(wanted != got)
            diagonal = (c + wrong, s + wrong, d, n)
            c, s, d, n = previous[j]
            down = (c + 1, s, d + 1, n)
            c, s, d, n = row[j - 1]
            row.append(min(diagonal, down, (c + 1, s, d, n + 1), key=lambda x: x[0]))
    return row[-1][1:]


def transcribe(model: Any, wave: np.ndarray) -> list[str]:
    """Words that FunASR hears in a 16 kHz signal."""
    answer = model.generate(input=wave, disable_pbar=True)
    return answer[0]["text"].split() if answer else []


def transcribe_stream(model: Any, wave: np.ndarray) -> list[str]:
    """Words that FunASR hears in a 16 kHz signal that comes chunk by chunk."""
    cache: dict[str, Any] = {}
    words: list[str] = []
    for at in range(0, len(wave), STREAM_SAMPLES):
        answer = model.generate(
            input=wave[at : at + STREAM_SAMPLES],
            cache=cache,
            is_final=at + STREAM_SAMPLES >= len(wave),
            disable_pbar=True,
            **STREAM,
        )
        words += answer[0]["text"].split()
    return words


def score(
    hear: Callable[[np.ndarray], list[str]], items: Iterable[tuple[np.ndarray, list[str]]]
) -> dict[str, float]:
    """Word error rate over (signal, words) pairs."""
    count = words = right = substitutions = deletions = insertions = 0
    seconds = 0.0
    for wave, reference in items:
        found = errors_between(reference, hear(wave))
        substitutions += found[0]
        deletions += found[1]
        insertions += found[2]
        right += int(sum(found) == 0)
        count += 1
        words += len(reference)
        seconds += len(wave) / synthesis.RATE
    wrong = substitutions + deletions + insertions
    return {
        "utterances": count,
        "words": words,
        "minutes_of_audio": round(seconds / 60, 1),
        "wer_percent": round(100.0 * wrong / max(words, 1), 2),
        "substitutions": substitutions,
        "deletions": deletions,
        "insertions": insertions,
        "utterances_all_right_percent": round(100.0 * right / max(count, 1), 1),
    }


def real_tests(
    real: synthesis.RealDigits, speaker: str, seed: int
) -> dict[str, list[tuple[np.ndarray, list[str]]]]:
    """Test sets of a real speaker: each digit alone, and strings of three to seven.

    The recordings are cut close to the speech, so each gets a fifth of a
    second of silence on both sides. Nothing else is done to them.
    """
    rng = np.random.default_rng([seed, 7])
    pad = np.zeros(synthesis.RATE // 5, dtype=np.float32)
    takes = [
        (np.concatenate([pad, synthesis.fade(wave), pad]), [digit])
        for digit in DIGITS
        for wave in real[(speaker, digit)]
    ]
    order = [takes[i] for i in rng.permutation(len(takes))]
    strings, at = [], 0
    while at + 7 <= len(order):
        part = order[at : at + int(rng.integers(3, 8))]
        # Joined whole: the two paddings make a pause of 0.4 s between digits.
        wave = np.concatenate([wave for wave, _ in part])
        strings.append((wave, [word for _, words in part for word in words]))
        at += len(part)
    return {"real_single_digits": takes, "real_digit_strings": strings}


def measure(
    directory: Path,
    seed: int,
    count: int,
    real: synthesis.RealDigits,
    held_out: str,
    run: dict[str, float] | None = None,
) -> dict[str, Any]:
    """Measure a model directory and write its metrics.json."""
    model = funasr_model(directory, torch.get_num_threads())
    streaming = "Streaming" in type(model.model).__name__
    hear = partial(transcribe_stream if streaming else transcribe, model)
    source = dataset.make_source("test", seed, {}, held_out)
    metrics: dict[str, Any] = {
        "parameters": sum(p.numel() for p in model.model.parameters()),
        "unseen_espeak_voices": {
            "voices": len(TEST_VOICES),
            **score(hear, (dataset.utterance(source, i) for i in range(count))),
        },
    }
    if real:
        for name, items in real_tests(real, held_out, seed).items():
            metrics[name] = {"speaker": held_out, **score(hear, items)}
    write_metrics(directory, metrics, run)
    return metrics


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--real-digits", type=Path)
    parser.add_argument("--held-out-speaker", default="yweweler")
    parser.add_argument("--test-utterances", type=int, default=400)
    args = parser.parse_args()
    real = synthesis.load_real_digits(args.real_digits) if args.real_digits else {}
    measure(args.model, TEST_SEED, args.test_utterances, real, args.held_out_speaker)


if __name__ == "__main__":
    main()
