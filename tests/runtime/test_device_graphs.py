"""Steps of live streams as graphs: recorded once, replayed with other streams in them.

On the made-up accelerator, which refuses to wait or to copy while it records, and forgets what
kernels computed meanwhile.
"""

from __future__ import annotations

import contextlib
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from safeasr import AutoModel, _ext
from support import fakegpu
from support.audio import Samples, speech
from support.device_process import on_fake_device
from support.fakegpu import HERE, THERE
from support.vad import cut

pytest.importorskip("funasr", reason="funasr makes the models that the tests use")

LIVE: list[dict[str, Any]] = [
    {"chunk_size": [0, 10, 5], "encoder_chunk_look_back": 4, "decoder_chunk_look_back": 1},
    {"chunk_size": [2, 6, 4], "encoder_chunk_look_back": 2, "decoder_chunk_look_back": 3},
    {"chunk_size": [0, 8, 4], "encoder_chunk_look_back": 0, "decoder_chunk_look_back": 0},
]
#: What a graph cannot leave room for.
ALL_OF_THE_PAST = {**LIVE[0], "encoder_chunk_look_back": -1}
#: Runs that are timed before a graph is made, in step_graphs.cc.
TIMED = 4


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


def all_texts(model: AutoModel, clips: list[Samples], options: dict[str, Any]) -> list[list[str]]:
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(lambda clip: texts(model, clip, options), clips))


@pytest.mark.parametrize(
    ("options", "workers", "device"),
    [
        *((options, 1, HERE) for options in LIVE),
        (LIVE[0], 4, HERE),
        (LIVE[0], 2, f"{HERE},{THERE}"),
    ],
)
@on_fake_device
@pytest.mark.slow
def test_replayed_steps_are_the_cpus(
    bundle: Path, options: dict[str, Any], workers: int, device: str
) -> None:
    need_graphs()
    clips = waves(24)
    with load(bundle, "cpu", num_workers=1) as model:
        expected = [texts(model, clip, options) for clip in clips]
    assert len({str(one) for one in expected}) == len(clips)
    with load(bundle, device, num_workers=workers, max_wait_ms=2, cuda_graphs=True) as model:
        fakegpu.reset()
        for _ in range(3):
            assert all_texts(model, clips, options) == expected
        stats = model.stats()
    assert stats["failed"] == stats["retried_alone"] == 0
    graphs = stats["graphs"]
    assert graphs["failed"] == graphs["slower"] == 0
    assert graphs["made"] >= 4, graphs
    # Each worker times and makes its own, so few steps are left for the graphs of many.
    assert graphs["replayed"] > stats["batches"] / (2 if workers == 1 else 8), (graphs, stats)
    for index in range(len(device.split(","))):
        counters = fakegpu.counters(index)
        assert counters["replays"] > 0
        assert counters.get("device_synchronisations", 0) == 0
        assert counters.get("h2d_pageable_non_blocking", 0) == 0


@on_fake_device
def test_streams_that_no_graph_has_room_for(bundle: Path) -> None:
    """They run without, beside those that have one."""
    need_graphs()
    clips = waves(24)
    options = [LIVE[0], ALL_OF_THE_PAST, LIVE[1]]
    with load(bundle, "cpu", num_workers=1) as model:
        expected = [texts(model, clip, options[i % 3]) for i, clip in enumerate(clips)]
    with load(bundle, num_workers=2, cuda_graphs=True) as model:

        def run(index: int) -> list[str]:
            return texts(model, clips[index], options[index % 3])

        with ThreadPoolExecutor(12) as pool:
            assert list(pool.map(run, range(24))) == expected
        for clip in clips[:6]:
            assert texts(model, clip, ALL_OF_THE_PAST)
        before = model.stats()["graphs"]["replayed"]
        texts(model, clips[0], ALL_OF_THE_PAST)
        assert model.stats()["graphs"]["replayed"] - before < 20, "the decoder's steps at most"


