"""SenseVoice's options, wrong input, bundles, and long recordings."""

from __future__ import annotations

import json
import shutil
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import safeasr
from safeasr import (
    AudioError,
    AutoModel,
    CorruptBundleError,
    ExportError,
    InferenceError,
    UnsupportedModelError,
)
from safeasr.loading.export import open_bundle
from support.audio import Samples, speech
from support.programs import reseal
from support.sense_voice import (
    SenseOracle,
    SenseShape,
    one_token_each,
    write_model_dir,
    write_pieces,
)

pytest.importorskip("funasr", reason="funasr is the reference")

MODELS = Path(safeasr.__file__).parent / "models"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model_dir(tmp_path_factory.mktemp("sense"), seed=2)


@pytest.fixture(scope="module")
def oracle(directory: Path) -> SenseOracle:
    return SenseOracle(directory)


@pytest.fixture
def model(directory: Path, make_model: Callable[..., AutoModel]) -> AutoModel:
    return make_model(directory)


def text(model: Any, clip: Samples, **options: Any) -> str:
    return str(model.generate(clip, **options)[0]["text"])


CLIP = speech(3.0, seed=8)


def test_text_forms(model: AutoModel) -> None:
    plain, itn = text(model, CLIP), text(model, CLIP, use_itn=True)
    assert plain != itn
    assert text(model, CLIP, text_norm="withitn") == itn
    assert text(model, CLIP, use_itn=True, text_norm="woitn") == plain
    assert text(model, CLIP, use_itn=True, text_norm=None) == itn
    for form in ("itn", "", 1, ["withitn"]):
        with pytest.raises(ValueError, match=r"text_norm must be one of withitn, woitn, got"):
            model.generate(CLIP, text_norm=form)


def test_languages_that_are_none(model: AutoModel, oracle: SenseOracle) -> None:
    """Taken for "auto", as in FunASR, and named."""
    auto = text(model, CLIP, language="auto")
    assert auto != text(model, CLIP, language="en")
    for language in ("english", "ZH", "", 3):
        with pytest.warns(UserWarning, match=r"language=.* taken for 'auto'"):
            assert text(model, CLIP, language=language) == auto
        assert text(oracle, CLIP, language=language) == auto
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert text(model, CLIP, language=None) == auto
        assert text(model, CLIP) == auto


def test_options_of_the_constructor(
    directory: Path, model: AutoModel, make_model: Callable[..., AutoModel]
) -> None:
    english = make_model(directory, language="en", use_itn=True)
    assert text(english, CLIP) == text(model, CLIP, language="en", use_itn=True)
    assert text(english, CLIP, language="zh") == text(model, CLIP, language="zh", use_itn=True)


def test_options_stay_with_their_call(model: AutoModel) -> None:
    before = model.generate(CLIP, key="k")
    assert "<|EMO_UNKNOWN|>" in before[0]["text"]
    model.generate(CLIP, ban_emo_unk=True, language="ja", use_itn=True, output_timestamp=True)
    assert model.generate(CLIP, key="k") == before


def test_options_of_other_families(model: AutoModel) -> None:
    with pytest.warns(UserWarning, match="'pred_timestamp'"):
        model.generate(CLIP, pred_timestamp=True)


def test_a_ban_needs_the_token(tmp_path: Path, make_model: Callable[..., AutoModel]) -> None:
    small = make_model(write_model_dir(tmp_path, SenseShape("small", size=300)))
    assert text(small, CLIP)
    with pytest.raises(UnsupportedModelError, match="ban_emo_unk: the model has 300 tokens"):
        small.generate(CLIP, ban_emo_unk=True)


