"""An error in a program says which of its functions failed, wherever that was written.

torch's interpreter names them by pointers that nobody owns. Where loading a program let go of them,
an error read memory that was given back, which now and then ended the process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor, nn

from safeasr import InferenceError, _ext
from support.programs import save

SIZE = 4


def of_nobody(rows: Tensor) -> Tensor:
    """A function that is no method."""
    return rows if bool((rows != 1).all()) else rows.view(-7)


class Layer(nn.Module):
    """A part, with a method that its forward calls."""

    def forward(self, rows: Tensor) -> Tensor:
        return self.of_a_part(rows)

    def of_a_part(self, rows: Tensor) -> Tensor:
        return rows if bool((rows != 2).all()) else rows.view(-7)


class Whole(nn.Module):
    """Fails in the function that its values say."""

    def __init__(self) -> None:
        super().__init__()
        self.part = Layer()

    def forward(self, rows: Tensor, positions: Tensor, offsets: Tensor) -> Tensor:
        return self.of_the_root(self.part(of_nobody(rows)))

    def of_the_root(self, rows: Tensor) -> Tensor:
        for i in range(rows.size(0)):
            if bool((rows[i] == 3).any()):
                rows = rows.view(-7)
        return self.within_another(rows)

    def within_another(self, rows: Tensor) -> Tensor:
        return rows if bool((rows != 4).all()) else rows.view(-7)


@pytest.fixture
def runner(tmp_path: Path) -> Any:
    return _ext.RaggedRunner(
        program=_ext.Program.load(save(Whole(), tmp_path / "whole.ts")),
        outputs=["rows"],
        feature_size=SIZE,
        limits=_ext.BatchLimits(max_requests=4, max_cost=10**6, ragged=True),
    )


@pytest.fixture
def engine() -> Iterator[Any]:
    one = _ext.Engine(num_workers=1, queue_size=64)
    yield one
    one.close(drain=False)


@pytest.mark.parametrize(
    ("value", "functions"),
    [
        (1, ["of_nobody"]),
        (2, ["forward", "of_a_part"]),
        (3, ["of_the_root"]),
        (4, ["of_the_root", "within_another"]),
    ],
)
def test_it_names_the_function(runner: Any, engine: Any, value: int, functions: list[str]) -> None:
    ticket = runner.submit(engine, np.full((3, SIZE), value, np.float32))
    assert ticket.wait(60)
    with pytest.raises(InferenceError) as caught:
        ticket.get()
    # Twice, by lines of the file that was loaded and by those it was made from.
    names = re.findall(r"line \d+, in (\w+)", str(caught.value))
    assert names == 2 * ["forward", *functions], str(caught.value)
    good = runner.submit(engine, np.zeros((3, SIZE), np.float32))
    assert good.wait(60)
    good.get()
