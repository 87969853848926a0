"""Two passes: a detector finds the segments, one model listens, another has the last word."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from safeasr import AudioError, AutoModel, EngineClosedError, UnsupportedModelError
from support.audio import Samples

pytest.importorskip("funasr", reason="funasr makes the detector")

from support.vad import VadShape, write_vad_dir

RECORDINGS = Path(str(resources.files("safeasr") / "models" / "demo" / "audio"))
Events = list[dict[str, Any]]
#: With these the random detector finds segments of half a second to three seconds.
VAD = {"max_end_silence_time": 300}


@pytest.fixture(scope="module")
def wave() -> Samples:
    """Sentences between pauses."""
    parts: list[Samples] = []
    for number in (5, 1, 6, 9):
        samples, rate = soundfile.read(RECORDINGS / f"{number:02}.flac", dtype="float32")
        assert rate == 16000
        parts += [samples, np.zeros(20000, np.float32)]
    return np.concatenate(parts)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_vad_dir(tmp_path_factory.mktemp("vad"), VadShape("eager", lean=1.5), 5)


@pytest.fixture(scope="module")
def models(directory: Path) -> Iterator[dict[str, AutoModel]]:
    """The one under test, and each model of it alone."""
    with ExitStack() as closing:

        def load(name: str, **options: Any) -> AutoModel:
            one = AutoModel(name, num_workers=1, disable_pbar=True, **options)
            return closing.enter_context(one)

        yield {
            "both": load("demo", vad_model=str(directory), online_model="demo-streaming"),
            "offline": load("demo"),
            "online": load("demo-streaming"),
            "vad": load(str(directory)),
        }


def cut(wave: Samples, size: int) -> list[Samples]:
    return [wave[at : at + size] for at in range(0, len(wave), size)]


def run(stream: Any, pieces: Sequence[Samples]) -> list[Events]:
    return [stream.feed(p, i == len(pieces) - 1) for i, p in enumerate(pieces)]


def segments_of(models: dict[str, AutoModel], pieces: Sequence[Samples]) -> list[list[int]]:
    """What the detector alone reports, its beginnings and ends put together."""
    stream = models["vad"].stream(chunk_size=200, **VAD)
    found: list[list[int]] = []
    for start, end in [s for one in run_vad(stream, pieces) for s in one]:
        if start != -1:
            found.append([start, end])
        else:
            found[-1][1] = end
    return found


def run_vad(stream: Any, pieces: Sequence[Samples]) -> list[list[list[int]]]:
    return [stream.feed(p, i == len(pieces) - 1)["value"] for i, p in enumerate(pieces)]


def finals(events: Sequence[Events]) -> Events:
    return [event for one in events for event in one if event["is_final"]]


def unkeyed(events: Sequence[Events]) -> list[Events]:
    return [[{k: v for k, v in e.items() if k != "key"} for e in one] for one in events]


@pytest.mark.parametrize("size", [3200, 9600, 1111, 10**7])
def test_a_segments_text_is_the_offline_models(
    models: dict[str, AutoModel], wave: Samples, size: int
) -> None:
    """Of exactly the detector's slice of the stream, with times of the stream."""
    pieces = cut(wave, size)
    events = run(models["both"].stream(key="call", pred_timestamp=True, **VAD), pieces)
    got = finals(events)
    segments = segments_of(models, pieces)
    assert [[e["start"], e["end"]] for e in got] == segments
    assert len(segments) > 2
    for event, (start, end) in zip(got, segments):
        alone = models["offline"].generate(
            wave[start * 16 : end * 16], pred_timestamp=True, begin_time=start
        )[0]
        assert event["key"] == "call"
        assert event["mode"] == "2pass-offline"
        assert event["text"] == alone["text"]
        assert event["timestamp"] == alone["timestamp"]
        for begin, stop in event["timestamp"]:
            assert start <= begin <= stop <= end + 200
    assert "".join(event["text"] for event in got)


