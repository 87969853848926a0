"""The command that compares safeasr with FunASR: it finds what differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("funasr", reason="funasr is the reference")

from parity.__main__ import shown, table
from parity.cells import Cell, Subject, cells_of, same
from safeasr import AutoModel
from support.cases import CASES
from support.models import write_model_dir


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    [case] = [case for case in CASES if case.name == "paraformer"]
    path = write_model_dir(tmp_path_factory.mktemp("model"))
    return Subject("Paraformer", {"model": str(path)}, [{}], case.clips()[-1:])


def test_a_table(subject: Subject) -> None:
    cells = list(cells_of(subject))
    assert all(cell.equal + cell.undecided == 1 and not cell.different for cell in cells)
    assert sum(cell.equal for cell in cells) > 4
    lines = table(subject, cells).strip().splitlines()
    assert lines[0] == "## Paraformer" and lines[2].startswith("| options | array | ")
    assert len(lines) == 5


def test_what_differs_is_found(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    generate = AutoModel.generate

    def wrong(self: AutoModel, *args: Any, **options: Any) -> Any:
        return [{**one, "text": one["text"] + "x"} for one in generate(self, *args, **options)]

    monkeypatch.setattr(AutoModel, "generate", wrong)
    cells = list(cells_of(subject))
    assert not any(cell.equal for cell in cells)
    assert all(cell.different or cell.undecided for cell in cells)


def test_what_is_the_same() -> None:
    numbers = torch.tensor([[1.0, -2.0]])
    assert same([{"key": "a", "at": numbers + 1e-4}], [{"key": "a", "at": numbers}])
    assert not same({"spk_embedding": numbers + 1e-3}, {"spk_embedding": numbers})
    assert not same({"spk_embedding": numbers.double()}, {"spk_embedding": numbers})
    assert not same({"text": "a"}, {"text": "a", "timestamp": []})
    assert not same([[1, 2]], [[1, 2], [3, 4]])
    assert same(np.ones(2, np.float32), np.ones(2, np.float32))
    cell = Cell("", "array", 3, 1, ["clip 0"], {"TypeError": 2})
    assert shown(cell) == "3, ~ 1, **≠ 1**, TypeError 2"


def test_the_page_is_there() -> None:
    page = Path(__file__).parents[2] / "docs" / "parity.md"
    assert "0 differ." in page.read_text("utf-8")
