"""The engine on accelerators: the CPU's answers, from any thread, with nothing in a race.

The accelerator is made up (`support.device_process`): tests also fail for a stream that does not
wait for another, and for memory that is used again too early.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safeasr import AutoModel
from safeasr.families.terms import Terms
from support import fakegpu
from support.audio import Samples, speech
from support.device_process import on_fake_device
from support.fakegpu import HERE, THERE
from support.vad import conversation, cut

pytest.importorskip("funasr", reason="funasr makes the models that the tests use")

BOTH = f"{HERE},{THERE}"
#: In seconds: from less than a frame of the network to many.
LENGTHS = [0.05, 0.2, 0.7, 1.1, 1.9, 2.4, 3.3, 5.2]
CLIPS = [speech(seconds, seed=seed) for seed, seconds in enumerate(LENGTHS * 2)]
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "paraformer": [{}, {"output_timestamp": True}],
    "sense_voice": [
        {"language": "zh"},
        {"language": "en", "use_itn": True},
        {"output_timestamp": True},
    ],
    "vad": [{}, {"max_end_silence_time": 300}],
}
Bundles = dict[str, Path]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    """One small model of each family, exported."""
    from safeasr.loading.export import open_bundle
    from support import models, sense_voice, streaming, vad

    made = {
        "paraformer": models.write_model_dir(tmp_path_factory.mktemp("paraformer")),
        "sense_voice": sense_voice.write_model_dir(tmp_path_factory.mktemp("sense"), seed=1),
        "streaming": streaming.write_streaming_dir(tmp_path_factory.mktemp("streaming")),
        "vad": vad.write_vad_dir(tmp_path_factory.mktemp("vad"), vad.SHAPES[0], 0),
    }
    return {name: Path(open_bundle(directory).path) for name, directory in made.items()}


def load(bundle: Path, device: str = HERE, **options: Any) -> AutoModel:
    return AutoModel(str(bundle), device=device, disable_pbar=True, **options)


def at_once(work: Callable[[int], Any], count: int, threads: int = 16) -> list[Any]:
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, range(count)))


def recordings_of(family: str) -> list[Samples]:
    if family != "vad":
        return CLIPS
    return [conversation(seconds, seed) for seed, seconds in enumerate([2, 5, 9, 14, 22, 70])]


def jobs_of(family: str) -> list[tuple[Samples, dict[str, Any]]]:
    options = OPTIONS[family]
    return [(clip, one) for clip in recordings_of(family) for one in options]


def answer(model: AutoModel, job: tuple[Samples, dict[str, Any]]) -> dict[str, Any]:
    clip, options = job
    result: dict[str, Any] = model.generate(clip, key="k", **options)[0]
    return result


def answers_of_the_cpu(bundle: Path, jobs: Sequence[tuple[Samples, dict[str, Any]]]) -> list[Any]:
    with load(bundle, "cpu", num_workers=1) as model:
        answers = [answer(model, job) for job in jobs]
    assert len({str(one) for one in answers}) > len(jobs) / 4, "answers must tell clips apart"
    return answers


def check_nobody_waited_for_a_device() -> None:
    for device in range(fakegpu.DEVICE_COUNT):
        assert fakegpu.counters(device).get("device_synchronisations", 0) == 0


def streams_used(device: int = 0) -> int:
    """Streams that ran anything; the default one must not be among them."""
    kernels = fakegpu.kernels(device)
    assert kernels[0] == 0, "batches ran on the default stream"
    return sum(count > 0 for count in kernels)


# --- recordings ----------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("family", list(OPTIONS))
@on_fake_device
def test_recordings_from_16_threads(bundles: Bundles, family: str, workers: int) -> None:
    jobs = jobs_of(family)
    expected = answers_of_the_cpu(bundles[family], jobs)
    with load(bundles[family], num_workers=workers, max_wait_ms=4) as model:
        fakegpu.reset()
        for _ in range(2):
            got = at_once(lambda i: answer(model, jobs[i]), len(jobs))
            assert got == expected
        stats = model.stats()
    assert stats["failed"] == stats["retried_alone"] == 0
    assert stats["batches"] < stats["batched_requests"], "nobody shared a batch"
    assert 1 <= streams_used() <= workers
    check_nobody_waited_for_a_device()


@on_fake_device
def test_each_worker_has_a_stream(bundles: Bundles) -> None:
    with load(bundles["paraformer"], num_workers=4, max_batch_size=1) as model:
        fakegpu.reset()
        at_once(lambda i: model.generate(CLIPS[i % len(CLIPS)]), 64)
        assert 2 <= streams_used() <= 4


@on_fake_device
def test_what_cif_weighs_is_what_it_weighs_on_the_cpu(bundles: Bundles) -> None:
    """Numbers of the encoder and the predictor, below the text."""

    def weights(device: str) -> list[np.ndarray]:
        with load(bundles["paraformer"], device, num_workers=2, max_wait_ms=4) as model:
            recognizer, engine = model._recognizer, model._engine

            def ask(index: int) -> np.ndarray:
                options = {"output_timestamp": True}
                ticket = recognizer.submit(engine, CLIPS[index], options, Terms())
                assert ticket.wait(60)
                return np.asarray(ticket.get().get("alphas", []))

            return at_once(ask, len(CLIPS))

    on_cpu, on_device = weights("cpu"), weights(HERE)
    assert max(map(len, on_cpu)) > 50
    for wanted, got in zip(on_cpu, on_device, strict=True):
        assert got.shape == wanted.shape
        assert np.abs(got - wanted).max(initial=0) < 1e-4


@on_fake_device
def test_recordings_in_segments(bundles: Bundles) -> None:
    """Detector and recogniser share the workers and the device."""
    clips = [conversation(seconds, seed) for seed, seconds in enumerate([6, 15, 25])]
    answers = []
    for device in ("cpu", HERE):
        model = load(
            bundles["paraformer"], device, vad_model=str(bundles["vad"]), num_workers=3
        )  # fmt: skip
        with model:
            answers.append(at_once(lambda i, m=model: m.generate(clips[i % 3], key="k"), 12))
    assert answers[0] == answers[1]
    assert all(one[0]["text"] for one in answers[0])


# --- live streams --------------------------------------------------------------------------------

CHUNKS = [[0, 10, 5], [0, 8, 4], [2, 6, 4]]
BACK = [(4, 1), (0, 0), (-1, -1), (2, 3)]


def live_jobs() -> Iterator[tuple[list[Samples], dict[str, Any]]]:
    for index in range(12):
        chunk, (encoder, decoder) = CHUNKS[index % 3], BACK[index % 4]
        options = {
            "chunk_size": chunk,
            "encoder_chunk_look_back": encoder,
            "decoder_chunk_look_back": decoder,
        }
        wave = speech(4 + index % 5, seed=200 + index)
        # Steps of its own size, odd pieces, and all at once.
        size = [chunk[1] * 960, 5000, None][index % 3 if index < 9 else 2]
        yield ([wave] if size is None else cut(wave, size), options)


def texts_of(model: AutoModel, job: tuple[list[Samples], dict[str, Any]]) -> list[str]:
    pieces, options = job
    cache: dict[str, Any] = {}
    last = len(pieces) - 1
    return [
        model.generate(piece, cache=cache, is_final=i == last, **options)[0]["text"]
        for i, piece in enumerate(pieces)
    ]


@pytest.mark.parametrize(("workers", "device"), [(1, HERE), (4, HERE), (2, BOTH)])
@on_fake_device
def test_live_streams_of_different_options(bundles: Bundles, workers: int, device: str) -> None:
    """Steps of a stream go to whichever worker is free; its memory goes with it."""
    jobs = list(live_jobs())
    with load(bundles["streaming"], "cpu", num_workers=1) as model:
        expected = [texts_of(model, job) for job in jobs]
    assert len({str(texts) for texts in expected}) == len(jobs)
    with load(bundles["streaming"], device, num_workers=workers, max_wait_ms=2) as model:
        fakegpu.reset()
        for _ in range(2):
            got = at_once(lambda i: texts_of(model, jobs[i]), len(jobs), threads=12)
            assert got == expected
        stats = model.stats()
    assert stats["failed"] == stats["retried_alone"] == 0
    for index in range(len(device.split(","))):
        assert 1 <= streams_used(index) <= workers
    check_nobody_waited_for_a_device()


@on_fake_device
def test_streams_of_the_detector(bundles: Bundles) -> None:
    pieces = [cut(conversation(8, seed), [960, 3200, None][seed % 3], seed) for seed in range(12)]

    def run(model: AutoModel, index: int) -> list[Any]:
        stream = model.stream(chunk_size=[60, 200][index % 2])
        last = len(pieces[index]) - 1
        return [stream.feed(one, i == last)["value"] for i, one in enumerate(pieces[index])]

    answers = []
    for device in ("cpu", HERE):
        with load(bundles["vad"], device, num_workers=3) as model:
            answers.append(at_once(lambda i, m=model: run(m, i), 12, threads=12))
    assert answers[0] == answers[1]
    assert any(segment for stream in answers[0] for segment in stream)


# --- devices -------------------------------------------------------------------------------------


@on_fake_device
def test_another_device_than_the_first(bundles: Bundles) -> None:
    jobs = jobs_of("paraformer")
    expected = answers_of_the_cpu(bundles["paraformer"], jobs)
    with load(bundles["paraformer"], THERE, num_workers=2) as model:
        assert at_once(lambda i: answer(model, jobs[i]), len(jobs)) == expected
    assert fakegpu.counters(0)["allocations"] == 0, "something went to the first device"
    assert sum(fakegpu.kernels(0)) == 0
    assert sum(fakegpu.kernels(1)) > 0


@pytest.mark.parametrize("family", list(OPTIONS))
@on_fake_device
def test_two_devices_with_a_copy_of_the_weights_each(bundles: Bundles, family: str) -> None:
    jobs = jobs_of(family)
    expected = answers_of_the_cpu(bundles[family], jobs)
    gc.collect()
    before = [fakegpu.counters(device)["live_bytes"] for device in range(2)]

    def weights() -> list[int]:
        return [fakegpu.counters(device)["live_bytes"] - before[device] for device in range(2)]

    with load(bundles[family], num_workers=1):
        alone = weights()
    assert alone[0] > 0
    assert alone[1] == 0
    gc.collect()
    with load(bundles[family], BOTH, num_workers=2, max_batch_size=4) as model:
        assert weights() == [alone[0], alone[0]]
        fakegpu.reset()
        assert at_once(lambda i, m=model: answer(m, jobs[i]), len(jobs)) == expected
        assert streams_used(0) >= 1
        assert streams_used(1) >= 1
    del model
    gc.collect()
    assert weights() == [0, 0], "closed and dropped, and something is left"
    check_nobody_waited_for_a_device()
