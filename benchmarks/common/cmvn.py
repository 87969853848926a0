"""Statistics of features that a model directory needs."""

from __future__ import annotations

from pathlib import Path


def write_cmvn(path: Path, size: int) -> None:
    """An am.mvn with the same shift and scale everywhere."""

    def block(name: str, value: float) -> str:
        numbers = " ".join([str(value)] * size)
        return f"<{name}> {size} {size}\n<LearnRateCoef> 0 [ {numbers} ]\n"

    text = f"<Nnet>\n<Splice> {size} {size}\n[ 0 ]\n{block('AddShift', -11.0)}"
    path.write_text(f"{text}{block('Rescale', 0.25)}</Nnet>\n", encoding="utf-8")