@pytest.mark.parametrize("samples", [1, 160, 256, 257, 399, 400, 401, 1000])
def test_very_short_audio(model: AutoModel, oracle: SenseOracle, samples: int) -> None:
    clip = speech(1.0, seed=3)[3000 : 3000 + samples]
    for options in ({}, {"output_timestamp": True, "language": "zh"}):
        result = model.generate(clip, **options)[0]
        assert result.keys() >= {"key", "text"}
        if samples > 256:  # FunASR raises for fewer
            assert result["text"] == text(oracle, clip, language=options.get("language", "auto"))


def test_wrong_audio(model: AutoModel) -> None:
    broken = CLIP.copy()
    broken[5] = np.nan
    for wrong, message in [(np.zeros(0, np.float32), "empty|no samples"), (broken, "finite|NaN")]:
        with pytest.raises(AudioError, match=message):
            model.generate([CLIP, wrong])
    with pytest.raises(AudioError, match="560"):
        model.generate(np.zeros((5, 80), np.float32), data_type="fbank")
    assert text(model, CLIP)


def test_a_bad_request_fails_alone(directory: Path, make_model: Callable[..., AutoModel]) -> None:
    """Requests that share a batch with one that the network cannot take."""
    model = make_model(directory, max_wait_ms=300, max_batch_frames=4000)
    recognizer, engine = model._recognizer, model._engine
    expected = text(model, CLIP)

    def submit(**queries: Any) -> Any:
        return recognizer._runner.submit(engine, CLIP, **queries)

    good = [0, 1, 2, 15]
    tickets = [submit(queries=q) for q in (good, [0, 1, 2, 99], good)]
    for ticket in tickets:
        assert ticket.wait(60)
    assert model.stats()["retried_alone"] == 3
    with pytest.raises(InferenceError):
        tickets[1].get()
    for ticket in (tickets[0], tickets[2]):
        assert recognizer.finish(ticket.get(), "k", {})["text"] == expected


