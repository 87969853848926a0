"""MonotonicAligner's times are FunASR's, alone and in any company."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import soundfile
import yaml

from safeasr import AudioError, AutoModel, ExportError, InputError
from safeasr import UnsupportedModelError as Unsupported
from safeasr.cli.app import run
from safeasr.loading.export import open_bundle
from support.aligner import ALIGNER_SHAPES, AlignerOracle, said_in, write_aligner
from support.audio import Samples, speech
from support.models import Shape
from support.shapes import usual_first

pytest.importorskip("funasr", reason="funasr is the reference")

#: In seconds. 0.05 s is a single frame of the network.
LENGTHS = [0.05, 0.09, 0.2, 0.5, 0.9, 1.4, 2.2, 3.3, 4.7, 6.1, 8.3, 11.0, 16.0, 31.0]
KINDS = ("sound", "text")
Pairs = list[tuple[tuple[Samples, str], dict[str, Any]]]
Case = tuple[Path, AlignerOracle, Pairs, dict[str, Any]]
ALL = [*((shape, False) for shape in ALIGNER_SHAPES), (ALIGNER_SHAPES[0], True)]


@pytest.fixture(
    scope="module",
    params=usual_first(ALL),
    ids=lambda one: one[0].name + (", pieces" if one[1] else ""),
)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A model, FunASR's, and pairs on whose answers FunASR leaves no doubt."""
    shape, split = request.param
    assert isinstance(shape, Shape)
    directory = write_aligner(tmp_path_factory.mktemp("aligner"), shape, seed=3, split=split)
    oracle, options = AlignerOracle(directory), {"fs": shape.frontend.get("fs", 16000)}
    pairs: Pairs = []
    for index, seconds in enumerate(LENGTHS):
        for attempt in range(8):
            pair = said_in(seconds, 1000 * attempt + index, options["fs"])
            answer, is_clear = oracle.answer(pair, **options)
            if is_clear:
                pairs.append((pair, answer))
                break
    assert len(pairs) > 0.8 * len(LENGTHS)
    return directory, oracle, pairs, options


def asked(model: AutoModel, input: Any, **options: Any) -> dict[str, Any]:
    [result] = model.generate(input, key="k", **options)
    assert list(result) == ["key", "text", "timestamp"]
    assert result.pop("key") == "k"
    return result


def test_alone(case: Case, make_model: Callable[..., AutoModel]) -> None:
    directory, _, pairs, options = case
    model = make_model(directory)
    for pair, answer in pairs:
        assert asked(model, pair, data_type=KINDS, **options) == answer
        assert asked(model, list(pair), data_type=list(KINDS), **options) == answer
        assert asked(model, pair, **options) == answer, "it takes nothing else"
    times = {str(answer["timestamp"]) for _, answer in pairs}
    assert len(times) > len(pairs) / 2, "the pairs must tell models apart"
    assert max(len(answer["timestamp"]) for _, answer in pairs) > 20


def test_any_company_from_16_threads(case: Case, make_model: Callable[..., AutoModel]) -> None:
    directory, _, pairs, options = case
    model = make_model(directory, num_workers=2, max_wait_ms=20, max_batch_frames=4000)
    jobs = pairs * 8
    random.Random(0).shuffle(jobs)

    def wrong(thread: int) -> list[Any]:
        mine = jobs[thread::16]
        return [answer for pair, answer in mine if asked(model, pair, **options) != answer]

    with ThreadPoolExecutor(16) as pool:
        assert not [one for part in pool.map(wrong, range(16)) for one in part]
    assert model.stats()["mean_batch_size"] > 1.2, "nobody had company: nothing was shown"


def test_other_texts_of_the_same_recording(
    case: Case, make_model: Callable[..., AutoModel]
) -> None:
    """Blank ones, unknown ones, far too long ones; FunASR answers all of them."""
    directory, oracle, pairs, options = case
    model = make_model(directory)
    (wave, said), _ = pairs[7]
    for text in ("", "   ", "\n", "🙂🙂", "今天 a b c 好", "天气" * 400, "\t今", "</s>今"):
        expected, is_clear = oracle.answer((wave, text), **options)
        if is_clear:
            assert asked(model, (wave, text), **options) == expected, text
    assert asked(model, (wave, ""), **options)["timestamp"] == []
    # FunASR raises IndexError: docs/differences.md.
    mixed = asked(model, (wave, f"{said} " * 60), **options)
    assert 0 < len(mixed["timestamp"]) < len(mixed["text"].split())


@pytest.fixture
def model(make_model: Callable[..., AutoModel], tmp_path: Path) -> AutoModel:
    return make_model(write_aligner(tmp_path / "model"))


def test_columns_files_and_names(model: AutoModel, tmp_path: Path) -> None:
    pairs = [said_in(seconds, seed) for seed, seconds in enumerate((0.7, 2.1, 1.4))]
    expected = [asked(model, pair) for pair in pairs]
    waves, texts = map(list, zip(*pairs, strict=True))
    for index, wave in enumerate(waves):
        soundfile.write(tmp_path / f"{index}.wav", wave, 16000, subtype="FLOAT")
    scp, lines = tmp_path / "wav.scp", tmp_path / "text.jsonl"
    scp.write_text("".join(f"u{i} {tmp_path}/{i}.wav\n" for i in range(3)))
    lines.write_text(
        "".join(json.dumps({"key": f"t{i}", "source": text}) + "\n" for i, text in enumerate(texts))
    )
    for input, keys in (
        ((waves, texts), None),
        ((str(scp), texts), ["u0", "u1", "u2"]),
        ((str(scp), str(lines)), ["t0", "t1", "t2"]),
        (([tmp_path / f"{i}.wav" for i in range(3)], texts), ["0", "1", "2"]),
    ):
        found = model.generate(input, data_type=KINDS)
        assert keys is None or [one["key"] for one in found] == keys
        assert [{k: v for k, v in one.items() if k != "key"} for one in found] == expected


