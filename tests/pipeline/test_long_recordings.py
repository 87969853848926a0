"""Recordings that are decoded, detected and recognised block by block: as if they were not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import (
    AudioError,
    AutoModel,
    CancelledError,
    DeadlineExceededError,
    EngineClosedError,
)
from safeasr.calls.dispatcher import STEPS
from safeasr.families.terms import Terms
from safeasr.inputs import recording
from safeasr.inputs.reading import Parts
from safeasr.inputs.recording import Recording
from support.audio import Samples
from support.containers import ffmpeg_bytes, sndfile_bytes
from support.diarized import named, same
from support.oracle import pipeline_oracle
from support.vad import conversation
from support.waiting import until

pytest.importorskip("funasr", reason="funasr makes the models")

OPTIONS: list[dict[str, Any]] = [
    {},
    {"merge_vad": True},
    {"merge_vad": True, "merge_length_s": 4, "return_raw_text": True},
    {"max_end_silence_time": 200, "return_spk_center": True},
    {"max_single_segment_time": 3000, "spk_mode": "vad_segment"},
    {"return_spk_res": False, "sentence_timestamp": True, "output_timestamp": True},
]


@pytest.fixture(scope="module")
def wave() -> Samples:
    """With a pause of several blocks in it; begins with one, as in support.diarized."""
    return np.concatenate(
        [conversation(35, seed=11), np.zeros(16000 * 20, np.float32), conversation(30, seed=6)]
    )


@pytest.fixture(scope="module")
def short(wave: Samples) -> Samples:
    """Four blocks of 5 s."""
    return wave[: 16000 * 20]


@pytest.fixture(scope="module")
def model(speaker_models: dict[str, str]) -> Iterator[AutoModel]:
    with AutoModel(**named(speaker_models), disable_pbar=True) as made:
        yield made


@pytest.fixture
def block_s(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets how long blocks are."""
    return lambda seconds: monkeypatch.setattr(recording, "BLOCK_S", seconds)


@pytest.mark.slow
def test_the_length_of_blocks_changes_nothing(
    model: AutoModel, wave: Samples, block_s: Callable[[int], None]
) -> None:
    expected = [model.generate(wave, key="k", **options)[0] for options in OPTIONS]
    assert len({one["text"] for one in expected}) > 3
    for seconds, some in ((1, OPTIONS), (31, OPTIONS[:2])):
        block_s(seconds)
        for options, wanted in zip(some, expected, strict=False):
            same(model.generate(wave, key="k", **options)[0], wanted)


@pytest.mark.slow
def test_longer_than_a_block_equal_to_funasr(
    model: AutoModel, wave: Samples, speaker_models: dict[str, str], tmp_path: Path
) -> None:
    """Three blocks, as a file that is decoded as it is read."""
    wave = np.concatenate([wave, wave[:16000] * 0, wave[: 16000 * 40]])
    path = tmp_path / "k.wav"
    path.write_bytes(sndfile_bytes("WAV", wave, 16000, "FLOAT"))
    oracle = pipeline_oracle(**named(speaker_models))
    # Speakers of other pieces hang on FunASR's global random numbers.
    for options in ({}, {"merge_vad": True, "return_spk_res": False}):
        expected = {**oracle.generate(wave.copy(), **options)[0], "key": "k"}
        same(model.generate(wave, key="k", **options)[0], expected)
        same(model.generate(str(path), **options)[0], expected)


def test_files_of_any_kind(
    model: AutoModel, wave: Samples, tmp_path: Path, block_s: Callable[[int], None]
) -> None:
    """From 10 threads: each is what it is when its samples are given."""
    from safeasr.inputs.audio import load_audio

    block_s(5)
    wave = wave[16000 * 20 : 16000 * 65]  # the pause, and speech around it
    data = {
        "a.wav": sndfile_bytes("WAV", wave, 16000),
        "b.mp3": sndfile_bytes("MP3", wave, 16000),
        "c.flac": sndfile_bytes("FLAC", wave[::2], 8000),
        "d.m4a": ffmpeg_bytes("ipod", "aac", wave, 16000),
        "e.pcm": (wave * 32767).astype("<i2").tobytes(),
    }
    expected = {}
    for name, content in data.items():
        (tmp_path / name).write_bytes(content)
        expected[name] = model.generate(load_audio(tmp_path / name), key="k")[0]
    names = list(data) * 2
    with ThreadPoolExecutor(10) as pool:
        got = pool.map(lambda name: model.generate(tmp_path / name, key="k")[0], names)
        for name, result in zip(names, got, strict=True):
            assert result == expected[name]


class Slow:
    """A recording of which a piece comes when the test says so, and what became of it."""

    def __init__(self, wave: Samples, piece_s: int = 5) -> None:
        self.wave, self.size = wave, 16000 * piece_s
        self.read = 0
        self.allowed = threading.Semaphore(0)
        self.closed = threading.Event()

    def parts(self) -> Parts:
        try:
            for at in range(0, len(self.wave), self.size):
                assert self.allowed.acquire(timeout=60)
                self.read += 1
                yield self.wave[at : at + self.size]
            return None
        finally:
            self.closed.set()

    def follow(self, model: AutoModel, told: list[Any], **terms: Any) -> Any:
        recogniser: Any = model._recognizer
        return recogniser.follow(
            model._engine, Recording(self.parts(), 16000), {}, Terms(**terms), told.append
        )


