"""Hotwords of every form, wrong ones, and where a model is one of several."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import yaml

import safeasr
from safeasr import (
    AutoModel,
    ExportError,
    HotwordError,
    NotAllowedError,
    OptionError,
    UnsupportedModelError,
)
from safeasr.loading.export import open_bundle
from support.audio import Samples, speech
from support.oracle import answer_of
from support.seaco import TimedOracle, many_hotwords, write_seaco
from support.vad import VadShape, write_vad_dir

pytest.importorskip("funasr", reason="funasr is the reference")

MODELS = Path(safeasr.__file__).parent / "models"
WORDS = ["今天 天气", "hello", "的是 qwerty", "speech"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_seaco(tmp_path_factory.mktemp("seaco"), seed=2)


def clear_clip(oracle: TimedOracle, lists: list[Any]) -> Samples:
    """A clip about which FunASR leaves no doubt with any of these hotwords."""
    for seed in range(20):
        clip = speech(4.7, seed=seed)
        answers = [oracle.answer(clip, hotword=one) for one in lists]
        if all(one.clear and one.clear_times for one in answers):
            return clip
    raise AssertionError("FunASR is in doubt about every clip")


@pytest.fixture(scope="module")
def oracle(directory: Path) -> TimedOracle:
    return TimedOracle(directory)


@pytest.fixture(scope="module")
def clip(oracle: TimedOracle, tmp_path_factory: pytest.TempPathFactory) -> Samples:
    file = tmp_path_factory.mktemp("words") / "words.txt"
    file.write_text("\n".join(WORDS), encoding="utf-8")
    return clear_clip(oracle, [None, "", "今天 hello", "speech", str(file), " ".join(WORDS)])


@pytest.fixture
def model(directory: Path, make_model: Callable[..., AutoModel]) -> AutoModel:
    return make_model(directory)


def said(model: AutoModel, clip: Samples, **options: Any) -> Any:
    return answer_of(model.generate(clip, **options)[0])


def test_forms(model: AutoModel, oracle: TimedOracle, clip: Samples, tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("\n".join(WORDS), encoding="utf-8")
    answer = oracle.answer(clip, hotword=str(file))
    for given in (str(file), file, WORDS, tuple(WORDS), [*WORDS, "", " "]):
        assert said(model, clip, hotword=given) == answer.timed
    # A string knows no words of two.
    assert (
        said(model, clip, hotword=" ".join(WORDS))
        == oracle.answer(clip, hotword=" ".join(WORDS)).timed
    )
    # A file with blank lines is an error in FunASR.
    file.write_text("\n\n".join(WORDS) + "\n\n", encoding="utf-8")
    assert said(model, clip, hotword=str(file)) == answer.timed


def test_none_and_empty(model: AutoModel, oracle: TimedOracle, clip: Samples) -> None:
    none, empty = oracle.answer(clip).timed, oracle.answer(clip, hotword="").timed
    assert none != empty
    assert said(model, clip) == said(model, clip, hotword=None) == none
    for one in ("", " ", [], [""]):
        assert said(model, clip, hotword=one) == empty


def test_the_constructor_s_hotwords(
    directory: Path,
    oracle: TimedOracle,
    clip: Samples,
    make_model: Callable[..., AutoModel],
) -> None:
    model = make_model(directory, hotword="今天 hello")
    expected = oracle.answer(clip, hotword="今天 hello").timed
    assert said(model, clip) == expected
    other = oracle.answer(clip, hotword="speech").timed
    assert said(model, clip, hotword="speech") == other != expected
    assert said(model, clip, hotword=None) == expected  # None stands for the constructor's
    assert said(model, clip) == expected, "an option of one call was seen in another"


def test_without_a_file_of_pieces(make_model: Callable[..., AutoModel], tmp_path: Path) -> None:
    directory = write_seaco(tmp_path, seed=2, split=False)
    oracle = TimedOracle(directory)
    model = make_model(directory)
    lists = ["今天 天", "天 hello speech", "a b c"]
    clip = clear_clip(oracle, lists)
    for hotword in lists:
        assert said(model, clip, hotword=hotword) == oracle.answer(clip, hotword=hotword).timed


def test_wrong_ones_queue_nothing(model: AutoModel, tmp_path: Path) -> None:
    clip = speech(1.0)
    before = model.stats()["submitted"]
    latin = tmp_path / "latin.txt"
    latin.write_bytes("Müller".encode("latin-1"))
    for hotword, error, match in [
        ("/nowhere/words.txt", HotwordError, "cannot be read"),
        (str(latin), HotwordError, "not UTF-8"),
        (many_hotwords(200) * 500, HotwordError, "100000 words"),
        ("http://127.0.0.1:1/words.txt", HotwordError, "download"),
        (5, OptionError, "hotword must be a string of words"),
        (["a", None], OptionError, "hotword must be"),
    ]:
        with pytest.raises(error, match=match):
            model.generate(clip, hotword=hotword)
        with pytest.raises(error, match=match):
            model.submit(clip, hotword=hotword)
        with pytest.raises(error, match=match):
            asyncio.run(model.agenerate(clip, hotword=hotword))
    with pytest.raises(UnsupportedModelError, match="beam search"):
        model.generate(clip, lm_weight=0.3, lm_file="/nowhere")
    assert model.stats()["submitted"] == before


def test_what_calls_may_name(
    directory: Path,
    model: AutoModel,
    clip: Samples,
    make_model: Callable[..., AutoModel],
    tmp_path: Path,
) -> None:
    """The switches for files and URLs hold; what the constructor names is the operator's own."""
    file = tmp_path / "words.txt"
    file.write_text("\n".join(WORDS), encoding="utf-8")
    switches = {"allow_paths": False, "allow_urls": False}
    closed = make_model(directory, hotword=str(file), **switches)
    for hotword in (str(file), file, tmp_path / "words", "http://h/w", " HTTP://h/w.txt"):
        switch = "allow_urls" if str(hotword).endswith(("w", "w.txt")) else "allow_paths"
        for ask in (closed.generate, closed.submit, lambda _, **o: closed.stream(**o)):
            with pytest.raises(NotAllowedError, match=f"option hotword.*{switch}=False"):
                ask(clip, hotword=hotword)
    assert closed.stats()["submitted"] == 0
    expected = [said(model, clip, hotword=one) for one in (file, "")]
    assert [said(closed, clip), said(closed, clip, hotword="")] == expected
    assert said(closed, clip, hotword=WORDS) == expected[0] != expected[1]

    vad = write_vad_dir(tmp_path / "vad", VadShape("eager", lean=1.5), 5)
    long = make_model(directory, vad_model=str(vad), hotword=str(file), **switches)
    for own in ({}, {"hotword": WORDS}):
        long.stream(mode="offline", **own).close()
    some = make_model(directory, allow_urls=["words.example"])
    with pytest.raises(NotAllowedError, match="not among those of allow_urls"):
        some.generate(clip, hotword="http://127.0.0.1:1/words")


