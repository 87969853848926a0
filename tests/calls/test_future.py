"""The future that ``submit`` returns: the interface of concurrent.futures, for many waiters."""

from __future__ import annotations

import concurrent.futures
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from safeasr import AutoModel, CancelledError, EngineClosedError, Future, InferenceError
from support.audio import speech
from support.waiting import until

CLIP = speech(1.5)


def test_result_is_generates(model: AutoModel) -> None:
    future = model.submit([CLIP, CLIP[:9000]], key=["a", "b"], pred_timestamp=True)
    expected = model.generate([CLIP, CLIP[:9000]], key=["a", "b"], pred_timestamp=True)
    assert isinstance(future, Future)
    assert future.result() == expected
    assert future.result(timeout=0) == expected
    assert future.done()
    assert not future.running()
    assert not future.cancelled()
    assert not future.cancel()
    assert future.exception() is None


def test_states_and_timeouts(gated_model: Callable[..., AutoModel], gate: Any) -> None:
    model = gated_model()
    first = model.submit(CLIP)
    until(first.running)
    second = model.submit(CLIP)
    assert not second.running()
    assert not first.done()
    assert not first.wait(0.05)
    assert not first.wait(0)
    for call in (first.result, first.exception):
        with pytest.raises(TimeoutError, match=r"not done after 0\.05 s; the request goes on"):
            call(timeout=0.05)
    with pytest.raises(concurrent.futures.TimeoutError):
        second.result(timeout=0)
    gate.open()
    assert first.result(timeout=30) == [{**second.result(30)[0], "key": first.result()[0]["key"]}]


def test_cancel(gated_model: Callable[..., AutoModel], gate: Any) -> None:
    model = gated_model()
    running = model.submit(CLIP)
    until(running.running)
    waiting = model.submit([CLIP, CLIP])
    assert not running.cancel(), "what runs ends between two layers, and not at once"
    assert not running.done()
    assert waiting.cancel()
    assert waiting.cancel()
    assert waiting.cancelled()
    assert waiting.done()
    for call in (waiting.result, waiting.exception):
        with pytest.raises(CancelledError):
            call()
    gate.open()
    with pytest.raises(CancelledError, match="while it ran"):
        running.result(30)
    assert running.cancelled()
    model.close()
    stats = model.stats()
    assert (stats["submitted"], stats["completed"], stats["cancelled"]) == (3, 0, 3)


def test_one_of_several_fails(gated_model: Callable[..., AutoModel], gate: Any) -> None:
    gate.open()
    model = gated_model()
    bad = np.full((5, 560), 1e9, np.float32)
    good = np.zeros((5, 560), np.float32)
    future = model.submit([good, bad, good], data_type="fbank")
    with pytest.raises(InferenceError, match="a value is too large"):
        future.result()
    assert isinstance(future.exception(), InferenceError)
    assert future.done()
    assert not future.cancelled()
    assert model.generate(good, data_type="fbank")


def test_callbacks(gated_model: Callable[..., AutoModel], gate: Any) -> None:
    model = gated_model()
    future = model.submit([CLIP, CLIP])
    calls: list[tuple[int, Future, str]] = []
    for number in range(50):
        future.add_done_callback(
            lambda f, n=number: calls.append((n, f, threading.current_thread().name))
        )
    time.sleep(0.05)
    assert not calls
    gate.open()
    until(lambda: len(calls) == 50)
    assert sorted(n for n, _, _ in calls) == list(range(50))
    assert all(f is future and name == "safeasr-callbacks" for _, f, name in calls)
    # Done already: at once, on the caller's thread, as in concurrent.futures.
    late: list[str] = []
    future.add_done_callback(lambda f: late.append(threading.current_thread().name))
    assert late == [threading.current_thread().name]


def test_callbacks_that_raise_harm_nobody(
    gated_model: Callable[..., AutoModel], gate: Any, caplog: pytest.LogCaptureFixture
) -> None:
    model = gated_model()
    future = model.submit(CLIP)
    seen: list[Future] = []

    def broken(_: Future) -> None:
        raise ValueError("my own mistake")

    with caplog.at_level(logging.ERROR, "safeasr"):
        future.add_done_callback(broken)
        future.add_done_callback(seen.append)
        gate.open()
        until(lambda: bool(seen))
        future.add_done_callback(broken)
    assert caplog.text.count("ValueError: my own mistake") == 2
    assert future.result()


