"""Graphs of live streams when something goes wrong: memory, closing, a stream that is not free."""

from __future__ import annotations

import threading
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

from safeasr import AutoModel, EngineClosedError, _ext
from support import fakegpu
from support.audio import Samples, speech
from support.device_process import on_fake_device
from support.fakegpu import HERE
from support.vad import cut

pytest.importorskip("funasr", reason="funasr makes the models that the tests use")


LIVE: list[dict[str, Any]] = [
    {"chunk_size": [0, 10, 5], "encoder_chunk_look_back": 4, "decoder_chunk_look_back": 1},
    {"chunk_size": [2, 6, 4], "encoder_chunk_look_back": 2, "decoder_chunk_look_back": 3},
    {"chunk_size": [0, 8, 4], "encoder_chunk_look_back": 0, "decoder_chunk_look_back": 0},
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from safeasr.loading.export import open_bundle
    from support import streaming

    return Path(open_bundle(streaming.write_streaming_dir(tmp_path_factory.mktemp("m"))).path)


def load(bundle: Path, device: str = HERE, **options: Any) -> AutoModel:
    return AutoModel(str(bundle), device=device, disable_pbar=True, **options)


def need_graphs() -> None:
    if not _ext.graphs_supported(HERE):
        pytest.skip("this torch has no graphs for other devices than CUDA (2.12 has)")
    _ext.keep_slower_graphs(True)


def texts(model: AutoModel, wave: Samples, options: dict[str, Any]) -> list[str]:
    """Chunk by chunk. Some pieces are no multiple of a step."""
    pieces = cut(wave, options["chunk_size"][1] * 960 if len(wave) % 2 else 7000)
    cache: dict[str, Any] = {}
    return [
        model.generate(piece, cache=cache, is_final=i == len(pieces) - 1, **options)[0]["text"]
        for i, piece in enumerate(pieces)
    ]


def waves(count: int) -> list[Samples]:
    """Of many lengths, so that streams of a batch are of any age."""
    return [speech(2 + 0.37 * (i % 17), seed=300 + i)[: -(i % 2) or None] for i in range(count)]


@on_fake_device
def test_workers_that_share_a_stream_do_not_record(bundle: Path) -> None:
    need_graphs()
    clip = speech(9.1, seed=1)
    with load(bundle, "cpu", num_workers=1) as model:
        expected = texts(model, clip, LIVE[0])
    with (
        load(bundle, num_workers=len(fakegpu.kernels()) - 1),
        load(bundle, num_workers=1, cuda_graphs=True) as model,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        for _ in range(2):
            assert texts(model, clip, LIVE[0]) == expected
        graphs = model.stats()["graphs"]
    assert graphs["made"] == 0 < graphs["failed"]


@on_fake_device
def test_out_of_memory_lets_go_of_graphs(bundle: Path) -> None:
    need_graphs()
    clips = waves(6)
    with load(bundle, "cpu", num_workers=1) as model:
        expected = [texts(model, clip, LIVE[0]) for clip in clips]
    with load(bundle, num_workers=1, cuda_graphs=True) as model:
        assert [texts(model, clip, LIVE[0]) for clip in clips] == expected
        held = fakegpu.counters()["live_bytes"]
        made = model.stats()["graphs"]["made"]
        assert made > 0
        stream: dict[str, Any] = {}
        pieces = cut(clips[0], 9600)
        for i, piece in enumerate(pieces):
            if i == 2:
                fakegpu.fail_allocations(after=0, times=1)
            model.generate(piece, cache=stream, is_final=i == len(pieces) - 1, **LIVE[0])
            if i == 2:
                assert fakegpu.counters()["live_bytes"] < held
        assert [texts(model, clip, LIVE[0]) for clip in clips] == expected
        assert model.stats()["failed"] == 0
        assert model.stats()["graphs"]["made"] > made, "made again"


@on_fake_device
def test_a_step_that_fails_is_no_step(bundle: Path) -> None:
    """Allocations fail anywhere: while a graph is timed, made and replayed."""
    need_graphs()
    wave = speech(6.3, seed=5)
    with load(bundle, "cpu", num_workers=1) as model:
        expected = texts(model, wave, LIVE[0])
    with load(bundle, num_workers=1, cuda_graphs=True) as model:
        for after in range(0, 2000, 97):
            fakegpu.fail_allocations(after=after, times=1)
            assert texts(model, wave, LIVE[0]) == expected
            assert fakegpu.take_races() == []


@on_fake_device
def test_closed_with_graphs_in_use(bundle: Path) -> None:
    need_graphs()
    ends: list[str] = []

    def feed(model: AutoModel, seed: int) -> None:
        try:
            while True:
                texts(model, speech(4, seed=seed), LIVE[0])
        except EngineClosedError:
            ends.append("closed")

    for _ in range(3):
        model = load(bundle, num_workers=2, cuda_graphs=True)
        threads = [threading.Thread(target=feed, args=(model, i), daemon=True) for i in range(6)]
        for thread in threads:
            thread.start()
        until = time.monotonic() + 60
        while model.stats()["graphs"]["replayed"] < 20 and time.monotonic() < until:
            time.sleep(0.01)
        assert model.stats()["graphs"]["replayed"] >= 20
        model.close(drain=False)
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
    assert ends == ["closed"] * 18