def heard(models: dict[str, AutoModel], samples: Samples, is_final: bool) -> str:
    """What the streaming model alone says."""
    with models["online"].stream() as stream:
        stream.feed(samples, is_final)
        return stream.text


def test_partial_text_comes_between_start_and_end(
    models: dict[str, AutoModel], wave: Samples
) -> None:
    """Each is the streaming model's of all samples from the start on; the end closes them."""
    stream = models["both"].stream(**VAD)
    seen: dict[str, Any] = {}
    count = 0
    for index, piece in enumerate(cut(wave, 3200)):
        for event in stream.feed(piece):
            if event["is_final"]:
                assert event["start"] == seen.get("start", event["start"])
                seen = {}
                continue
            assert event["mode"] == "2pass-online"
            assert event["text"]
            assert "end" not in event
            start, end = event["start"] * 16, 3200 * (index + 1)
            assert event["segment_text"] == heard(models, wave[start:end], False)
            assert event["segment_text"].startswith(seen.get("segment_text", ""))
            assert event["start"] == seen.get("start", event["start"])
            seen = event
            count += 1
    assert count > 3


def test_the_first_pass_is_asked_once_a_step(models: dict[str, AutoModel], wave: Samples) -> None:
    """Pieces that fill no step reach the streaming model with those that do."""
    before = models["both"].stats()["parts"]["online_model"]["requests"]
    finely = run(models["both"].stream(**VAD), cut(wave, 800))
    asked = models["both"].stats()["parts"]["online_model"]["requests"] - before
    segments = len(finals(finely))
    assert 0 < asked <= len(wave) // 9600 + segments < len(wave) // 800 // 4


def test_modes(models: dict[str, AutoModel], wave: Samples) -> None:
    """One pass only: no partial text, or the streaming model's text at the end."""
    pieces = cut(wave, 3200)
    two = run(models["both"].stream(mode="2pass", **VAD), pieces)
    offline = run(models["both"].stream(mode="offline", **VAD), pieces)
    assert unkeyed(offline) == unkeyed([finals([one]) for one in two])
    online = run(models["both"].stream(mode="online", **VAD), pieces)
    assert {e["mode"] for one in online for e in one} == {"2pass-online"}
    assert [[e["start"], e["end"]] for e in finals(online)] == segments_of(models, pieces)
    for index, events in enumerate(online):
        for event in finals([events]):
            # It has heard what came before the end was known, be it beyond the end.
            end = max(event["end"] * 16, 3200 * index)
            assert event["text"] == heard(models, wave[event["start"] * 16 : end], True)


def test_text_so_far(models: dict[str, AutoModel], wave: Samples) -> None:
    stream = models["both"].stream(**VAD)
    assert stream.text == ""
    for events in run(stream, cut(wave, 3200)):
        for event in events[-1:]:
            said = event["text"] if event["is_final"] else event["segment_text"]
    assert stream.text == said


def test_a_stream_is_used_again(models: dict[str, AutoModel], wave: Samples) -> None:
    pieces = cut(wave, 5000)
    stream = models["both"].stream(**VAD)
    first = run(stream, pieces)
    assert run(stream, pieces) == first
    for piece in pieces[:20]:
        stream.feed(piece)
    stream.reset()
    assert run(stream, pieces) == first
    assert stream.finish() == []