def test_other_ways_to_ask(model: AutoModel) -> None:
    pair = said_in(1.7, 3)
    expected = model.generate(pair, key="k")
    assert model.submit(pair, key="k").result(60) == expected
    assert asyncio.run(model.agenerate(pair, key="k", data_type=KINDS)) == expected
    assert model.stats()["audio_in_seconds"] == pytest.approx(3 * len(pair[0]) / 16000)


def test_what_it_does_not_take(model: AutoModel) -> None:
    wave, text = said_in(1.0)
    for input, kind in ((wave, "sound"), (text, "text"), (wave, "fbank"), (wave, "pcm")):
        said = (
            f"expected pairs of a recording and its text, got data_type='{kind}': this is a model"
        )
        with pytest.raises(InputError, match=f"{said} for forced alignment"):
            model.generate(input, data_type=kind)
    for kinds in (("text", "sound"), ("sound",), ("fbank", "text"), ["sound", "text", "text"]):
        with pytest.raises(Unsupported, match="data_type="):
            model.generate((wave, text), data_type=kinds)
    for input in (wave, "a.wav", (wave,), (wave, None), [(wave, text)] * 2, (wave, [text, text])):
        with pytest.raises(InputError, match="recordings"):
            model.generate(input)
    for empty in (wave[:0], b"", b"no audio"):
        with pytest.raises(AudioError, match="key 'k'"):
            model.generate((empty, text), key="k")
    with pytest.raises(Unsupported, match="stream"):
        model.stream()


def test_errors_in_their_places(model: AutoModel) -> None:
    pairs = [said_in(1.0, 1), said_in(0.6, 2)]
    good = [asked(model, one) for one in pairs]
    waves, texts = [pairs[0][0], "nowhere.wav", pairs[1][0]], [pairs[0][1], "今", pairs[1][1]]
    found = model.generate((waves, texts), key=["a", "b", "c"], on_error="return")
    assert [one["key"] for one in found] == ["a", "b", "c"]
    assert [one.get("timestamp") for one in found][::2] == [one["timestamp"] for one in good]
    assert isinstance(found[1]["error"], AudioError)
    found = model.generate(([waves[0], 7], ["今", "天"]), key=["a", "b"], on_error="return")
    assert "timestamp" in found[0] and isinstance(found[1]["error"], AudioError)
    [one] = model.generate((waves, ["今"]), on_error="return")
    assert "3 recordings and 1 texts" in str(one["error"])


def test_other_models_take_no_pairs() -> None:
    with (
        AutoModel("demo", disable_pbar=True) as recogniser,
        pytest.raises(
            AudioError, match=r"got data_type=\('sound', 'text'\): this is a model for speech"
        ),
    ):
        recogniser.generate((speech(1.0), "one"), data_type=KINDS)


def test_beside_other_models(tmp_path: Path) -> None:
    directory = str(write_aligner(tmp_path))
    with pytest.raises(Unsupported, match=r"forced alignment \(align\)"):
        AutoModel(directory, vad_model="demo-vad")
    with pytest.raises(Unsupported, match="forced alignment"):
        AutoModel("demo", punc_model=directory)


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It has no place for texts, and says what the model is for."""
    directory = write_aligner(tmp_path / "model")
    wav = tmp_path / "a.wav"
    soundfile.write(wav, speech(0.5), 16000)
    assert run(["transcribe", str(wav), "--model", str(directory)]) == 1
    assert "expected recordings and their texts" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("place", "value", "error"),
    [
        ("predictor_conf.upsample_times", 5, Unsupported),
        ("predictor_conf.upsample_type", "cnn_attn", Unsupported),
        ("predictor_conf.use_cif1_cnn", True, Unsupported),
        ("predictor_conf.threshold", 0.9, Unsupported),
        ("predictor_conf.idim", 7, ExportError),
        ("predictor", "CifPredictorV2", Unsupported),
        ("encoder", "ConformerEncoder", Unsupported),
        ("encoder_conf.input_layer", "conv2d", Unsupported),
        ("encoder_conf.output_size", 40, ExportError),
        ("normalize", "GlobalMVN", Unsupported),
        ("tokenizer", "SentencepiecesTokenizer", Unsupported),
        ("tokenizer_conf.unk_symbol", "<nothing>", ExportError),
        ("tokenizer_conf.non_linguistic_symbols", ["<x>"], Unsupported),
        ("tokenizer_conf.seg_dict", "nowhere", ExportError),
    ],
)
def test_what_the_network_cannot_do(
    place: str, value: Any, error: type[Exception], tmp_path: Path
) -> None:
    directory = write_aligner(tmp_path)
    config = yaml.safe_load((directory / "config.yaml").read_text())
    *sections, key = place.split(".")
    (config[sections[0]] if sections else config)[key] = value
    (directory / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(error):
        open_bundle(directory)


def test_a_file_of_pieces_counts_if_it_is_named(tmp_path: Path) -> None:
    """As in FunASR, which does not look for one."""
    directory = write_aligner(tmp_path / "named", split=True)
    assert open_bundle(directory).assets == {"seg_dict": "seg_dict"}
    (directory / "configuration.json").unlink()
    assert open_bundle(directory).assets == {}