@pytest.mark.parametrize("mistake", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_no_callback_ends_the_callback_thread(
    gated_model: Callable[..., AutoModel],
    gate: Any,
    mistake: type[BaseException],
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = gated_model()
    ends: list[Future] = []

    def broken(future: Future) -> None:
        ends.append(future)
        raise mistake("of a callback")

    with caplog.at_level(logging.ERROR, "safeasr"):
        for _ in range(3):
            model.submit(CLIP).add_done_callback(broken)
        after: list[Future] = []
        model.submit(CLIP).add_done_callback(after.append)
        gate.open()
        until(lambda: len(ends) == 3)
        until(lambda: bool(after))
    # One that is done already is called by its caller, who may well want to end.
    with pytest.raises(mistake):
        ends[0].add_done_callback(broken)


def test_a_callback_may_not_wait(
    gated_model: Callable[..., AutoModel], gate: Any, model: AutoModel
) -> None:
    running = gated_model().submit(CLIP)
    refused: list[str] = []

    def wait(future: Future) -> None:
        assert future.result()
        for call in (running.result, running.wait, lambda: model.generate(CLIP)):
            try:
                call()
            except RuntimeError as error:
                refused.append(str(error))

    model.submit(CLIP).add_done_callback(wait)
    until(lambda: len(refused) == 3)
    assert all("must not wait" in message for message in refused)
    gate.open()
    assert running.result(30)


def test_callbacks_run_for_every_end(gated_model: Callable[..., AutoModel], gate: Any) -> None:
    model = gated_model()
    running = model.submit(CLIP)
    until(running.running)
    cancelled, closed = model.submit(CLIP), model.submit(CLIP)
    ends: list[Any] = []
    for future in (running, cancelled, closed):
        future.add_done_callback(ends.append)
    cancelled.cancel()
    until(lambda: ends == [cancelled])
    closer = threading.Thread(target=model.close, kwargs={"drain": False})
    closer.start()
    gate.open()
    closer.join(30)
    until(lambda: len(ends) == 3)
    assert set(ends) == {running, cancelled, closed}
    assert isinstance(closed.exception(), EngineClosedError)
    # What ran ends between two layers, if it had not come to its end by then.
    assert isinstance(running.exception(), EngineClosedError) or running.result()


def test_a_callback_may_use_the_model(model: AutoModel) -> None:
    results: list[Any] = []
    future = model.submit(CLIP)
    future.add_done_callback(lambda f: results.append(model.submit(CLIP)))
    until(lambda: bool(results))
    assert results[0].result(30)[0]["text"] == future.result()[0]["text"]


def test_64_threads_wait_for_one_future(gated_model: Callable[..., AutoModel], gate: Any) -> None:
    future = gated_model().submit(CLIP)
    ready = threading.Barrier(65)

    def wait(n: int) -> Any:
        ready.wait()
        return future.result() if n % 2 else future.result(timeout=60)

    with ThreadPoolExecutor(64) as pool:
        waiting = [pool.submit(wait, n) for n in range(64)]
        ready.wait()
        time.sleep(0.1)
        gate.open()
        results = [one.result(60) for one in waiting]
    assert results == [future.result()] * 64


def test_close_cancels_or_drains(gated_model: Callable[..., AutoModel], gate: Any) -> None:
    for drain in (True, False):
        gate.close()
        model = gated_model(max_batch_size=1)
        running = model.submit(CLIP)
        until(running.running)
        waiting = [model.submit(CLIP) for _ in range(3)]
        closer = threading.Thread(target=model.close, kwargs={"drain": drain})
        closer.start()
        until(lambda model=model: model.closed)
        with pytest.raises(EngineClosedError):
            model.submit(CLIP)
        gate.open()
        closer.join(30)
        assert not closer.is_alive()
        assert running.done()
        for future in waiting:
            if drain:
                assert future.result(0)[0]["text"]
            else:
                with pytest.raises(EngineClosedError):
                    future.result(0)


def test_results_outlive_the_model(model_dir: Any) -> None:
    one = AutoModel(model=str(model_dir), num_workers=1, disable_pbar=True)
    futures = [one.submit(CLIP) for _ in range(20)]
    del one
    assert len({future.result(60)[0]["text"] for future in futures}) == 1
