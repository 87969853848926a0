"""Options of beam search for Paraformers: nothing depends on them, or they are refused."""

from __future__ import annotations

import asyncio
import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from safeasr import AutoModel, UnsupportedModelError
from safeasr.loading.export import export_bundle
from support.audio import Samples, speech
from support.cases import FamilyCase, of_all
from support.programs import reseal

pytest.importorskip("funasr", reason="funasr is the reference")

from support.models import USUAL, config_of, write_model_dir
from support.oracle import Oracle, answer_of
from support.seaco import TimedOracle, write_seaco
from support.streaming import StreamOracle, pieces_of, safe_texts, write_streaming_dir

NO_CTC = "option 'decoding_ctc_weight' has no effect for this model, which has no CTC"
NO_LM = "option 'lm_weight' has no effect without lm_file"
#: Options for which FunASR does not search, and what is said of them.
ROWS: list[tuple[dict[str, Any], set[str]]] = [
    ({"decoding_ctc_weight": 0.3}, {NO_CTC}),
    ({"lm_weight": 0.5}, {NO_LM}),
    ({"lm_file": "/nowhere/lm.pt", "lm_weight": 1e-5, "decoding_ctc_weight": 1e-5}, set()),
    (
        {"decoding_ctc_weight": 0.7, "lm_weight": 0.4, "beam_size": 5, "penalty": 2.0, "nbest": 3,
         "maxlenratio": -2, "minlenratio": 0.5},
        {NO_CTC, NO_LM, *(f"option {name!r} has no effect for this model"
                          for name in ("beam_size", "penalty", "nbest"))},
    ),
]  # fmt: skip


def said(ask: Callable[[], Any]) -> tuple[Any, set[str]]:
    """The answer, and what users are warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        found = ask()
    return found, {str(one.message) for one in caught if "effect" in str(one.message)}


def with_ctc(directory: Path, weight: float | None) -> Path:
    """The model, as if CTC had counted so much in its training; None: it does not say."""
    config = yaml.safe_load((directory / "config.yaml").read_text())
    del config["model_conf"]["ctc_weight"]
    config["model_conf"] |= {} if weight is None else {"ctc_weight": weight}
    (directory / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True))
    return directory


def clear_clip(oracle: Oracle) -> Samples:
    """A recording of whose text and times FunASR leaves no doubt, with something said in it."""
    clips = (speech(2.5, seed=seed) for seed in range(20))
    answers = ((clip, oracle(clip)) for clip in clips)
    return next(clip for clip, one in answers if one.clear and one.clear_times and one.text)


def test_offline(model_dir: Path, model: AutoModel) -> None:
    clip = clear_clip(Oracle(model_dir))
    for options, messages in ROWS:
        [expected] = Oracle(model_dir).generate(clip, **options)
        [found], warned = said(lambda o=options: model.generate(clip, **o))
        assert found["text"] == expected["text"] and warned == messages


def test_seaco(tmp_path: Path, make_model: Callable[..., AutoModel]) -> None:
    directory, words = write_seaco(tmp_path / "seaco"), {"hotword": "今天"}
    oracle, model = TimedOracle(directory), make_model(tmp_path / "seaco")
    clips = (speech(2.5, seed=seed) for seed in range(20))
    answers = ((clip, oracle.answer(clip, **words)) for clip in clips)
    clip = next(clip for clip, one in answers if one.clear_times and one.text)
    for options, messages in ROWS:
        [expected] = TimedOracle(directory).generate(clip, **words, **options)
        [found], warned = said(lambda o=options: model.generate(clip, **words, **o))
        assert answer_of(found) == answer_of(expected) and warned == messages


@pytest.fixture(scope="module")
def streaming(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_streaming_dir(tmp_path_factory.mktemp("streaming"))


def test_streaming(streaming: Path, make_model: Callable[..., AutoModel]) -> None:
    plain = {"chunk_size": [0, 10, 5], "encoder_chunk_look_back": 4}
    oracle, model = StreamOracle(streaming), make_model(streaming)
    cut = (pieces_of(speech(2.5, seed=seed), 9600) for seed in range(20))
    pieces = next(one for one in cut if oracle.texts(one, **plain).clear)
    for options, messages in ROWS:
        given = {**plain, **options}
        expected = StreamOracle(streaming).texts(pieces, **given)
        found, warned = said(lambda o=given: safe_texts(model, pieces, o))
        assert found == expected.pieces and "".join(found) and warned == messages


@of_all(lambda case: case.name in ("bicif_paraformer", "contextual_paraformer", "e_paraformer"))
def test_in_every_other_family(
    case: FamilyCase, tmp_path: Path, make_model: Callable[..., AutoModel]
) -> None:
    model, clip = make_model(case.write(tmp_path / "model")), speech(1.5, seed=3)
    expected = model.generate(clip, key="k")
    for options, messages in ROWS:
        found, warned = said(lambda o=options: model.generate(clip, key="k", **o))
        assert found == expected and warned == messages


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A Paraformer with CTC."""
    config = config_of(USUAL)
    config["model_conf"]["ctc_weight"] = 0.3
    return write_model_dir(tmp_path / "trained", config=config)


