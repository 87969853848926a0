"""From the loads that were taken to the rows of the result."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.peers.setups import Group, Setup

_TAGS = re.compile(r"<\|[^|]*\|>")
Texts = Mapping[str, set[str]]


def plain(text: str) -> str:
    """A text without SenseVoice's tags, spaces and case: libraries differ in these on purpose."""
    return "".join(_TAGS.sub("", text).split()).lower()


def rtfx(load: Mapping[str, Any]) -> float:
    """Audio seconds recognised in a second."""
    return float(load["audio_s"] / load["wall_s"]) if load["wall_s"] else 0.0


def texts_of(loads: Sequence[Mapping[str, Any]]) -> dict[str, set[str]]:
    """All texts that each utterance got."""
    texts: dict[str, set[str]] = {}
    for load in loads:
        for name, found in load["texts"].items():
            texts.setdefault(name, set()).update(map(plain, found))
    return texts


def equal_share(ours: Texts, reference: Texts) -> float | None:
    """Share of the utterances that always got the reference's text; None without a reference."""
    known = [name for name in ours if len(reference.get(name, ())) == 1]
    if not known:
        return None
    return sum(ours[name] == reference[name] for name in known) / len(known)


def character_errors(ours: Texts, reference: Texts) -> float | None:
    """Characters to change, put in or leave out, as a share of the reference's; None without one.

    All texts that an utterance got count, each once.
    """
    import jiwer

    known = {name: min(texts) for name, texts in reference.items() if len(texts) == 1}
    pairs = [(known[name], text) for name in ours if known.get(name) for text in ours[name]]
    return float(jiwer.cer([a for a, _ in pairs], [b for _, b in pairs])) if pairs else None


def row(
    group: Group, setup: Setup, loads: Sequence[Mapping[str, Any]], reference: Texts, cores: int
) -> dict[str, Any]:
    """Figures of a system: medians of the loads; percentiles are of all their calls together."""
    latencies = [value * 1000 for load in loads for value in load["latencies_s"]]
    errors: Counter[str] = Counter()
    for load in loads:
        errors.update(load["errors"])
    speeds = [rtfx(load) for load in loads]

    def median(values: Sequence[float], digits: int = 2) -> float:
        return round(statistics.median(values), digits)

    def percentile(percent: float) -> float:
        return round(float(np.percentile(latencies, percent)), 1) if latencies else float("nan")

    texts = texts_of(loads)
    equal = equal_share(texts, reference)
    wrong = character_errors(texts, reference)
    return {
        "system": group.name,
        "library": group.library,
        "precision": group.precision,
        "setup": setup.as_dict(),
        "setup_text": setup.describe(),
        "callers": loads[0]["callers"],
        "rounds": len(loads),
        "calls": len(latencies),
        "rtfx": median(speeds),
        "rtfx_lowest": round(min(speeds), 2),
        "rtfx_highest": round(max(speeds), 2),
        "p50_ms": percentile(50),
        "p95_ms": percentile(95),
        "p99_ms": percentile(99),
        "cpu_s_per_audio_hour": median(
            [load["cpu_s"] / load["audio_s"] * 3600 for load in loads if load["audio_s"]] or [0.0],
            1,
        ),
        "cores_busy": median([load["cpu_s"] / load["wall_s"] / cores for load in loads], 3),
        "peak_mb": round(max(load["peak_mb"] for load in loads)),
        "serving_mb": round(max(load["serving_mb"] for load in loads)),
        "mean_batch": median([load["mean_batch"] for load in loads]),
        "errors": dict(errors),
        "equal_texts": None if equal is None else round(equal, 4),
        "character_errors": None if wrong is None else round(wrong, 4),
        "changing_texts": sum(len(found) > 1 for found in texts.values()),
        "other_cpu_highest": round(max(load["other_cpu"] for load in loads), 2),
        "rtfx_of_rounds": [round(speed, 2) for speed in speeds],
    }


def roof_of(rates: Sequence[Mapping[str, Any]], gflop: float, audio_s: float) -> dict[str, Any]:
    """RTFx at the highest measured rate of each precision, on one core and on all of them."""
    roof: dict[str, Any] = {}
    per_second = gflop / audio_s
    for precision in dict.fromkeys(one["precision"] for one in rates):
        mine = [one for one in rates if one["precision"] == precision]
        one_core, all_cores = (max(o[key] for o in mine) for key in ("one_core", "all_cores"))
        roof[precision] = {
            "one_core_gflops": one_core,
            "all_cores_gflops": all_cores,
            "one_core_rtfx": round(one_core / per_second, 1),
            "all_cores_rtfx": round(all_cores / per_second, 1),
        }
    return roof


def add_roof(rows: Sequence[dict[str, Any]], roof: Mapping[str, Any]) -> None:
    """To each row its share of its precision's roof, and where the rest of the cores' time went.

    ``share_of_roof`` is the time that the cores would need for the products at the highest rate.
    ``other_work`` is processor time beyond that: products that run slower, and everything else.
    ``idle`` is what nobody used.
    """
    for one in rows:
        if (limit := roof.get(one["precision"])) is None:
            continue
        share = one["rtfx"] / limit["all_cores_rtfx"]
        one["share_of_roof"] = round(share, 3)
        one["other_work"] = round(max(0.0, one["cores_busy"] - share), 3)
        one["idle"] = round(max(0.0, 1 - max(one["cores_busy"], share)), 3)