def test_12_streams_at_once(models: dict[str, AutoModel], wave: Samples) -> None:
    """Three models on one engine: each stream gets what it gets alone."""
    jobs = []
    for index in range(12):
        options = {"mode": ("2pass", "online", "offline")[index % 3], **VAD}
        if index % 2:
            options |= {"chunk_size": [0, 8, 4], "encoder_chunk_look_back": 1}
        if index % 4 == 1:
            options |= {"max_end_silence_time": 500, "vad_chunk_size": 100}
        jobs.append((options, cut(wave[1000 * index :], 1600 + 400 * index)))
    expected = [run(models["both"].stream(key="k", **o), p) for o, p in jobs]
    assert len({json.dumps(events) for events in expected}) == 12
    with ThreadPoolExecutor(12) as pool:
        streams = [models["both"].stream(key="k", **options) for options, _ in jobs]
        got = list(pool.map(run, streams, [pieces for _, pieces in jobs]))
    assert got == expected

    async def feed(options: dict[str, Any], pieces: list[Samples]) -> list[Events]:
        async with models["both"].stream(key="k", **options) as stream:
            last = len(pieces) - 1
            return [await stream.afeed(p, i == last) for i, p in enumerate(pieces)]

    async def main() -> list[list[Events]]:
        return await asyncio.gather(*(feed(*job) for job in jobs))

    assert asyncio.run(main()) == expected


def test_a_bad_chunk_never_came(models: dict[str, AutoModel], wave: Samples) -> None:
    pieces = cut(wave, 6400)
    expected = run(models["both"].stream(key="k", **VAD), pieces)
    stream = models["both"].stream(key="k", **VAD)
    got = []
    for index, piece in enumerate(pieces):
        with pytest.raises(AudioError):
            stream.feed(np.full(100, np.inf, np.float32), True)
        got.append(stream.feed(piece, index == len(pieces) - 1))
    assert got == expected


def test_missing_models(models: dict[str, AutoModel], directory: Path, model_dir: Path) -> None:
    with AutoModel(str(model_dir), num_workers=1, disable_pbar=True) as alone:
        with pytest.raises(UnsupportedModelError, match="vad_model and online_model"):
            alone.stream()
        with pytest.raises(UnsupportedModelError, match="needs vad_model:"):
            alone.stream(mode="offline")
    with AutoModel(
        str(model_dir), vad_model=str(directory), num_workers=1, disable_pbar=True
    ) as one:
        with pytest.raises(UnsupportedModelError, match="needs online_model:"):
            one.stream()
        assert one.stream(mode="offline").feed(np.zeros(100, np.float32)) == []
    for name in ("online", "vad"):
        with pytest.raises(UnsupportedModelError, match="offline model"):
            models[name].stream(mode="2pass")


@pytest.mark.parametrize(("role", "name"), [("vad_model", "demo-streaming"), ("vad_model", "demo")])
def test_models_in_wrong_roles(role: str, name: str) -> None:
    message = rf"{role}='{name}' is not a voice activity detector: .* recognition \(asr\)"
    with pytest.raises(UnsupportedModelError, match=message):
        AutoModel("demo", num_workers=1, **{role: name})


def test_a_detector_is_no_streaming_model(directory: Path) -> None:
    with pytest.raises(
        UnsupportedModelError, match=r"is not a streaming recogniser: .* detection \(vad\)"
    ):
        AutoModel("demo", num_workers=1, online_model=str(directory))


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"chunk_size": [0, 0, 5]}, "chunk_size"),
        ({"chunk_size": 200}, "chunk_size"),
        ({"encoder_chunk_look_back": -3}, "encoder_chunk_look_back"),
        ({"max_end_silence_time": -1}, "max_end_silence_time"),
        ({"vad_chunk_size": -5}, "chunk_size"),
        ({"mode": "1pass"}, "mode"),
    ],
)
def test_wrong_options_are_refused_at_once(
    models: dict[str, AutoModel], options: dict[str, Any], name: str
) -> None:
    """Not only when somebody speaks."""
    with pytest.raises(ValueError, match=name):
        models["both"].stream(**options)
    with pytest.warns(UserWarning, match="colour"):
        models["both"].stream(colour="red")


def test_after_close(directory: Path, wave: Samples) -> None:
    model = AutoModel("demo", vad_model=str(directory), num_workers=1, disable_pbar=True)
    stream = model.stream(**VAD)
    stream.feed(wave[:9600])
    model.close()
    with pytest.raises(EngineClosedError):
        stream.feed(wave[9600:])
    with pytest.raises(EngineClosedError):
        model.stream()
