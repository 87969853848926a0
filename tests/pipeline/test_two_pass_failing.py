"""Streams of two passes in which something fails: what they know afterwards, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from safeasr import AutoModel, DeadlineExceededError, InferenceError
from safeasr.calls.promise import Promise
from safeasr.families.campplus.recognizer import SpeakerRecognizer
from safeasr.speakers.windows import windows_of
from support.diarized import named
from support.two_pass import CHUNK, Events, ended, events_of
from support.vad import conversation

pytest.importorskip("funasr", reason="funasr makes the models")

WAVE = conversation(30, seed=5)
OTHER = conversation(12, seed=6)


@pytest.fixture(scope="module")
def model(speaker_models: dict[str, str]) -> Iterator[AutoModel]:
    names = named(speaker_models, online_model="demo-streaming")
    with AutoModel(**names, spk_threshold=0.97, disable_pbar=True) as made:
        yield made


def failing(call: int, error: Exception, submit: Callable[..., Any]) -> Callable[..., Any]:
    """`submit`, whose n-th ticket fails."""
    calls = iter(range(1000))

    def fails(*arguments: Any) -> Any:
        if next(calls) != call:
            return submit(*arguments)
        promise = Promise()
        promise.fail(error)
        return promise

    return fails


@pytest.mark.parametrize("last", [False, True])
def test_a_chunk_that_fails_is_forgotten(
    model: AutoModel, monkeypatch: pytest.MonkeyPatch, last: bool
) -> None:
    """Its sound, its marks and its speakers are none of the next utterance's."""
    recognizer = type(model._companions.main)
    expected = events_of(model, OTHER, mode="offline")
    error = InferenceError("the network failed")
    count = len(ended(events_of(model, WAVE, mode="offline")))
    submit = recognizer.submit  # type: ignore[attr-defined]
    with model.stream(key="k", mode="offline") as stream:
        monkeypatch.setattr(recognizer, "submit", failing(count - 1 if last else 0, error, submit))
        failed = 0
        for at in range(0, len(WAVE), CHUNK):
            try:
                stream.feed(WAVE[at : at + CHUNK], at + CHUNK >= len(WAVE))
            except InferenceError:
                failed += 1
        assert failed == 1
        found: Events = []
        for at in range(0, len(OTHER), CHUNK):
            found += stream.feed(OTHER[at : at + CHUNK], at + CHUNK >= len(OTHER))
    for event, wanted in zip(found, expected, strict=True):
        for name in ("spk", "spk_score"):  # these go on; see below
            event.pop(name), wanted.pop(name)
    assert found == expected


def test_speakers_of_a_chunk_that_fails_are_forgotten(
    model: AutoModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The numbers that are told have no gaps: what nobody was told of is nobody."""
    recognizer = type(model._companions.main)
    submit = recognizer.submit  # type: ignore[attr-defined]
    # One chunk with all segments, of which the last fails.
    with model.stream(key="k", mode="offline", spk_threshold=1.0) as stream:
        count = len(stream.feed(WAVE, True))
        assert count > 3
        stream.reset()
        error = InferenceError("the network failed")
        monkeypatch.setattr(recognizer, "submit", failing(count - 1, error, submit))
        with pytest.raises(InferenceError):
            stream.feed(WAVE, True)
        monkeypatch.setattr(recognizer, "submit", submit)
        assert [one["spk"] for one in stream.feed(WAVE, True)] == list(range(count))
        # Nobody is as like another as 1.0, so without a reset the numbers go on.
        others = [one["spk"] for one in stream.feed(OTHER, True)]
        assert others == list(range(count, count + len(others))) != []
        stream.reset()
        assert [one["spk"] for one in stream.feed(WAVE, True)] == list(range(count))


def test_what_is_said_counts_more_than_by_whom(
    model: AutoModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong with the speakers, the text is there; and nobody else's are spoiled."""
    expected = events_of(model, WAVE, return_spk_res=False)
    finish, submit = SpeakerRecognizer.finish, SpeakerRecognizer.submit

    def raises(*_: Any) -> Any:
        raise InferenceError("no result")

    def not_finite(self: SpeakerRecognizer, *arguments: Any) -> Any:
        found = finish(self, *arguments)
        found["spk_embedding"] = found["spk_embedding"] * np.nan
        return found

    def late(*_: Any) -> Any:
        promise = Promise()
        promise.fail(DeadlineExceededError("too late"))
        return promise

    for name, wrong, error in (
        ("finish", raises, "no result"),
        ("finish", not_finite, "not finite"),
        ("submit", late, "too late"),
    ):
        monkeypatch.setattr(SpeakerRecognizer, name, wrong)
        events = events_of(model, WAVE)
        monkeypatch.setattr(SpeakerRecognizer, "finish", finish)
        monkeypatch.setattr(SpeakerRecognizer, "submit", submit)
        for event in ended(events):
            assert event.pop("spk") is None
            assert all(error in str(one["error"]) for one in event.pop("errors"))
        assert events == expected


def test_some_windows_that_fail(model: AutoModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others say who it is."""
    events = ended(events_of(model, WAVE))
    spans = [(one["start"] * 16, one["end"] * 16) for one in events]
    counts = [sum(1 for _ in windows_of(0, WAVE[begin:end], 16000)) for begin, end in spans]
    number = next(i for i, count in enumerate(counts) if count > 1)
    error = InferenceError("the network failed")
    wrong = failing(sum(counts[:number]), error, SpeakerRecognizer.submit)
    monkeypatch.setattr(SpeakerRecognizer, "submit", wrong)
    found = ended(events_of(model, WAVE))
    assert [i for i, one in enumerate(found) if "errors" in one] == [number]
    assert found[number]["spk"] is not None
    assert [one["error"] for one in found[number]["errors"]] == [error]


def test_options_of_the_constructor(speaker_models: dict[str, str], model: AutoModel) -> None:
    """They hold for streams, unless a stream says otherwise."""
    parted = {one["spk"] for one in ended(events_of(model, WAVE))}
    assert len(parted) > len(
        {one["spk"] for one in ended(events_of(model, WAVE, spk_threshold=-1))}
    )
    with pytest.warns(UserWarning, match="no effect in generate"):
        quiet = AutoModel("demo", spk_model=speaker_models["CAMPPlus"], return_spk_res=False)
    with quiet:
        assert not any("spk" in one for one in events_of(quiet, OTHER))
        assert all("spk" in one for one in ended(events_of(quiet, OTHER, return_spk_res=True)))
        assert "sentence_info" not in quiet.generate(OTHER)[0]
