"""Silero VAD: FunASR's segments, from any number of threads, alone and beside recognisers."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from safeasr import AutoModel, ExportError, OptionError, UnsupportedModelError
from safeasr.bench.audio.manifest import embedded_clips
from safeasr.families.silero_vad.segments import SpeechSegments
from support.audio import Samples, recordings
from support.oracle import pipeline_oracle
from support.silero import needs_silero, oracle, write_silero_dir
from support.vad import conversation

pytest.importorskip("funasr", reason="funasr is the oracle")

OPTIONS: list[dict[str, Any]] = [
    {},
    {"silero_threshold": 0.7},
    {"silero_threshold": 0.1, "silero_min_silence_duration_ms": 300},
    {"silero_min_speech_duration_ms": 0, "silero_min_silence_duration_ms": 0},
    {"silero_speech_pad_ms": 400, "silero_min_speech_duration_ms": 1000},
    {"silero_speech_pad_ms": 0, "max_single_segment_time": 900},
]
CLIPS = [
    *(conversation(seconds, seed) for seed, seconds in enumerate((0.001, 0.032, 0.7, 5.3, 21.0))),
    np.zeros(16000, np.float32),
]


def said() -> Samples:
    """Sentences with silence between them: noise and harmonics are no speech to the network."""
    rng = np.random.default_rng(0)
    parts = []
    for clip, pause in zip(embedded_clips()[:5], (0.4, 0.05, 0.8, 0.2, 0.3), strict=True):
        silence = 0.001 * rng.standard_normal(int(pause * 16000))
        parts += [clip.samples, silence.astype(np.float32)]
    return np.concatenate(parts)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_silero_dir(tmp_path_factory.mktemp("silero"))


@needs_silero
@pytest.mark.parametrize("rate", [16000, 8000])
def test_parity(rate: int, make_model: Callable[..., AutoModel]) -> None:
    """By the weights of the package, on speech where there is some."""
    theirs = oracle(silero_sampling_rate=rate)
    model = make_model("silero-vad", silero_sampling_rate=rate)
    found = 0
    for clip in [*CLIPS, said(), *map(str, recordings()[:1])]:
        for options in OPTIONS[: 1 if isinstance(clip, str) else None]:
            wave = clip if isinstance(clip, str) else clip.copy()
            # The rate of arrays is the model's for FunASR, unless the call says another.
            [wanted] = theirs.generate(wave, key="one", fs=16000, **options)
            [ours] = model.generate(clip, key="one", fs=16000, **options)
            assert ours == wanted, options
            found += len(ours["value"])
    assert found > 12


def segments_by_package(
    speech_of: list[float], length: int, window: int, rate: int, options: dict[str, Any]
) -> list[list[int]]:
    """What the package's own rules say, cut as FunASR cuts."""
    from funasr.models.silero_vad.model import SileroVad

    from silero_vad import get_speech_timestamps_from_probs

    names = {
        "silero_threshold": "threshold",
        "silero_min_speech_duration_ms": "min_speech_duration_ms",
        "silero_min_silence_duration_ms": "min_silence_duration_ms",
        "silero_speech_pad_ms": "speech_pad_ms",
    }
    given = {names[name]: value for name, value in options.items() if name in names}
    spans = get_speech_timestamps_from_probs(
        speech_of, sampling_rate=rate, audio_length_samples=length, **given
    )
    segments = [[int(one[k] * 1000 / rate) for k in ("start", "end")] for one in spans]
    found: list[list[int]] = SileroVad._split_long_segments(
        segments, options.get("max_single_segment_time")
    )
    return found


@needs_silero
def test_rules_of_random_probabilities() -> None:
    """Whatever the windows say, in pieces of any size; nothing is told that changes later."""
    rng = np.random.default_rng(0)
    for case in range(400):
        rate, window = [(16000, 512), (8000, 256)][case % 2]
        count = int(rng.integers(1, 120))
        steps = rng.standard_normal(count).cumsum() * rng.choice([0.1, 0.5, 2])
        probabilities = (1 / (1 + np.exp(-steps))).tolist()
        options = {
            "silero_threshold": float(rng.choice([0.5, 0.2, 0.9, 0.005, 0.0, 1.0])),
            "silero_min_speech_duration_ms": float(rng.choice([0, 32, 100, 250, 1000])),
            "silero_min_silence_duration_ms": float(rng.choice([0, 33, 100, 400])),
            "silero_speech_pad_ms": float(rng.choice([0, 16, 30, 75, 300, 2000])),
            "max_single_segment_time": int(rng.choice([0, 1, 500])),
        }
        length = (count - 1) * window + int(rng.integers(1, window + 1))
        rules, found, first = SpeechSegments(options, rate, window), [], 0
        while first < count:
            size = int(rng.integers(1, 20))
            needed = rules.needed_from
            more = rules.add(probabilities[first : first + size])
            assert all(start >= needed for start, _ in more)
            found += more
            first += size
        needed = rules.needed_from
        more = rules.end(length)
        assert all(start >= needed for start, _ in more)
        wanted = segments_by_package(probabilities, length, window, rate, options)
        assert found + more == wanted, options


def test_company_changes_nothing(directory: Path, make_model: Callable[..., AutoModel]) -> None:
    """Options and recordings mixed, from 16 threads; an LSTM's state belongs to its call."""
    model = make_model(directory, num_workers=2, max_wait_ms=5)
    clips = [conversation(seconds, seed) for seed, seconds in enumerate((0.4, 2.1, 7.0, 11.0))]
    jobs = [(clip, options) for clip in clips for options in OPTIONS]
    alone = [model.generate(clip, **options)[0]["value"] for clip, options in jobs]
    assert len({str(one) for one in alone}) > len(jobs) / 3
    order = random.Random(0).sample(range(len(jobs)), len(jobs)) * 3
    with ThreadPoolExecutor(16) as pool:
        found = pool.map(lambda i: model.generate(jobs[i][0], **jobs[i][1])[0]["value"], order)
        assert list(found) == [alone[i] for i in order]
    assert model.stats()["mean_batch_size"] > 1.2


