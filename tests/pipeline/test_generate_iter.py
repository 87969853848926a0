"""``generate_iter``: the sentences of ``generate``, as soon as they are final."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import (
    AudioError,
    AutoModel,
    DeadlineExceededError,
    EngineClosedError,
    InferenceError,
    OptionError,
)
from safeasr.calls.promise import Promise
from safeasr.inputs import recording
from support.audio import Samples, speech
from support.containers import sndfile_bytes
from support.diarized import named
from support.vad import conversation

pytest.importorskip("funasr", reason="funasr makes the models")


@pytest.fixture(scope="module")
def wave() -> Samples:
    return conversation(40, seed=5)


@pytest.fixture(scope="module")
def plain() -> Iterator[AutoModel]:
    with AutoModel("demo", vad_model="demo-vad", disable_pbar=True) as made:
        yield made


@pytest.fixture(scope="module")
def marked(speaker_models: dict[str, str]) -> Iterator[AutoModel]:
    with AutoModel(**named(speaker_models, spk_model=None), disable_pbar=True) as made:
        yield made


def without_spaces(text: str) -> str:
    return "".join(text.split())


def test_without_marks(plain: AutoModel, wave: Samples) -> None:
    whole = plain.generate(wave, key="k", sentence_timestamp=True, output_timestamp=True)[0]
    told = list(plain.generate_iter(wave, key="k"))
    assert told == [{"key": "k", **one} for one in whole["sentence_info"]]
    assert len(told) > 2


@pytest.mark.parametrize("options", [{}, {"split_size": 7}, {"merge_vad": True}], ids=str)
def test_with_marks(marked: AutoModel, wave: Samples, options: dict[str, Any]) -> None:
    """Together they are the text of ``generate``, with its times."""
    whole = marked.generate(wave, output_timestamp=True, return_raw_text=True, **options)[0]
    told = list(marked.generate_iter(wave, key="k", return_raw_text=True, **options))
    assert len(told) > 10
    together = "".join(one["text"] for one in told)
    assert without_spaces(together) == without_spaces(whole["text"])
    raw = " ".join(one["raw_text"] for one in told)
    assert raw == whole["raw_text"]
    assert [pair for one in told for pair in one["timestamp"]] == whole["timestamp"]
    for one in told:
        assert one["start"] == one["timestamp"][0][0] and one["end"] == one["timestamp"][-1][1]
        assert one["text"][-1] in "，。？、,.?" and one["text"][0] != " "


def test_the_same_sentences_where_the_order_fits(marked: AutoModel, wave: Samples) -> None:
    """But for spaces, capitals and the width of marks, which ``sentence_info`` has its own way."""
    whole = marked.generate(wave, sentence_timestamp=True, output_timestamp=True)[0]
    told = list(marked.generate_iter(wave, key="k"))
    sentences = whole["sentence_info"]
    assert len(told) == len(sentences)
    for one, other in zip(told, sentences, strict=True):
        assert [one[name] for name in ("start", "end", "timestamp")] == [
            other[name] for name in ("start", "end", "timestamp")
        ]
        assert one["text"].rstrip(",.?").lower() == other["text"].strip().rstrip("，。？、").lower()


def test_words_that_have_no_times(speaker_models: dict[str, str], wave: Samples) -> None:
    """SenseVoice's words are not always the text's: sentences then have the times of pieces."""
    given = named(speaker_models, model=speaker_models["sense_voice"], spk_model=None)
    with AutoModel(**given, disable_pbar=True) as model:
        whole = model.generate(wave)[0]
        told = list(model.generate_iter(wave))
        together = "".join(one["text"] for one in told)
        assert without_spaces(together).casefold() == without_spaces(whole["text"]).casefold()
        assert all(one["start"] <= one["end"] for one in told)
        starts = [one["start"] for one in told]
        assert starts == sorted(starts)


def test_with_speakers(speaker_models: dict[str, str], wave: Samples) -> None:
    with AutoModel(**named(speaker_models), disable_pbar=True) as model:
        whole = model.generate(wave, key="k")[0]
        told = list(model.generate_iter(wave, key="k"))
        assert told == [{"key": "k", **one} for one in whole["sentence_info"]]
        assert {one["spk"] for one in told}
        asked = list(model.generate_iter(wave, return_spk_res=False))
        assert len(asked) == len(told) and "spk" not in asked[0]


def test_without_a_detector() -> None:
    clips = [speech(1.5, seed) for seed in range(5)]
    with AutoModel("demo", disable_pbar=True) as model:
        keys = list("abcde")
        assert list(model.generate_iter(clips, key=keys)) == model.generate(clips, key=keys)


def test_several_recordings_in_order(
    plain: AutoModel, wave: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "BLOCK_S", 3)
    for name in "abc":
        shifted = np.roll(wave, 16000 * ord(name))
        (tmp_path / f"{name}.wav").write_bytes(sndfile_bytes("WAV", shifted, 16000))
    paths = [tmp_path / f"{name}.wav" for name in "abc"]
    told = list(plain.generate_iter(paths))
    assert [one["key"] for one in told] == sorted(one["key"] for one in told)
    for name, path in zip("abc", paths, strict=True):
        own = [one["text"] for one in told if one["key"] == name]
        assert " ".join(own) == plain.generate(path)[0]["text"]


def test_from_many_threads(marked: AutoModel) -> None:
    waves = [conversation(15, seed) for seed in range(6)]
    rows: list[dict[str, Any]] = [{}, {"return_raw_text": True}, {"max_end_silence_time": 300}]
    work = [(i, row) for i in range(len(waves)) for row in rows]
    expected = [list(marked.generate_iter(waves[i], key="k", **row)) for i, row in work]
    with ThreadPoolExecutor(16) as pool:
        got = pool.map(
            lambda one: list(marked.generate_iter(waves[one[0]], key="k", **one[1])), work
        )
        assert list(got) == expected


def test_on_asyncio(marked: AutoModel, wave: Samples, tmp_path: Path) -> None:
    path = tmp_path / "k.wav"
    path.write_bytes(sndfile_bytes("WAV", wave, 16000))
    expected = list(marked.generate_iter([path, path]))

    async def one() -> list[dict[str, Any]]:
        return [sentence async for sentence in marked.generate_iter([path, path])]

    async def all_at_once() -> list[list[dict[str, Any]]]:
        return await asyncio.gather(*(one() for _ in range(8)))

    assert asyncio.run(all_at_once()) == [expected] * 8


def test_errors(plain: AutoModel, wave: Samples, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="max_end_silence_time"):
        plain.generate_iter(wave, max_end_silence_time="long")
    loop = plain.generate_iter([wave, "/nowhere/a.wav", wave], key=list("abc"))
    told: list[dict[str, Any]] = []
    with pytest.raises(AudioError, match=r"input 1 \(key 'b'\)"):
        told.extend(loop)
    assert {one["key"] for one in told} == {"a"}
    assert list(loop) == []
    both = list(
        plain.generate_iter([wave, "/nowhere/a.wav", wave], key=list("abc"), on_error="return")
    )
    assert [one["key"] for one in both if "error" in one] == ["b"]
    assert {one["key"] for one in both} == set("abc")
    late = plain.generate_iter(np.tile(wave, 60), timeout=0.3)
    with pytest.raises(DeadlineExceededError):
        list(late)
    closed = AutoModel("demo", vad_model="demo-vad")
    loop = closed.generate_iter(wave)
    closed.close()
    with pytest.raises(EngineClosedError):
        next(loop)
    with pytest.raises(EngineClosedError):
        closed.generate_iter(wave)


def test_an_error_in_the_middle_of_a_file(
    plain: AutoModel, wave: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came before it was told."""
    monkeypatch.setattr(recording, "BLOCK_S", 5)
    path = tmp_path / "a.flac"
    path.write_bytes(sndfile_bytes("FLAC", np.tile(wave, 4), 16000)[:-200_000])
    told: list[dict[str, Any]] = []
    with pytest.raises(AudioError, match="is damaged"):
        told.extend(plain.generate_iter(path, strict_audio=True))
    assert told
    kept = list(plain.generate_iter(path, strict_audio=True, on_error="return"))
    assert kept[: len(told)] == told and "error" in kept[-1]


