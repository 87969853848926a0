"""The punctuation model beside another: loaded once, of the right kind, used step by step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from safeasr import AutoModel, UnsupportedModelError
from safeasr.families.terms import Terms
from safeasr.loading.load import load_model
from safeasr.pipeline.companions import Companions
from safeasr.pipeline.runs import Runs
from safeasr.pipeline.steps import Steps
from safeasr.pipeline.stepwise import as_recognizer, is_recognizer
from support.cases import plain
from support.punctuation import WHOLE_SHAPES, text_of, write_punc_dir
from support.streaming import SHAPES, write_streaming_dir
from support.vad import SHAPES as VAD_SHAPES
from support.vad import write_vad_dir

pytest.importorskip("funasr", reason="funasr makes the models")


@pytest.fixture(scope="module")
def punctuation(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_punc_dir(tmp_path_factory.mktemp("punc"), WHOLE_SHAPES[0]))


def companions(model: AutoModel, name: str | None) -> Companions:
    def load(role: str, name: str) -> Any:
        return load_model(name, model._options).recognizer

    return Companions(model._companions.main, load, {"punc_model": name}, demo=False)


def answer(steps: Steps) -> Any:
    ticket = next(steps)
    while True:
        assert ticket.wait(60)
        try:
            ticket = steps.send(ticket.get())
        except StopIteration as end:
            return end.value


def test_its_steps(model: AutoModel, punctuation: str) -> None:
    """On the engine of the recogniser; what comes of them is what the model says alone."""
    beside = companions(model, punctuation)
    punctuator = beside.punctuator()
    assert punctuator is not None and beside.punctuator() is punctuator
    assert "split_size" in beside.options_of("punc_model")
    text = text_of(70, 1)
    given = answer(punctuator.steps(model._engine, text, {}, Terms()))
    result = punctuator.finish(given, "k", {})
    with AutoModel(punctuation, num_workers=1) as alone:
        assert plain(result) == plain(alone.generate(text, key="k")[0])
    assert len(result["punc_array"]) == len(punctuator.words_of(text))
    assert set(result["punc_array"].tolist()) <= set(range(len(punctuator.marks)))


def test_closed_early_they_cancel_what_they_wait_for(model: AutoModel, punctuation: str) -> None:
    punctuator = companions(model, punctuation).punctuator()
    assert punctuator is not None
    steps = punctuator.steps(model._engine, text_of(70, 1), {}, Terms())
    ticket = next(steps)
    steps.close()
    assert ticket.wait(60) and ticket.state in ("cancelled", "done")


def test_other_models_are_refused(model: AutoModel) -> None:
    assert companions(model, None).punctuator() is None
    for name in ("demo", "demo-vad"):
        with pytest.raises(
            UnsupportedModelError, match=r"punc_model=.* is not a punctuation model"
        ):
            companions(model, name)


def test_recognisers_are_left_as_they_are(model: AutoModel, punctuation: str) -> None:
    main = model._companions.main
    assert is_recognizer(main) and as_recognizer(main, Runs()) is main
    stepwise = load_model(punctuation, model._options).recognizer
    assert not is_recognizer(stepwise) and is_recognizer(as_recognizer(stepwise, Runs()))


@pytest.mark.parametrize("role", ["vad_model", "online_model"])
def test_models_of_another_rate_are_refused(role: str, tmp_path: Path) -> None:
    if role == "vad_model":
        write_vad_dir(tmp_path, next(shape for shape in VAD_SHAPES if shape.name == "8 kHz"))
    else:
        write_streaming_dir(tmp_path, replace(SHAPES[0], frontend={"fs": 8000}))
    with pytest.raises(UnsupportedModelError, match=f"{role}=.* works at 8000 Hz and the model at"):
        AutoModel("demo", **{role: str(tmp_path)})
