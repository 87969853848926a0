"""emotion2vec: FunASR's labels, scores and vectors, from any number of threads."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import AudioError, AutoModel, OptionError, UnsupportedModelError
from support.audio import speech
from support.cases import CASES
from support.emotion import LABELS, write_emotion_dir
from support.oracle import pipeline_oracle
from support.precision import OPTIONS
from support.precision import require as require_precision

pytest.importorskip("funasr", reason="funasr makes the models")

CASE = next(case for case in CASES if case.name == "emotion2vec")
#: Of numbers up to about 5: other orders of sums, and an error function of its own.
TOLERANCE = 3e-5
#: The shortest that there can be, and lengths around those where a frame comes.
CLIPS = [
    *(speech(0.1, seed=1)[:samples] for samples in (400, 401, 719, 720, 721)),
    *(speech(seconds, seed=i) for i, seconds in enumerate((0.3, 1.1, 1.1, 2.7, 6.4))),
]
USED = [label for label in LABELS if not label.startswith("unuse")]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_emotion_dir(tmp_path_factory.mktemp("emotion"))


@pytest.mark.parametrize("shape", CASE.shapes)
def test_parity(shape: str, tmp_path: Path, make_model: Callable[..., AutoModel]) -> None:
    path = CASE.shapes[shape](tmp_path)
    theirs, model = pipeline_oracle(model=str(path)), make_model(path)
    tops = set()
    for options in CASE.calls:
        listed = model.generate(CLIPS, **options)
        for clip, found in zip(CLIPS, listed, strict=True):
            [wanted] = theirs.generate(clip.copy(), key="one", **options)
            assert found.keys() == wanted.keys()
            assert found["labels"] == wanted["labels"]
            assert all(isinstance(one, float) for one in found["scores"])
            np.testing.assert_allclose(found["scores"], wanted["scores"], rtol=0, atol=TOLERANCE)
            if found["scores"]:
                tops.add(int(np.argmax(found["scores"])))
            if "feats" in wanted:
                assert type(found["feats"]) is np.ndarray
                assert found["feats"].dtype == wanted["feats"].dtype
                np.testing.assert_allclose(found["feats"], wanted["feats"], rtol=0, atol=TOLERANCE)
    if shape == "embeddings only":
        # They are all that there is, whoever says no to them.
        assert set(found) == {"key", "labels", "scores", "feats"} and not found["labels"]
    else:
        assert len(tops) > 1, "one label for everything: scores were hardly compared"


def test_what_comes_in(directory: Path, make_model: Callable[..., AutoModel]) -> None:
    """Other rates, silence, constants, loud and soft: as FunASR's."""
    theirs, model = pipeline_oracle(model=str(directory)), make_model(directory)
    clip = speech(1.3, seed=4)
    for wave, options in (
        (clip, {"fs": 8000}),
        (clip, {"fs": 44100}),
        (np.zeros(4000, np.float32), {}),
        (np.full(4000, 0.25, np.float32), {}),
        (clip * 1e-4, {}),
        (clip + np.float32(0.5), {}),
    ):
        [found], [wanted] = model.generate(wave, **options), theirs.generate(wave.copy(), **options)
        np.testing.assert_allclose(found["feats"], wanted["feats"], rtol=0, atol=3 * TOLERANCE)
        np.testing.assert_allclose(found["scores"], wanted["scores"], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("precision", ["float32", *OPTIONS])
def test_company_changes_no_bit(
    precision: str, directory: Path, make_model: Callable[..., AutoModel]
) -> None:
    """Alone, in lists, from 16 threads, and with another number of cores for a batch."""
    options = {}
    if precision != "float32":
        require_precision(precision)
        options = OPTIONS[precision]
    alone = make_model(directory, max_batch_size=1, intra_op_threads=1, **options)
    model = make_model(directory, num_workers=2, max_wait_ms=5, max_batch_frames=2000, **options)
    cores = make_model(directory, num_workers=1, intra_op_threads=3, **options)
    jobs = [(i, granularity) for i in range(len(CLIPS)) for granularity in ("utterance", "frame")]
    expected = {
        (i, granularity): alone.generate(CLIPS[i], granularity=granularity)[0]
        for i, granularity in jobs
    }

    def same(job: tuple[int, str], by: AutoModel) -> bool:
        [found] = by.generate(CLIPS[job[0]], granularity=job[1])
        wanted = expected[job]
        return found["scores"] == wanted["scores"] and bool(
            np.array_equal(found["feats"], wanted["feats"])
        )

    assert all(same(job, cores) for job in jobs)
    shuffled = random.Random(0).sample(jobs * 4, 4 * len(jobs))
    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(lambda job: same(job, model), shuffled))
    assert model.stats()["mean_batch_size"] > 1.2, "nobody had company: nothing was shown"
    listed = model.generate(CLIPS)
    assert all(
        np.array_equal(one["feats"], expected[i, "utterance"]["feats"])
        for i, one in enumerate(listed)
    )


