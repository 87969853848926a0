"""Every line of the table has a case, and every case is one that the suites can take."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from safeasr import AudioError, AutoModel
from safeasr.families import model_classes
from safeasr.loading.load import options_of
from support.cases import CASES, FamilyCase, of_all


def test_every_class_has_a_case() -> None:
    assert {name for case in CASES for name in case.family.model_classes} == set(model_classes())


@of_all()
def test_cases(case: FamilyCase, tmp_path: Path) -> None:
    pytest.importorskip("funasr", reason="funasr makes the models")
    assert case.calls or case.live, "nothing can be asked of it"
    directory = case.write(tmp_path)
    assert options_of(str(directory)) is case.family.options
    jobs = case.live(3) if case.live else []
    for options in [*case.calls, *(options for _, options in jobs)]:
        assert set(options) <= set(case.family.options)
    assert all(pieces[-1][1] and not any(end for _, end in pieces[:-1]) for pieces, _ in jobs)
    with AutoModel(str(directory), num_workers=1, disable_pbar=True) as model:
        recognizer = model._recognizer
        assert recognizer.streams == (case.live is not None)
        assert "samples" in recognizer.accepts
        if "features" not in recognizer.accepts:
            with pytest.raises(AudioError, match="expected samples"):
                model.generate(np.zeros((10, 560), np.float32), data_type="fbank")
    # Tests on the made-up devices send it to another process.
    assert pickle.loads(pickle.dumps(case)).name == case.name