def test_wherever_it_is_asked_for(
    trained: Path, streaming: Path, tmp_path: Path, make_model: Callable[..., AutoModel]
) -> None:
    asked = {"decoding_ctc_weight": 0.3}
    refused = lambda: pytest.raises(UnsupportedModelError, match="guarded=True")  # noqa: E731
    live = with_ctc(Path(shutil.copytree(streaming, tmp_path / "live")), 0.3)
    for directory in (trained, live):
        with refused():
            make_model(directory, **asked)
    model, online = make_model(trained, vad_model="demo-vad"), make_model(live)
    clip = speech(1.0)
    for ask in (
        lambda: model.generate(clip, **asked),
        lambda: model.submit(clip, **asked),
        lambda: asyncio.run(model.agenerate(clip, **asked)),
        lambda: list(model.generate_iter(clip, **asked)),
        lambda: model.model.generate(clip, **asked),
        lambda: online.stream(**asked),
        lambda: online.generate(clip, cache={}, **asked),
    ):
        with refused():
            ask()
    two_passes = make_model(trained, vad_model="demo-vad", online_model=str(streaming))
    with refused():
        two_passes.stream(**asked)
    with refused():  # the operator names the model, the caller its weight
        make_model(trained, lm_file="/nowhere").generate(clip, lm_weight=0.3)
    assert model.stats()["submitted"] == 0


@pytest.mark.parametrize("weight", [1e-9, 0.3, None])
def test_with_ctc(
    weight: float | None,
    model_dir: Path,
    model: AutoModel,
    tmp_path: Path,
    make_model: Callable[..., AutoModel],
) -> None:
    """FunASR's own weight, of models that do not say, is 0.5."""
    directory = with_ctc(Path(shutil.copytree(model_dir, tmp_path / "trained")), weight)
    trained, clip = make_model(directory), speech(1.5, seed=3)
    assert trained.generate(clip, key="k") == model.generate(clip, key="k")
    with pytest.raises(UnsupportedModelError, match=r"weight=0.3 with CTC asks for beam search"):
        trained.generate(clip, decoding_ctc_weight=0.3)
    assert said(lambda: trained.generate(clip, lm_weight=0.3))[1] == {NO_LM}
    with pytest.raises(UnsupportedModelError, match=r"lm_weight=0.2 with lm_file asks for"):
        trained.generate(clip, lm_weight=0.2, lm_file="/nowhere")


def test_wherever_nothing_depends_on_it(
    model_dir: Path, streaming: Path, make_model: Callable[..., AutoModel]
) -> None:
    asked = {"decoding_ctc_weight": 0.3}
    for directory in (model_dir, streaming):
        made, warned = said(lambda one=directory: make_model(one, **asked))
        assert warned == {NO_CTC}
        assert said(lambda one=made: one.generate(speech(0.5)))[1] == {NO_CTC}
    for ask in (
        lambda: make_model(model_dir, vad_model="demo-vad").generate(speech(1.0), **asked),
        lambda: make_model(streaming).stream(**asked).close(),
    ):
        assert said(ask)[1] == {NO_CTC}


def test_guarded_searches(trained: Path, make_model: Callable[..., AutoModel]) -> None:
    """FunASR's own search, which it goes on with in all later calls; here no call sees another."""
    plain, wide = {}, {"decoding_ctc_weight": 0.9, "beam_size": 5}
    model = make_model(trained, guarded=True)
    clips = [speech(2.0, seed=seed) for seed in range(4)]
    texts: dict[str, list[str]] = {}
    for name, options in (("plain", plain), ("wide", wide), ("plain", plain)):
        texts[name] = [model.generate(clip, **options)[0]["text"] for clip in clips]
        oracle = Oracle(trained)
        assert texts[name] == [oracle.generate(clip, **options)[0]["text"] for clip in clips]
    assert texts["plain"] != texts["wide"]
    oracle = Oracle(trained)
    for options in (wide, plain):
        assert [oracle.generate(clip, **options)[0]["text"] for clip in clips] == texts["wide"]


def test_funasr_knows_no_language_model(trained: Path, model_dir: Path) -> None:
    """What it searches by is never read, and the search lacks a number."""
    given = {"lm_weight": 0.3, "lm_file": "/nowhere"}
    for directory in (trained, model_dir):
        with pytest.raises(TypeError):
            Oracle(directory).generate(speech(1.0), **given)
        assert Oracle(directory).generate(speech(1.0), **given, decoding_ctc_weight=0.0)


@pytest.fixture
def older(model_dir: Path, tmp_path: Path) -> Path:
    """A bundle that says nothing of CTC, as those did that were exported before."""
    bundle = Path(export_bundle(model_dir, tmp_path / "older").path)
    manifest = bundle / "bundle.json"
    facts = json.loads(manifest.read_text("utf-8"))
    del facts["decoding"]["ctc_weight"]
    manifest.write_text(json.dumps(facts), "utf-8")
    reseal(bundle)
    return bundle


def test_a_bundle_that_does_not_say(
    older: Path, model: AutoModel, make_model: Callable[..., AutoModel]
) -> None:
    clip, found = speech(1.5, seed=3), make_model(older)
    assert found.generate(clip, key="k") == model.generate(clip, key="k")
    with pytest.raises(UnsupportedModelError, match="with CTC"):
        found.generate(clip, decoding_ctc_weight=0.3)