def test_a_bundle_needs_no_funasr(
    directory: Path, model: AutoModel, run_python: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:  # fmt: skip
    bundle = tmp_path / "bundle"
    shutil.copytree(open_bundle(directory).path, bundle)
    np.save(tmp_path / "clip.npy", CLIP)
    script = (
        "import sys; sys.modules['funasr'] = None\n"
        "import json, numpy, safeasr\n"
        "assert 'sentencepiece' not in sys.modules\n"
        "model = safeasr.AutoModel(sys.argv[1], disable_pbar=True, num_workers=1)\n"
        "print(json.dumps(model.generate(numpy.load(sys.argv[2]), output_timestamp=True)[0]))\n"
    )
    done = run_python(script, bundle, tmp_path / "clip.npy")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["text"] == text(model, CLIP)
    assert result["words"]


def test_damaged_bundles(directory: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(open_bundle(directory).path, bundle)
    vocabulary = bundle / "bpe.model"
    whole = vocabulary.read_bytes()
    vocabulary.write_bytes(whole[:-1])
    with pytest.raises(CorruptBundleError, match="bytes"):
        AutoModel(str(bundle))
    vocabulary.write_bytes(b"\xff" * len(whole))
    with pytest.raises(CorruptBundleError, match="is not what the bundle was made with"):
        AutoModel(str(bundle))
    reseal(bundle)
    with pytest.raises(CorruptBundleError, match="SentencePiece"):
        AutoModel(str(bundle))
    vocabulary.unlink()
    with pytest.raises(CorruptBundleError, match="missing"):
        AutoModel(str(bundle))


def configure(directory: Path, section: str | None, **values: Any) -> None:
    file = directory / "config.yaml"
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    (config if section is None else config[section]).update(values)
    file.write_text(yaml.safe_dump(config), encoding="utf-8")


REFUSED: dict[str, tuple[Callable[[Path], Any], type[Exception], str]] = {
    "encoder": (lambda d: configure(d, None, encoder="SANMEncoder"), UnsupportedModelError,
                "encoder='SANMEncoder'.*SenseVoiceSmall"),
    "tokenizer": (lambda d: configure(d, None, tokenizer="CharTokenizer"), UnsupportedModelError,
                  "tokenizer='CharTokenizer'"),
    "layers": (lambda d: configure(d, "encoder_conf", tp_blocks=9), ExportError, "lacks"),
    "sizes": (lambda d: configure(d, "encoder_conf", linear_units=9), ExportError, "fit"),
    "no vocabulary": (lambda d: (d / "bpe.model").unlink(), ExportError, "SentencePiece"),
    "no such vocabulary": (lambda d: (d / "bpe.model").write_bytes(b"?"), ExportError,
                           "SentencePiece"),
    "another vocabulary": (lambda d: write_pieces(d / "bpe.model", size=300), ExportError, "fit"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_models_that_are_refused(directory: Path, tmp_path: Path, name: str) -> None:
    changed = tmp_path / "model"
    shutil.copytree(directory, changed)
    change, error, message = REFUSED[name]
    change(changed)
    with pytest.raises(error, match=message):
        AutoModel(str(changed))


def test_a_vocabulary_named_in_config(
    directory: Path, tmp_path: Path, model: AutoModel, make_model: Callable[..., AutoModel]
) -> None:
    changed = tmp_path / "model"
    shutil.copytree(directory, changed)
    (changed / "bpe.model").rename(changed / "other.model")
    configure(changed, "tokenizer_conf", bpemodel="other.model")
    assert text(make_model(changed), CLIP) == text(model, CLIP)


LONG: list[dict[str, Any]] = [
    {},
    {"language": "zh", "use_itn": True},
    {"merge_vad": True},
    {"merge_vad": True, "ban_emo_unk": True},
    {"output_timestamp": True},
    {"output_timestamp": True, "merge_vad": True, "batch_size_s": 60},
]


def conversation() -> Samples:
    import soundfile

    path = MODELS / "demo-streaming" / "audio" / "conversation.flac"
    samples, _ = soundfile.read(path, dtype="float32")
    return np.ascontiguousarray(samples)


@pytest.fixture(scope="module")
def long_oracle(directory: Path) -> SenseOracle:
    return SenseOracle(directory, vad_model=str(MODELS / "demo-vad"))


@pytest.mark.parametrize("options", LONG, ids=str)
def test_long_recordings(
    directory: Path,
    long_oracle: SenseOracle,
    make_model: Callable[..., AutoModel],
    options: dict[str, Any],
) -> None:
    model = make_model(directory, vad_model="demo-vad", num_workers=2)
    wave = conversation()
    expected = long_oracle.generate(wave, **options)[0]
    got = model.generate(wave, **options)[0]
    assert got["text"] == expected["text"]
    assert len(got["text"]) > 100
    assert {**got, "key": ""} == {**expected, "key": ""}
    if "output_timestamp" in options:
        assert len(got["timestamp"]) == len(got["words"]) > 20
    assert model.generate(np.zeros(32000, np.float32))[0]["text"] == ""


def test_second_pass(directory: Path, make_model: Callable[..., AutoModel]) -> None:
    """SenseVoice behind a streaming model: its text at the end of each segment."""
    model = make_model(directory, vad_model="demo-vad", online_model="demo-streaming")
    wave = conversation()[: 16000 * 10]
    with model.stream(mode="2pass", language="zh") as stream:
        events = [*stream.feed(wave), *stream.finish()]
    finals = [one for one in events if one["mode"] == "2pass-offline"]
    assert finals
    first = finals[0]
    piece = wave[first["start"] * 16 : first["end"] * 16]
    alone = make_model(directory)
    assert first["text"] == text(alone, piece, language="zh")


def test_the_oracle_can_time_these_models(directory: Path, oracle: SenseOracle) -> None:
    """Most texts of these vocabularies are split into pieces of one token, so times compare."""
    texts = [text(oracle, speech(2.0, seed=seed)) for seed in range(12)]
    assert sum(one_token_each(directory, one) for one in texts) > 6
