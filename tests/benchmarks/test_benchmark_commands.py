"""Commands of benchmarks/ end, and print what they are for; how fast anything is, no test asks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.benchmarks import run_benchmark

pytest.importorskip("rich")
pytest.importorskip("psutil")


@pytest.mark.slow
def test_memory_of_long_recordings(tmp_path: Path) -> None:
    said = run_benchmark(
        *"benchmarks.recordings.memory --hours 0.02 --warm-hours 0.01".split(),
        SAFEASR_TEST_DATA=str(tmp_path),
    )
    assert re.search(r"^0.02 hours, \d+ sentences$", said, re.MULTILINE)
    numbers = re.search(r"before (\d+) MB, at most (\d+) \(\+(\d+)\), after (\d+)", said)
    assert numbers is not None
    before, most, more, after = map(int, numbers.groups())
    assert abs(before + more - most) <= 1 and most >= after > 100


@pytest.mark.slow
def test_what_serving_costs(tmp_path: Path) -> None:
    pytest.importorskip("starlette", reason="a server is measured")
    said = run_benchmark(
        *"benchmarks.serving --demo --rounds 1".split(), SAFEASR_TEST_DATA=str(tmp_path)
    )
    for name in ("library", "server"):
        row = re.search(rf"{name}\D+([\d.]+)\D+([\d.]+)\D+([\d.]+)", said)
        assert row is not None, said
        rtfx, latency_ms, beside_ms = map(float, row.groups())
        assert rtfx > 1 and latency_ms > beside_ms > 0
    assert re.search(r"server to library: [\d.]+ of the RTFx", said)