@pytest.mark.parametrize(("precision", "bound"), [("bfloat16", 0.02), ("int8", 0.05)])
def test_reduced_precision_is_near(
    precision: str, bound: float, directory: Path, make_model: Callable[..., AutoModel]
) -> None:
    require_precision(precision)
    plain, reduced = make_model(directory), make_model(directory, **OPTIONS[precision])
    assert reduced.precision == precision
    for clip in CLIPS[4:]:
        [wanted], [found] = (one.generate(clip, granularity="frame") for one in (plain, reduced))
        # Rows come out of a norm: numbers are of about 1.
        error = float(np.sqrt(np.square(found["feats"] - wanted["feats"]).mean()))
        assert error < bound, error
        assert np.abs(np.subtract(found["scores"], wanted["scores"])).max() < 4 * bound


def test_a_minute(directory: Path, make_model: Callable[..., AutoModel]) -> None:
    """More frames than are in work at a time, and than one tile of attention."""
    theirs, model = pipeline_oracle(model=str(directory)), make_model(directory)
    wave = speech(60, seed=3)
    [found], [wanted] = (one.generate(wave.copy(), granularity="frame") for one in (model, theirs))
    assert found["feats"].shape == wanted["feats"].shape == (2999, 64)
    np.testing.assert_allclose(found["feats"], wanted["feats"], rtol=0, atol=3 * TOLERANCE)


def test_too_short(directory: Path, make_model: Callable[..., AutoModel]) -> None:
    model = make_model(directory)
    for samples in (0, 1, 399):
        with pytest.raises(AudioError, match=r"no samples|too short to hear an emotion"):
            model.generate(speech(0.1)[:samples])
    results = model.generate([speech(0.02), speech(1.0)], on_error="return")
    assert isinstance(results[0]["error"], AudioError) and "feats" in results[1]


def test_options(directory: Path, make_model: Callable[..., AutoModel]) -> None:
    model = make_model(directory, granularity="frame", extract_embedding=False)
    clip = speech(0.5)
    assert set(model.generate(clip)[0]) == {"key", "labels", "scores"}
    assert model.generate(clip, extract_embedding=True)[0]["feats"].shape == (24, 64)
    assert model.generate(clip, extract_embedding=1, granularity="utterance")[0]["feats"].ndim == 1
    assert model.generate(clip)[0]["labels"] == USED
    for wrong in (
        {"granularity": "word"}, {"granularity": 1}, {"extract_embedding": "yes"},
        {"extract_embedding": 2},
    ):  # fmt: skip
        with pytest.raises(OptionError, match=f"{next(iter(wrong))} must be"):
            model.generate(clip, **wrong)
        with pytest.raises(OptionError, match=f"{next(iter(wrong))} must be"):
            AutoModel(str(directory), **wrong)


def test_files_of_vectors(
    directory: Path, tmp_path: Path, make_model: Callable[..., AutoModel]
) -> None:
    """As FunASR writes them, by key; nothing where no vectors are wanted."""
    from safeasr import OutputError

    theirs, model = pipeline_oracle(model=str(directory)), make_model(directory)
    clips, keys = [speech(0.5, seed=1), speech(0.9, seed=2)], ["first", "zweite 二"]
    for options in ({"granularity": "frame"}, {}):
        model.generate(clips, key=keys, output_dir=str(tmp_path / "ours"), **options)
        for clip, key in zip(clips, keys, strict=True):
            theirs.generate(clip.copy(), key=key, output_dir=str(tmp_path / "theirs"), **options)
        for key in keys:
            found, wanted = (np.load(tmp_path / one / f"{key}.npy") for one in ("ours", "theirs"))
            assert found.dtype == wanted.dtype
            np.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCE)
    assert sorted(one.name for one in (tmp_path / "ours").iterdir()) == [f"{k}.npy" for k in keys]
    model.generate(clips, output_dir=tmp_path / "none", extract_embedding=False)
    assert not any((tmp_path / "none").iterdir())
    for key in ("../out", "a/b", "..", ""):
        with pytest.raises(OutputError, match="cannot be a file's name") as raised:
            model.generate(clips[0], key=key, output_dir=tmp_path / "ours")
        assert raised.value.results[0]["labels"] == USED  # type: ignore[attr-defined]
    assert not (tmp_path / "out.npy").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        model.generate(clips[0], output_dir=tmp_path / "file")


def test_roles(directory: Path, model_dir: Path, make_model: Callable[..., AutoModel]) -> None:
    """It stands alone: it recognises no speech that marks or segments could be of."""
    with pytest.raises(UnsupportedModelError, match=r"emotion recognition"):
        AutoModel(str(directory), vad_model="demo-vad")
    with pytest.raises(UnsupportedModelError, match=r"emotion recognition"):
        AutoModel(str(model_dir), spk_model=str(directory))
    with pytest.raises((AudioError, UnsupportedModelError)):
        make_model(directory).stream()


def test_batches_are_shared(directory: Path, make_model: Callable[..., AutoModel]) -> None:
    model: Any = make_model(directory, num_workers=1, max_batch_frames=10_000)
    model.generate([speech(1.0, seed=i) for i in range(24)])
    assert model.stats()["mean_batch_size"] > 4
