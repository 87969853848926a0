"""Streams in a cache at any rate: the resampler belongs to the stream."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from safeasr import AudioError, AutoModel, OptionError, SafeASRError
from safeasr.resampling import StreamResampler
from support.audio import speech

SECONDS = 3.0


@pytest.fixture(scope="module", params=["demo-streaming", "demo-vad"])
def model(request: pytest.FixtureRequest) -> Iterator[AutoModel]:
    with AutoModel(request.param, num_workers=1, disable_pbar=True) as one:
        yield one


def said(result: dict[str, Any]) -> Any:
    return result.get("text", result.get("value"))


def pieces(wave: Any, size: int) -> list[tuple[Any, bool]]:
    return [(wave[at : at + size], at + size >= len(wave)) for at in range(0, len(wave), size)]


def options(model: AutoModel) -> dict[str, Any]:
    """Those with which both ways have the same defaults."""
    if model.kwargs["model"] == "demo-vad":
        return {"chunk_size": 200, "is_streaming_input": True}
    return {
        "chunk_size": [0, 10, 5], "encoder_chunk_look_back": 4, "decoder_chunk_look_back": 1
    }  # fmt: skip


def fed(
    model: AutoModel, wave: Any, size: int, cache: dict[str, Any] | None = None, **more: Any
) -> list[Any]:
    cache = {} if cache is None else cache
    chosen = {**options(model), **more}
    return [
        said(model.generate(piece, cache=cache, is_final=last, **chosen)[0])
        for piece, last in pieces(wave, size)
    ]


@pytest.mark.parametrize(("rate", "size"), [(8000, 333), (44100, 1024), (48000, 9600)])
def test_equal_to_a_stream_of_that_rate(model: AutoModel, rate: int, size: int) -> None:
    wave = speech(SECONDS, seed=4, rate=rate)
    with model.stream(fs=rate, **options(model)) as stream:
        expected = [said(stream.feed(piece, last)) for piece, last in pieces(wave, size)]
    assert any(expected)
    assert fed(model, wave, size, fs=rate) == expected
    coarse = (wave * 32767).astype(np.int16)
    with model.stream(fs=rate, **options(model)) as stream:
        rounded = [said(stream.feed(piece, last)) for piece, last in pieces(coarse, size)]
    in_bytes = [(piece.tobytes(), last) for piece, last in pieces(coarse, size)]
    cache: dict[str, Any] = {}
    got = [
        said(model.generate(p, cache=cache, is_final=f, fs=rate, **options(model))[0])
        for p, f in in_bytes
    ]
    assert got == rounded


def test_another_rate_in_the_middle(model: AutoModel) -> None:
    """Is refused; after the end it is fine; what is left out stays."""
    wave = speech(SECONDS, seed=4, rate=44100)
    expected = fed(model, wave, 9000, fs=44100)
    cache: dict[str, Any] = {}
    got = []
    for number, (piece, last) in enumerate(pieces(wave, 9000)):
        chosen = options(model)
        if number:
            for fs in (16000, 48000):
                with pytest.raises(OptionError, match=f"fs is {fs}.* begun with 44100"):
                    model.generate(piece, cache=cache, is_final=last, fs=fs, **chosen)
        else:
            chosen["fs"] = 44100
        got.append(said(model.generate(piece, cache=cache, is_final=last, **chosen)[0]))
    assert got == expected
    other = speech(SECONDS, seed=5)
    assert fed(model, other, 4000, cache, fs=16000) == fed(model, other, 4000)
    assert fed(model, wave, 9000, cache, fs=44100) == expected


def test_refused_pieces_never_came(model: AutoModel) -> None:
    wave, noise = speech(SECONDS, seed=4, rate=44100), np.ones(5000, np.float32)
    expected = fed(model, wave, 7000, fs=44100)
    cache: dict[str, Any] = {}
    got = []
    chosen = {**options(model), "fs": 44100, "cache": cache}
    for piece, last in pieces(wave, 7000):
        for is_final in (False, True):
            with pytest.raises(AudioError):
                model.generate(noise * np.nan, is_final=is_final, **chosen)
            with pytest.raises(SafeASRError):
                model.generate(noise, is_final=is_final, timeout=1e-9, **chosen)
        got.append(said(model.generate(piece, is_final=last, **chosen)[0]))
    assert got == expected


def test_a_file_ends_the_stream(model: AutoModel, tmp_path: Any) -> None:
    """It states its own rate; what the resampler held back comes before it."""
    wave = speech(2.0, seed=6, rate=44100)
    soundfile.write(tmp_path / "end.wav", wave, 44100, subtype="FLOAT")
    cache: dict[str, Any] = {}
    model.generate(wave[:9000], cache=cache, is_final=False, fs=44100, **options(model))
    answer = model.generate(str(tmp_path / "end.wav"), cache=cache, fs=44100, **options(model))
    assert said(answer[0])
    # The next stream begins anew, with any rate.
    other = speech(SECONDS, seed=5)
    assert fed(model, other, 4000, cache) == fed(model, other, 4000)


def test_two_threads_with_one_cache(model: AutoModel) -> None:
    """Whatever the order, each piece is heard once, whole."""
    wave = speech(SECONDS, seed=4, rate=48000)
    cache: dict[str, Any] = {}
    errors: list[BaseException] = []
    chosen = {**options(model), "fs": 48000}

    def feed(some: list[Any]) -> None:
        try:
            for piece in some:
                model.generate(piece, cache=cache, is_final=False, **chosen)
        except BaseException as error:
            errors.append(error)

    parts = [piece for piece, _ in pieces(wave, 2000)]
    threads = [threading.Thread(target=feed, args=(parts[n::2],)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    (entry,) = cache.values()
    assert entry.resample._taken == len(wave)
    model.generate(wave[:0], cache=cache, is_final=True, **chosen)


@pytest.mark.parametrize("cache", [5, [], "a", np.zeros(3), {1}, len])
def test_caches_that_are_none(model: AutoModel, cache: Any) -> None:
    before = model.stats()["submitted"]
    with pytest.raises(OptionError, match="cache must be a dict, got"):
        model.generate(np.zeros(100, np.float32), cache=cache)
    with pytest.raises(OptionError, match="filled by something else"):
        model.generate(np.zeros(100, np.float32), cache={5: 1, **dict.fromkeys(range(10**5))})
    assert model.stats()["submitted"] == before


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
def test_chunks_are_as_the_whole(rate: int) -> None:
    """Whatever the sizes of the chunks, and with chunks that are taken back in between."""
    rng = np.random.default_rng(rate)
    wave = rng.standard_normal(2 * rate).astype(np.float32) * 0.1
    whole = soxr.ResampleStream(rate, 16000, 1, dtype="float32").resample_chunk(wave, last=True)
    for size in (160, 1024, 5000):
        resample, made = StreamResampler(rate, 16000), []
        for number, (piece, last) in enumerate(pieces(wave, size)):
            if number % 3 == 1:
                resample(rng.standard_normal(777).astype(np.float32), bool(number % 2))
                resample.take_back()
            made.append(resample(piece, last))
        together = np.concatenate(made)
        assert len(together) == len(whole)
        assert np.abs(together - whole).max() < 1e-5