def test_sentences_come_before_the_rest_is_read(
    wave: Samples, block_s: Callable[[int], None]
) -> None:
    block_s(5)
    with AutoModel("demo", vad_model="demo-vad", disable_pbar=True) as model:
        expected = model.generate(wave, sentence_timestamp=True, output_timestamp=True)[0]
        # The detector decides at the end of a chunk, a minute in recordings.
        slow, told = Slow(np.tile(wave, 3)), []
        slow.allowed.release(14)
        ticket = slow.follow(model, told)
        until(lambda: len(told) >= 3)
        assert not ticket.finished()
        assert told == expected["sentence_info"][: len(told)]
        slow.allowed.release(100)
        assert ticket.wait(60) and slow.closed.is_set()
        assert len(told) > 2 * len(expected["sentence_info"])


def test_it_is_not_read_far_ahead(
    gated_model: Callable[..., AutoModel], gate: Any, block_s: Callable[[int], None], wave: Samples
) -> None:
    """The recogniser stands still: what is read is what it has in hand, and a few segments."""
    block_s(5)
    model = gated_model(vad_model="demo-vad", vad_kwargs={"chunk_size": 5000})
    slow, told = Slow(np.tile(wave, 10)), []
    slow.allowed.release(10_000)
    ticket = slow.follow(model, told)
    before = -1
    while before != slow.read:
        before = slow.read
        time.sleep(0.5)
    assert slow.read < 100 and not ticket.finished()
    gate.open()
    assert ticket.wait(120)
    assert slow.read == 10 * 17


@pytest.mark.parametrize("way", ["cancel", "close", "deadline"])
def test_given_up_in_the_middle(wave: Samples, way: str, block_s: Callable[[int], None]) -> None:
    block_s(5)
    with AutoModel("demo", vad_model="demo-vad", disable_pbar=True) as model:
        slow, told = Slow(wave), []
        slow.allowed.release(4)
        terms = {"deadline": time.monotonic() + 1} if way == "deadline" else {}
        ticket = slow.follow(model, told, **terms)
        until(lambda: slow.read == 4)
        if way == "cancel":
            assert ticket.cancel()
        elif way == "close":
            model.close(drain=False)
        else:
            time.sleep(1.1)
        slow.allowed.release(100)
        assert slow.closed.wait(60)
        assert slow.read < len(wave) / slow.size
        assert ticket.wait(60)
        wanted = {
            "cancel": CancelledError, "close": EngineClosedError, "deadline": DeadlineExceededError,
        }  # fmt: skip
        with pytest.raises(wanted[way]):
            ticket.get()
        until(lambda: model.stats()["waiting"] == 0)


def test_what_cannot_be_read_to_its_end(
    wave: Samples, tmp_path: Path, block_s: Callable[[int], None]
) -> None:
    block_s(5)
    path = tmp_path / "a.flac"
    path.write_bytes(sndfile_bytes("FLAC", wave, 16000)[:-200_000])
    with AutoModel("demo", vad_model="demo-vad", disable_pbar=True) as model:
        with pytest.warns(UserWarning, match="is damaged"):
            assert model.generate(path)[0]["text"]
        for call in (model.generate, lambda *a, **k: model.submit(*a, **k).result(60)):
            with pytest.raises(AudioError, match=r"^input 0 \(key 'a'\): audio .* is damaged"):
                call(path, strict_audio=True)
        [result] = model.generate(path, strict_audio=True, on_error="return")
        assert isinstance(result["error"], AudioError)


def test_arrays_may_change_after_submit(wave: Samples, block_s: Callable[[int], None]) -> None:
    block_s(5)
    with AutoModel("demo", vad_model="demo-vad", disable_pbar=True) as model:
        expected = model.generate(wave)
        for given in (wave.copy(), bytearray(wave.tobytes())):
            source = given if isinstance(given, np.ndarray) else memoryview(given).cast("f")
            future = model.submit(source, key="k")
            given[:] = given[:1] * len(given) if isinstance(given, bytearray) else 1
            assert future.result(60)[0]["text"] == expected[0]["text"]


def test_many_are_not_open_at_a_time(short: Samples, block_s: Callable[[int], None]) -> None:
    block_s(5)
    with AutoModel("demo", vad_model="demo-vad", disable_pbar=True) as model:
        slow = [Slow(short) for _ in range(100)]
        for one in slow:
            one.allowed.release(2)
        tickets = [one.follow(model, []) for one in slow]
        until(lambda: sum(one.read == 2 for one in slow) == 64)
        time.sleep(0.1)
        assert sum(one.read > 0 for one in slow) == 64
        for one in slow:
            one.allowed.release(100)
        assert all(ticket.wait(120) for ticket in tickets)
        assert len({ticket.get()["text"] for ticket in tickets}) == 1


def test_nothing_is_kept_of_those_that_ended(
    model: AutoModel, short: Samples, block_s: Callable[[int], None]
) -> None:
    """Cancelled, failed or done: no callback waits for what will never come."""
    block_s(5)
    before = len(STEPS._waiting)
    broken = short.copy()
    broken[-1000] = np.nan
    for way in ("cancel", "fail", "done") * 5:
        slow = Slow(broken if way == "fail" else short)
        slow.allowed.release(3 if way == "cancel" else 100)
        ticket = slow.follow(model, [])
        if way == "cancel":
            time.sleep(0.02)
            ticket.cancel()
            slow.allowed.release(100)
        assert ticket.wait(60)
    until(lambda: len(STEPS._waiting) == before)


def test_a_call_reads_few_recordings_at_a_time(
    short: Samples, block_s: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    block_s(2)
    begun: list[Recording] = []
    read = Recording.read

    def counted(self: Recording) -> Any:
        if self not in begun:
            begun.append(self)
        assert sum(not one.ended for one in begun) <= 9
        return read(self)

    with AutoModel("demo", vad_model="demo-vad", disable_pbar=True) as model:
        expected = model.generate(short)[0]["text"]
        monkeypatch.setattr(Recording, "read", counted)
        results = model.generate([short] * 40)
        assert [one["text"] for one in results] == [expected] * 40
        assert len(begun) == 40
