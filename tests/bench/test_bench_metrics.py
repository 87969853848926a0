"""What the page of metrics of a server says."""

from __future__ import annotations

import pytest

from safeasr.bench.targets.metrics import origin, parse

pytest.importorskip("prometheus_client", reason="prometheus_client reads the page")

_PAGE = """\
# HELP waiting Requests that wait.
# TYPE waiting gauge
waiting{model="a"} 3
waiting{model="b, \\"le=\\" and }"} 4
waiting{model="c"} NaN
# TYPE answers counter
answers_total{status="200"} 12.0
answers_total{status="503"} 1.0
answers_created{status="200"} 1.7e+09
# TYPE leaky_bucket gauge
leaky_bucket{of="tokens"} 7
# TYPE seconds histogram
seconds_bucket{model="a",le="0.1"} 2
seconds_bucket{le="+Inf",model="a"} 5
seconds_sum{model="a"} 1.5
seconds_count{model="a"} 5
"""


def test_gauges_and_counters_are_summed_over_their_labels() -> None:
    assert parse(_PAGE) == {"waiting": 7.0, "answers_total": 13.0, "leaky_bucket": 7.0}


@pytest.mark.parametrize("page", ["<html><body>", "waiting{", 'waiting{model="a} 3'])
def test_what_is_no_such_page(page: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (the parser's own words)
        parse(page)


def test_real_pages_are_read() -> None:
    """As prometheus_client writes them, which is what `safeasr.metrics` has."""
    from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest

    registry = CollectorRegistry()
    Gauge("depth", "Of a queue.", ["model"], registry=registry).labels("a").set(2)
    took = Histogram("took", "Seconds.", ["model"], registry=registry).labels("a")
    for value in (0.001, 0.1, 20):
        took.observe(value)
    assert parse(generate_latest(registry).decode()) == {"depth": 2.0}


@pytest.mark.parametrize(
    "url, found",
    [
        ("ws://host:1/x", "http://host:1"),
        ("wss://me:secret@host/x?y", "https://host"),
        ("http://[::1]:8000/v1", "http://[::1]:8000"),
    ],
)
def test_where_it_is(url: str, found: str) -> None:
    assert origin(url) == found
