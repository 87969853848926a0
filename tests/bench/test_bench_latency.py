"""Latencies: what a report keeps of them, and what can be had back."""

from __future__ import annotations

import numpy as np
import pytest

from safeasr.bench.findings.latency import bin_edges, cdf, merge, quantiles, summarise
from safeasr.bench.findings.results import Latency


def test_percentiles_are_those_of_the_values() -> None:
    values = np.random.default_rng(0).lognormal(5, 1, 20_000)
    found = summarise(values)
    for name, percent in (("p50", 50), ("p90", 90), ("p95", 95), ("p99", 99), ("p999", 99.9)):
        assert getattr(found, name) == pytest.approx(np.percentile(values, percent))
    assert found.samples == 20_000 and sum(found.bins) == 20_000
    assert found.mean == pytest.approx(values.mean()) and found.max == values.max()


@pytest.mark.parametrize(
    "samples, p99, p999", [(999, 0, 0), (1000, 1, 0), (9999, 1, 0), (10000, 1, 1)]
)
def test_rare_percentiles_need_samples(samples: int, p99: bool, p999: bool) -> None:
    found = summarise(np.ones(samples))
    assert (found.p99 is not None) == p99
    assert (found.p999 is not None) == p999


def test_nothing_measured() -> None:
    assert summarise([]) == Latency()
    assert merge([]) == merge([Latency(), Latency()]) == Latency()
    assert bin_edges(Latency()).size == 0
    assert cdf(Latency())[0].size == cdf(Latency())[1].size == 0


def test_bins_hold_what_they_say() -> None:
    edges = 0.01 * 1.02 ** np.arange(1000)
    for k in (0, 1, 7, 500, 998):
        assert summarise([edges[k]]).first_bin == k
        assert summarise([np.nextafter(edges[k + 1], 0)]).first_bin == k
    found = summarise([5.0, 5.0, 80.0])
    ends = bin_edges(found)
    assert ends.size == len(found.bins) + 1
    assert ends[0] <= 5.0 < ends[1] and ends[-2] <= 80.0 < ends[-1]
    assert found.bins[0] == 2 and found.bins[-1] == 1


def test_odd_values() -> None:
    # Clocks of two machines may disagree by a little.
    assert summarise([-1.0, 0.0, 1e-9]).bins == [3]
    assert sum(summarise([1e12]).bins) == 1
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="finite"):
            summarise([1.0, bad])


def test_quantiles_from_bins_are_near() -> None:
    values = np.random.default_rng(1).lognormal(5, 1, 50_000)
    found = summarise(values)
    shares = [0.01, 0.5, 0.95, 0.999]
    near = quantiles(bin_edges(found), np.array(found.bins), shares)
    np.testing.assert_allclose(near, np.quantile(values, shares), rtol=0.02)


def test_cdf_rises_from_none_to_all() -> None:
    at, share = cdf(summarise(np.random.default_rng(2).lognormal(5, 1, 500)))
    assert share[0] == 0 and share[-1] == 1
    assert (np.diff(share) >= 0).all() and (np.diff(at) > 0).all()


def test_merging_is_as_one() -> None:
    random = np.random.default_rng(3)
    parts = [random.lognormal(mean, 0.5, 4000) for mean in (2, 5, 8)]
    whole = summarise(np.concatenate(parts))
    merged = merge([summarise(part) for part in parts] + [Latency()])
    assert (merged.bins, merged.first_bin) == (whole.bins, whole.first_bin)
    assert merged.samples == whole.samples and merged.max == whole.max
    assert merged.mean == pytest.approx(whole.mean)
    for name in ("p50", "p90", "p95", "p99", "p999"):
        assert getattr(merged, name) == pytest.approx(getattr(whole, name), rel=0.02)


def test_merging_may_make_a_rare_percentile_known() -> None:
    parts = [summarise(np.arange(1.0, 601.0))] * 2
    assert parts[0].p99 is None and merge(parts).p99 == pytest.approx(594, rel=0.02)
    assert merge([parts[0]]) == parts[0]
