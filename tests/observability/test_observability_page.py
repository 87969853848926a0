"""What docs/observability.md shows works, each example in a process of its own."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from safeasr import AutoModel
from safeasr.observability.histograms import BOUNDS_S
from support.audio import speech
from support.examples import Example, blocks_of_page
from support.paths import ROOT

PAGE = ROOT / "docs" / "observability.md"
#: What an example must have written, to standard output or error.
WRITTEN = {
    "opentelemetry": ("safeasr.generate", "safeasr.compute", "POST /transcribe"),
    "prometheus": (),
    "logging": (),
}


@pytest.mark.parametrize("example", list(blocks_of_page(PAGE)), ids=lambda one: one.name)
def test_examples(
    example: Example,
    run_python: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    for package in ("prometheus_client", "opentelemetry.sdk"):
        if package.split(".")[0] in example.code:
            pytest.importorskip(package)
    soundfile.write(tmp_path / "speech.wav", speech(1.0), 16000)
    code = example.code.replace("9464", "0").replace("2.0", "0.0")
    done = run_python(f"import os; os.chdir({str(tmp_path)!r})\n{code}")
    assert done.returncode == 0, done.stderr
    if "slow_request_s" in code:
        assert '"key": "speech"' in done.stderr
    for what, words in WRITTEN.items():
        if what in example.code:
            assert all(word in done.stdout for word in words)


def test_every_key_is_explained() -> None:
    text = PAGE.read_text("utf-8")
    with AutoModel(model="demo-vad", num_workers=1) as model:
        stats = model.stats()
    ours = ("calls", "chunks", "errors", "refused", "streams", "latency", "parts", "memory")
    for name in (*ours, "lanes", *stats["latency"], *stats["calls"], *stats["memory"]):
        assert f"`{name}`" in text, name
    assert set(ours) <= set(stats)
    assert BOUNDS_S[0] == 64e-6
    assert round(BOUNDS_S[-1]) == int(re.findall(r"up to (\d+) s", text)[0])
