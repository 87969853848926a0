"""What reduced precision costs: words of the demo models, numbers of full-size ones.

    python -m benchmarks.accuracy [--utterances 2000] [--clips 12] [--without-full] [--results DIR]

Words: utterances of the voices that the demo models were tested on and never heard before, made as
for their metrics.json (espeak-ng), through `AutoModel` in each precision. Numbers: see
benchmarks/accuracy/numbers.py. Writes accuracy.json and the table of docs/precision.md. Figures are
no times: other load on the machine does not matter.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from training.demo import dataset
from training.demo.evaluate import STREAM, STREAM_SAMPLES, TEST_SEED, errors_between

from benchmarks.accuracy.numbers import paraformer_numbers, sense_voice_numbers
from benchmarks.common.facts import RESULTS, write_result
from benchmarks.peers.adapters import PRECISION_OPTIONS
from benchmarks.report.accuracy import PAGE, write_page
from safeasr import AutoModel

#: Utterances that metrics.json of the demo models is about: the first ones.
OF_METRICS = 400
CALLERS = 8
Samples = NDArray[np.float32]


def unseen_voices(count: int) -> list[tuple[Samples, list[str]]]:
    """Signals and their words; the same for the same count."""
    source = dataset.make_source("test", TEST_SEED, {}, "")
    return [dataset.utterance(source, index) for index in range(count)]


def _hear(model: AutoModel, wave: Samples) -> list[str]:
    words: list[str] = model.generate(wave)[0]["text"].split()
    return words


def _hear_live(model: AutoModel, wave: Samples) -> list[str]:
    words: list[str] = []
    with model.stream(**STREAM) as stream:
        for at in range(0, len(wave), STREAM_SAMPLES):
            last = at + STREAM_SAMPLES >= len(wave)
            piece = wave[at : at + STREAM_SAMPLES]
            words += stream.feed(piece, is_final=last)["text"].split()
    return words


def _interval(difference: NDArray[np.float64], words: NDArray[np.float64]) -> list[float]:
    """95 % of the differences in points that another draw of utterances would show."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(words), (4000, len(words)))
    points = 100 * difference[drawn].sum(1) / words[drawn].sum(1)
    return [round(float(p), 2) for p in np.percentile(points, (2.5, 97.5))]


def word_errors(name: str, items: Sequence[tuple[Samples, list[str]]]) -> list[dict[str, Any]]:
    """A row for each precision of a demo model."""
    rows: list[dict[str, Any]] = []
    words = np.array([len(reference) for _, reference in items], np.float64)
    heard: dict[str, list[list[str]]] = {}
    wrong: dict[str, NDArray[np.float64]] = {}
    hear = _hear_live if "streaming" in name else _hear
    for precision, options in PRECISION_OPTIONS.items():
        with (
            AutoModel(name, disable_pbar=True, **options) as model,
            ThreadPoolExecutor(CALLERS) as pool,
        ):
            runs_in = model.precision
            heard[precision] = list(pool.map(lambda i, m=model: hear(m, i[0]), items))
        texts = heard[precision]
        counts = [
            sum(errors_between(reference, got))
            for (_, reference), got in zip(items, texts, strict=True)
        ]
        wrong[precision] = np.array(counts, np.float64)
        difference = wrong[precision] - wrong["float32"]
        rows.append(
            {
                "model": name,
                "precision": precision,
                "runs_in": runs_in,
                "utterances": len(items),
                "words": int(words.sum()),
                "wer_percent": round(100 * float(wrong[precision].sum() / words.sum()), 2),
                "wer_percent_of_metrics": round(
                    100 * float(wrong[precision][:OF_METRICS].sum() / words[:OF_METRICS].sum()), 2
                ),
                "cost_points": round(100 * float(difference.sum() / words.sum()), 2),
                "cost_interval": _interval(difference, words),
                "texts_as_float32": round(
                    float(np.mean([a == b for a, b in zip(texts, heard["float32"], strict=True)])),
                    4,
                ),
            }
        )
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.accuracy", description=__doc__.split("\n", maxsplit=1)[0]
    )
    parser.add_argument("--utterances", type=int, default=2000)
    parser.add_argument("--clips", type=int, default=12, help="for the full-size models")
    parser.add_argument("--without-full", action="store_true", help="the demo models only")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    items = unseen_voices(arguments.utterances)
    minutes = round(sum(len(wave) for wave, _ in items) / 16000 / 60, 1)
    rows = [row for name in ("demo", "demo-streaming") for row in word_errors(name, items)]
    numbers: list[dict[str, Any]] = []
    if not arguments.without_full:
        numbers = paraformer_numbers(arguments.clips) + sense_voice_numbers(arguments.clips)
    write_result(
        arguments.results, "accuracy", minutes_of_audio=minutes, words=rows, numbers=numbers
    )
    if arguments.results == RESULTS:
        write_page(RESULTS, PAGE)


if __name__ == "__main__":
    main()
