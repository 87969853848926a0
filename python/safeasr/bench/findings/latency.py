"""From measured latencies to the few numbers that a report keeps, and back to curves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from safeasr.bench.findings.results import Latency

__all__ = ["P99_SAMPLES", "P999_SAMPLES", "bin_edges", "cdf", "merge", "quantiles", "summarise"]

#: Fewer samples say nothing about a percentile so far out: ten must lie above it.
P99_SAMPLES = 1_000
P999_SAMPLES = 10_000

# Bin k reaches from _EDGES[k] to _EDGES[k + 1]. The last edge is 16 years, so nothing lies beyond.
_EDGES: NDArray[np.float64] = 0.01 * 1.02 ** np.arange(1600, dtype=np.float64)


def bin_edges(latency: Latency) -> NDArray[np.float64]:
    """The borders of its bins.

    Returns:
        (bins + 1,) ms, ascending; empty without samples.
    """
    if not latency.bins:
        return np.empty(0)
    return _EDGES[latency.first_bin : latency.first_bin + len(latency.bins) + 1]


def summarise(values_ms: ArrayLike) -> Latency:
    """The distribution of raw latencies.

    Args:
        values_ms: (n,) ms, in any order; what is below 0.01 ms counts in the first bin.

    Raises:
        ValueError: one of them is no finite number.
    """
    values = np.asarray(values_ms, dtype=np.float64).ravel()
    if not values.size:
        return Latency()
    if not np.isfinite(values).all():
        raise ValueError("a latency is no finite number")
    numbers = np.clip(np.searchsorted(_EDGES, values, side="right") - 1, 0, _EDGES.size - 2)
    counts = np.bincount(numbers)
    first = int(numbers.min())
    p50, p90, p95, p99, p999 = (float(p) for p in np.percentile(values, [50, 90, 95, 99, 99.9]))
    return Latency(
        samples=values.size,
        p50=p50,
        p90=p90,
        p95=p95,
        p99=p99 if values.size >= P99_SAMPLES else None,
        p999=p999 if values.size >= P999_SAMPLES else None,
        mean=float(values.mean()),
        max=float(values.max()),
        bins=counts[first:].tolist(),
        first_bin=first,
    )


def quantiles(
    edges: NDArray[np.float64], counts: NDArray[np.int64], shares: Sequence[float]
) -> NDArray[np.float64]:
    """Quantiles of what was counted in bins: within a bin, evenly on a log scale.

    Args:
        edges: (bins + 1,) ms, of :func:`bin_edges`.
        counts: (..., bins) samples in each; every row has some.
        shares: which quantiles, each 0 to 1.

    Returns:
        (..., shares) ms, at most 2 % beside those of the samples themselves.
    """
    total = counts.cumsum(axis=-1)
    before = total - counts
    out = np.empty((*counts.shape[:-1], len(shares)))
    for place, share in enumerate(shares):
        rank = share * total[..., -1:]
        # The first bin that reaches the rank and holds something.
        at = np.argmax((total >= rank) & (counts > 0), axis=-1)[..., None]
        inside = np.take_along_axis(counts, at, -1)
        part = np.clip((rank - np.take_along_axis(before, at, -1)) / inside, 0, 1)
        low, high = edges[at], edges[at + 1]
        out[..., place] = (low * (high / low) ** part)[..., 0]
    return out


def cdf(latency: Latency) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The share of samples below each border of the bins.

    Returns:
        (bins + 1,) ms and (bins + 1,) shares from 0 to 1; both empty without samples.
    """
    if not latency.bins:
        return np.empty(0), np.empty(0)
    total = np.concatenate([[0], np.cumsum(latency.bins)])
    return bin_edges(latency), total / total[-1]


def merge(latencies: Sequence[Latency]) -> Latency:
    """One distribution of all samples of several.

    Numbers, means and maxima are exact, percentiles come from the bins (within 2 %).
    """
    kept = [one for one in latencies if one.samples]
    if len(kept) < 2:
        return kept[0] if kept else Latency()
    first = min(one.first_bin for one in kept)
    counts = np.zeros(max(one.first_bin + len(one.bins) for one in kept) - first, dtype=np.int64)
    for one in kept:
        start = one.first_bin - first
        counts[start : start + len(one.bins)] += np.asarray(one.bins, dtype=np.int64)
    samples = sum(one.samples for one in kept)
    largest = max(one.max or 0.0 for one in kept)
    merged = Latency(samples=samples, bins=counts.tolist(), first_bin=first, max=largest)
    merged.mean = sum((one.mean or 0.0) * one.samples for one in kept) / samples
    found = quantiles(bin_edges(merged), counts, [0.5, 0.9, 0.95, 0.99, 0.999])
    p50, p90, p95, p99, p999 = (min(float(value), largest) for value in found)
    merged.p50, merged.p90, merged.p95 = p50, p90, p95
    merged.p99 = p99 if samples >= P99_SAMPLES else None
    merged.p999 = p999 if samples >= P999_SAMPLES else None
    return merged