@on_fake_device
def test_a_graph_is_made_for_what_keeps_coming(bundle: Path) -> None:
    need_graphs()
    wave = speech(9.1, seed=1)
    with load(bundle, num_workers=1, cuda_graphs=True) as model:
        cache: dict[str, Any] = {}
        made = []
        for piece in cut(wave, 9600)[: TIMED + 4]:
            model.generate(piece, cache=cache, **LIVE[0])
            made.append(model.stats()["graphs"]["made"])
    assert made[TIMED - 1] == 0, "the first steps are timed"
    assert made[TIMED] >= 1
    assert made[-1] <= 2 + 1, "one of each network; the decoder may have seen two sizes"


@on_fake_device
def test_graphs_that_are_slower_are_given_up(bundle: Path) -> None:
    need_graphs()
    _ext.keep_slower_graphs(False)
    fakegpu.slow_replays(50)
    clips = waves(8)
    with load(bundle, "cpu", num_workers=1) as model:
        expected = [texts(model, clip, LIVE[0]) for clip in clips]
    with load(bundle, num_workers=1, cuda_graphs=True) as model:
        for _ in range(4):
            assert [texts(model, clip, LIVE[0]) for clip in clips] == expected
        graphs = model.stats()["graphs"]
    assert graphs["made"] == graphs["slower"] > 1
    assert graphs["failed"] == 0, "one is made after the memory of all others was let go of"
    assert graphs["replayed"] == TIMED * graphs["made"]


def streams_that_work(since: list[int]) -> set[int]:
    return {i for i, count in enumerate(fakegpu.kernels()) if count > since[i]}


@on_fake_device
def test_no_two_workers_have_a_stream(bundle: Path) -> None:
    """torch hands out a few in turn. What one queues must not get into what another records."""
    clip = speech(1.5, seed=1)
    with contextlib.ExitStack() as all_of_them:
        models = [all_of_them.enter_context(load(bundle, num_workers=1)) for _ in range(5)]
        used = []
        for model in models:
            before = fakegpu.kernels()
            texts(model, clip, LIVE[0])
            used.append(streams_that_work(before))
    assert [len(one) for one in used] == [1] * 5
    assert len(set().union(*used)) == 5


@on_fake_device
def test_the_next_model_has_the_streams_of_the_last(bundle: Path) -> None:
    """torch keeps memory of cuBLAS for every stream that it has seen."""
    clip = speech(1.5, seed=1)
    used = set()
    for _ in range(6):
        with load(bundle, num_workers=1) as model:
            texts(model, clip, LIVE[0])  # weights are uploaded on the default stream
            before = fakegpu.kernels()
            texts(model, clip, LIVE[0])
            used |= streams_that_work(before)
    assert len(used) == 1


@on_fake_device
def test_recording_forbids_what_cuda_forbids() -> None:
    """The made-up accelerator's own promises."""
    import torch

    from support.fakegpu import on_stream

    need_graphs()
    graph = torch.accelerator.Graph(capture_error_mode="thread_local")
    x = torch.ones(4, device=HERE)
    torch.accelerator.synchronize(HERE)

    def record() -> torch.Tensor:
        with graph:
            y = x * 2
            y += 1
            for wrong in (x.cpu, lambda: x.sum().item(), x.nonzero):
                with pytest.raises(RuntimeError, match="not permitted while a stream records"):
                    wrong()
            return y

    side = torch.Stream(HERE)
    y = on_stream(record, side)
    on_stream(lambda: None, side)
    side.synchronize()
    assert torch.isnan(y.cpu()).all(), "recorded, not run"
    x.fill_(5)
    torch.accelerator.synchronize(HERE)
    on_stream(graph.replay, side)
    side.synchronize()
    assert y.cpu().tolist() == [11.0] * 4
    with pytest.raises(RuntimeError, match="default stream"):
        graph.capture_begin()


def test_without_graphs_there_is_a_warning(bundle: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = load(bundle, "cpu", cuda_graphs=True)
    with model:
        assert model.stats()["graphs"] == {"made": 0, "replayed": 0, "slower": 0, "failed": 0}
    said = [w for w in caught if "cuda_graphs" in str(w.message)]
    assert len(said) == 1
    assert said[0].filename == __file__, "the user's line"