def test_a_segment_that_fails_is_told(wave: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    with AutoModel("demo", vad_model="demo-vad", disable_pbar=True) as model:
        expected = list(model.generate_iter(wave, key="k"))
        main = model._companions.main
        submit, count = main.submit, iter(range(100))

        def tried(*args: Any) -> Any:
            if next(count) != 1:
                return submit(*args)
            broken = Promise()
            broken.fail(InferenceError("a value is too large"))
            return broken

        monkeypatch.setattr(main, "submit", tried)
        told = list(model.generate_iter(wave, key="k"))
        assert [*told[:1], *told[2:]] == [*expected[:1], *expected[2:]]
        assert isinstance(told[1]["error"], InferenceError)
        assert told[1]["start"] <= expected[1]["start"] and told[1]["key"] == "k"


def test_a_segment_that_fails_stands_among_the_sentences(
    speaker_models: dict[str, str], wave: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind the words before it, however late those have their marks."""
    for spk_model in (None, speaker_models["CAMPPlus"]):
        given = named(speaker_models, spk_model=spk_model)
        with AutoModel(**given, disable_pbar=True) as model:
            main = model._companions.main
            submit, count = main.submit, iter(range(100))

            def tried(*args: Any, submit: Any = submit, count: Any = count) -> Any:
                if next(count) != 1:
                    return submit(*args)
                broken = Promise()
                broken.fail(InferenceError("a value is too large"))
                return broken

            monkeypatch.setattr(main, "submit", tried)
            told = list(model.generate_iter(wave, key="k", split_size=7))
            assert sum("error" in one for one in told) == 1
            assert [one["start"] for one in told] == sorted(one["start"] for one in told)
            assert "text" in told[0] and "text" in told[-1]


def test_a_timeout_that_keeps_errors(plain: AutoModel, wave: Samples) -> None:
    """What was told stays; what is left is refused, one by one."""
    long = [np.tile(wave, 30)] * 3
    told = list(plain.generate_iter(long, key=list("abc"), timeout=0.4, on_error="return"))
    assert [one["key"] for one in told if "error" in one] == ["a", "b", "c"]
    assert all(isinstance(one["error"], DeadlineExceededError) for one in told if "error" in one)

    async def later() -> list[dict[str, Any]]:
        loop = plain.generate_iter(long, key=list("abc"), timeout=0.4, on_error="return")
        return [one async for one in loop]

    told = asyncio.run(later())
    assert [one["key"] for one in told if "error" in one] == ["a", "b", "c"]


def test_one_place_in_the_queue(wave: Samples) -> None:
    """The next recording waits for the present one, whose sentences do not wait for it."""
    with AutoModel("demo", vad_model="demo-vad", queue_size=1, disable_pbar=True) as model:
        keys = [one["key"] for one in model.generate_iter([wave] * 3, key=list("abc"))]
        assert keys == sorted(keys) and set(keys) == set("abc")


def test_corrected_and_written(plain: AutoModel, wave: Samples, tmp_path: Path) -> None:
    options = {"postprocess_hotwords": ["hello world"], "output_dir": str(tmp_path), "key": "k"}
    told = list(plain.generate_iter(wave, **options))
    assert told and all("text" in one for one in told)
    written = (tmp_path / "1best_recog" / "text").read_text("utf-8")
    assert written == f"k {plain.generate(wave)[0]['text']}\n"


def test_not_on_a_callback_thread(plain: AutoModel, wave: Samples) -> None:
    found: list[BaseException] = []
    done = threading.Event()

    def callback(_: object) -> None:
        try:
            next(plain.generate_iter(wave))
        except BaseException as error:
            found.append(error)
        done.set()

    plain.submit(speech(1.0)).add_done_callback(callback)
    assert done.wait(60) and isinstance(found[0], RuntimeError)


def test_nothing_to_tell(plain: AutoModel, marked: AutoModel) -> None:
    silence = np.zeros(32000, np.float32)
    call: Callable[..., Any]
    for call in (plain.generate_iter, marked.generate_iter):
        assert list(call(silence)) == []
        assert list(call([])) == []
