"""Every line of the table has a case, and every case is one that the suites can take."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from safeasr import AudioError, AutoModel, InputError
from safeasr.families import model_classes
from safeasr.loading.load import options_of
from support.cases import CASES, FamilyCase, of_all

BROUGHT = {"fbank": "features", "text": "text", "sound": "samples"}


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
        expected = "pairs" if case.pairs else "text" if case.text else "samples"
        assert expected in recognizer.accepts
        wrong = AudioError if expected == "samples" else InputError
        features = np.zeros((10, 560), np.float32)
        for data, kind in ((features, "fbank"), ("text", "text"), (features[0], "sound")):
            if BROUGHT[kind] not in recognizer.accepts:
                with pytest.raises(wrong, match=f"expected {expected}.*got data_type='{kind}'"):
                    model.generate(data, data_type=kind)
    # Tests on the made-up devices send it to another process.
    assert pickle.loads(pickle.dumps(case)).name == case.name