def test_more_than_one_request(directory: Path, make_model: Callable[..., AutoModel]) -> None:
    """Longer than what one request takes: the state goes on from one to the next."""
    from safeasr.families.silero_vad import recognizer

    model = make_model(directory)
    wave = conversation(40.0, 5)
    whole = model.generate(wave)[0]["value"]
    assert len(whole) > 5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recognizer, "_WINDOWS", 37)
        assert model.generate(wave)[0]["value"] == whole
        for samples in (37 * 512, 37 * 512 + 1, 37 * 512 - 1, 74 * 512):
            short = model.generate(wave[:samples])[0]["value"]
            patch.setattr(recognizer, "_WINDOWS", 10_000)
            assert model.generate(wave[:samples])[0]["value"] == short
            patch.setattr(recognizer, "_WINDOWS", 37)


def test_blocks_of_any_size(directory: Path, make_model: Callable[..., AutoModel]) -> None:
    """As a recording beside a recogniser comes: some blocks hold less than a window, or nothing."""
    model = make_model(directory)
    part: Any = model._recognizer
    detector = getattr(part, "_main", part)
    engine, wave = model._engine, conversation(9.0, 2)
    whole = model.generate(wave)[0]["value"]
    from safeasr._extension import _ext

    for sizes in ([1, 511, 512, 513, 0, 7000], [40_000], [144_000, 0], [512, 512, 3]):
        recording, found, first, turn = detector.recording({}), [], 0, 0
        while True:
            size = sizes[turn % len(sizes)]
            turn += 1
            block = wave[first : first + size]
            first += size
            is_final = first >= len(wave)
            ticket = recording.submit(engine, block, is_final=is_final, terms=_ext.Terms())
            assert ticket.wait(60)
            found += recording.take(ticket.get())
            if is_final:
                break
        assert found == whole


@needs_silero
def test_beside_a_recogniser(model_dir: Path, make_model: Callable[..., AutoModel]) -> None:
    """Long recordings in segments, as FunASR's."""
    kwargs = {"silero_min_silence_duration_ms": 200}
    model = make_model(str(model_dir), vad_model="silero-vad", vad_kwargs=dict(kwargs))
    threads = torch.get_num_threads()
    theirs = pipeline_oracle(model=str(model_dir), vad_model="silero-vad", vad_kwargs=dict(kwargs))
    torch.set_num_threads(threads)
    wave = said()
    for options in ({}, {"silero_threshold": 0.3}, {"max_single_segment_time": 3000}):
        [wanted] = theirs.generate(wave.copy(), **options)
        [found] = model.generate(wave, **options)
        # For segments without text FunASR leaves stray spaces: differences.md.
        assert found["text"] == " ".join(wanted["text"].split())
        assert found["text"]
    with pytest.raises(UnsupportedModelError, match="whole recordings only"):
        model.stream(mode="offline")


def test_beside_a_recogniser_from_threads(
    directory: Path, make_model: Callable[..., AutoModel]
) -> None:
    model = make_model("demo", vad_model=str(directory))
    waves = [conversation(seconds, seed) for seed, seconds in enumerate((3.0, 11.0, 19.0))]
    alone = [model.generate(wave)[0]["text"] for wave in waves]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: model.generate(waves[i % 3])[0]["text"], range(12)))
    assert found == alone * 4
    assert model.vad_model is not None
    spans = model.vad_model.generate(waves[2])[0]["value"]
    pieces = [model.model.generate(waves[2][s * 16 : e * 16])[0]["text"] for s, e in spans]
    assert " ".join(one for one in pieces if one) == alone[2]


def test_options(directory: Path, make_model: Callable[..., AutoModel]) -> None:
    model = make_model(directory, silero_threshold=0.9, silero_onnx=True)
    wave = conversation(9.0, 4)
    assert model.generate(wave)[0] != model.generate(wave, silero_threshold=0.1)[0]
    for wrong in (
        {"silero_threshold": 1.5}, {"silero_threshold": "high"}, {"silero_speech_pad_ms": -1},
        {"silero_min_speech_duration_ms": None, "silero_min_silence_duration_ms": float("nan")},
        {"max_single_segment_time": 0.5}, {"max_single_segment_time": -3},
    ):  # fmt: skip
        with pytest.raises(OptionError, match="must be"):
            model.generate(wave, **wrong)
    for rate in (44100, "16k", 0):
        with pytest.raises(OptionError, match="silero_sampling_rate must be 8000 or 16000"):
            AutoModel(str(directory), silero_sampling_rate=rate)
    with pytest.raises(UnsupportedModelError):
        model.stream()


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name in ("silero-vad", "silero_vad"):
        with pytest.raises(ExportError, match=r"pip install 'safeasr\[silero\]'"):
            AutoModel(name)


def test_what_does_not_fit(directory: Path, tmp_path: Path) -> None:
    path = write_silero_dir(tmp_path)
    weights = torch.load(path / "model.pt")
    del weights["_model.decoder.rnn.weight_hh"]
    torch.save(weights, path / "model.pt")
    with pytest.raises(ExportError, match="lacks 1 parameters"):
        AutoModel(str(path))
    (path / "model.pt").write_bytes(b"none at all")
    with pytest.raises(ExportError):
        AutoModel(str(path))