def test_with_a_detector_and_in_two_passes(
    directory: Path, model: AutoModel, make_model: Callable[..., AutoModel], tmp_path: Path
) -> None:
    """Segments have the call's hotwords, and times in the whole recording."""
    vad = write_vad_dir(tmp_path / "vad", VadShape("eager", lean=1.5), 5)
    wave, _ = soundfile.read(MODELS / "demo-streaming/audio/conversation.flac", dtype="float32")
    wave = np.ascontiguousarray(wave[: 20 * 16000])
    short = {"max_end_silence_time": 300}
    segments = make_model(vad, **short).generate(wave)[0]["value"]
    assert len(segments) > 1
    long = make_model(directory, vad_model=str(vad), vad_kwargs=short)
    for options in ({}, {"hotword": "今天 hello"}, {"hotword": many_hotwords(60)}):
        result = long.generate(wave, key="k", **options)[0]
        parts = [
            (model.generate(wave[16 * start : 16 * end], **options)[0], start)
            for start, end in segments
        ]
        assert result["text"] == " ".join(part["text"] for part, _ in parts if part["text"])
        assert result["timestamp"] == [
            [begin + start, end + start]
            for part, start in parts
            for begin, end in part["timestamp"]
        ]
    answers = [long.generate(wave, hotword=one)[0]["text"] for one in ("", "今天", "speech")]
    assert len(set(answers)) == 3

    for hotword in ("今天 hello", "speech", None):
        with long.stream(mode="offline", hotword=hotword) as stream:
            events = [
                e for at in range(0, len(wave), 8000) for e in stream.feed(wave[at : at + 8000])
            ]
            events += stream.finish()
        assert events
        for event in events:
            piece = wave[16 * event["start"] : 16 * event["end"]]
            [expected] = model.generate(piece, hotword=hotword, begin_time=event["start"])
            assert event["text"] == expected["text"]
            assert event["timestamp"] == expected["timestamp"]
    with pytest.raises(HotwordError):
        long.stream(mode="offline", hotword="/nowhere/words.txt")


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("model_conf", "bias_encoder_type", "mean"),
        ("model_conf", "bias_encoder_bid", True),
        ("model_conf", "inner_dim", 64),
        ("", "seaco_decoder", "ContextualParaformerDecoder"),
        ("", "predictor", "CifPredictorV2"),
        ("seaco_decoder_conf", "att_layer_num", 4),
        ("tokenizer_conf", "unk_symbol", "<other>"),
    ],
)
def test_what_the_network_cannot_do(section: str, key: str, value: Any, tmp_path: Path) -> None:
    directory = write_seaco(tmp_path)
    config = yaml.safe_load((directory / "config.yaml").read_text())
    (config[section] if section else config)[key] = value
    (directory / "config.yaml").write_text(yaml.safe_dump(config))
    error = ExportError if key == "unk_symbol" else UnsupportedModelError
    with pytest.raises(error, match=str(value) if key == "unk_symbol" else key):
        open_bundle(directory)


def test_a_checkpoint_without_the_second_decoder(tmp_path: Path) -> None:
    directory = write_seaco(tmp_path)
    weights = torch.load(directory / "model.pt")
    kept = {name: value for name, value in weights.items() if "seaco_decoder" not in name}
    torch.save(kept, directory / "model.pt")
    with pytest.raises(ExportError, match="seaco_decoder"):
        open_bundle(directory)
