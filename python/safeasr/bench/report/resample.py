"""How far a figure of one run can be trusted: intervals by resampling what the report keeps."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from safeasr.bench.findings.latency import bin_edges, quantiles
from safeasr.bench.findings.results import Latency, Run, Second

__all__ = ["RESAMPLES", "newcombe", "resampled_latency", "resampled_throughput"]

RESAMPLES = 1000
# What happened in one second tells of the next ones: queues drain, caches fill, neighbours work.
# For how long is not known, so of these lengths (in parts of the run) the one counts that finds the
# most chance; but no block is shorter than this.
_SHORTEST_BLOCK_S = 5
_PARTS = (1000, 12, 6)
#: Shorter time lines have too few blocks to say anything.
_SHORTEST_S = 20


def _t_quantile(freedom: float) -> float:
    """97.5 % of Student's t, by the expansion around the normal distribution's."""
    z = 1.959964
    first = (z**3 + z) / (4 * freedom)
    return z + first + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def _drift(
    values: NDArray[np.float64], weights: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.float64]:
    """How far the weighted mean of values in a row is off by chance: a circular block bootstrap.

    Args:
        values: (n,) in the order of time.
        weights: (n,) of each, positive in sum.
        random: draws the blocks.

    Returns:
        (RESAMPLES,) deviations, widened for how few blocks there are.
    """
    count = values.size
    middle = np.average(values, weights=weights)
    best = np.zeros(RESAMPLES)
    for length in sorted({max(_SHORTEST_BLOCK_S, count // parts) for parts in _PARTS}):
        blocks = max(2, round(count / length))
        starts = random.integers(0, count, (RESAMPLES, blocks))
        at = (starts[..., None] + np.arange(length)).reshape(RESAMPLES, -1) % count
        means = (values * weights)[at].sum(1) / np.maximum(weights[at].sum(1), 1e-12)
        wider = _t_quantile(blocks - 1) / 1.959964 * math.sqrt(blocks / (blocks - 1))
        deviations = (means - middle) * wider
        if deviations.std() > best.std():
            best = deviations
    return best


def _whole(run: Run) -> list[Second]:
    """Its seconds without the last, which is rarely a whole one."""
    return run.seconds[:-1] if len(run.seconds) > _SHORTEST_S else run.seconds


def resampled_throughput(run: Run, random: np.random.Generator) -> NDArray[np.float64] | None:
    """Answered requests per second, relative to the run's own: a block bootstrap over its seconds.

    Returns:
        (RESAMPLES,) factors around 1; None if the run is too short or answered nothing.
    """
    seconds = _whole(run)
    width = np.array([one.width for one in seconds])
    rates = np.array([one.answered for one in seconds], dtype=np.float64) / width
    if len(seconds) < _SHORTEST_S or not rates.sum():
        return None
    middle = np.average(rates, weights=width)
    return np.asarray(np.exp(_drift(rates, width, random) / middle))


def resampled_latency(
    run: Run, latency: Latency, shares: list[float], random: np.random.Generator
) -> NDArray[np.float64] | None:
    """Quantiles, relative to the run's own: a bootstrap from the bins.

    Requests that were under way together were fast or slow together, which the bins do not know.
    So each resample is also shifted as far as blocks of the time line are from its mean (of the
    logarithm of p50, of p95 for shares above 0.8). That counts some chance twice and makes the
    intervals rather too wide than too narrow.

    Returns:
        (RESAMPLES, shares) factors around 1; None if the run is too short or answered too rarely.
    """
    low, high = _shift(run, "p50", random), _shift(run, "p95", random)
    if not latency.samples or low is None or high is None:
        return None
    counts = np.asarray(latency.bins, dtype=np.int64)
    drawn = random.multinomial(latency.samples, counts / counts.sum(), RESAMPLES)
    edges = bin_edges(latency)
    factors = quantiles(edges, drawn, shares) / quantiles(edges, counts, shares)
    for place, share in enumerate(shares):
        factors[:, place] *= np.exp(high if share > 0.8 else low)
    return factors


def _shift(run: Run, column: str, random: np.random.Generator) -> NDArray[np.float64] | None:
    kept = [
        (math.log(value), one.answered)
        for one in _whole(run)
        if (value := getattr(one, column)) and one.answered
    ]
    if len(kept) < _SHORTEST_S:
        return None
    values, weights = (np.array(part, dtype=np.float64) for part in zip(*kept, strict=True))
    return _drift(values, weights, random)


def _wilson(count: int, whole: int, z: float) -> tuple[float, float]:
    rate = count / whole
    middle = rate + z * z / (2 * whole)
    reach = z * math.sqrt(rate * (1 - rate) / whole + z * z / (4 * whole * whole))
    below = 1 + z * z / whole
    return max(0.0, (middle - reach) / below), min(1.0, (middle + reach) / below)


def newcombe(a: tuple[int, int], b: tuple[int, int]) -> tuple[float, float, float]:
    """Difference of two shares, b - a, with its 95 % interval: Newcombe's, of Wilson's intervals.

    Args:
        a: how many, of how many (at least 1).
        b: the same of the other.
    """
    z = 1.959964
    rate_a, rate_b = a[0] / a[1], b[0] / b[1]
    (low_a, high_a), (low_b, high_b) = _wilson(*a, z), _wilson(*b, z)
    change = rate_b - rate_a
    low = change - math.hypot(rate_b - low_b, high_a - rate_a)
    high = change + math.hypot(high_b - rate_b, rate_a - low_a)
    return change, low, high
