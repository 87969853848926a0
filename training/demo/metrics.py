# SPDX-License-Identifier: Apache-2.0
"""Models as FunASR runs them, and the metrics.json beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def funasr_model(directory: Path, threads: int) -> Any:
    """FunASR's AutoModel of a model directory."""
    from funasr import AutoModel

    return AutoModel(
        model=str(directory),
        device="cpu",
        disable_update=True,
        disable_pbar=True,
        log_level="ERROR",
        ncpu=threads,
    )


def write_metrics(directory: Path, metrics: dict[str, Any], run: dict[str, Any] | None) -> None:
    """Write metrics.json; without a run, what it told of the training stays."""
    file = directory / "metrics.json"
    if run is None and file.exists():
        run = json.loads(file.read_text(encoding="utf-8")).get("training")
    if run:
        metrics["training"] = run
    text = json.dumps(metrics, indent=2, ensure_ascii=False) + "\n"
    file.write_text(text, encoding="utf-8")
    print(text, flush=True)
