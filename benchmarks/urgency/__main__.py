"""How long what is urgent waits: live chunks, callbacks, event loops, short calls, cancels.

    python -m benchmarks.urgency            the demo models, about two minutes
    python -m benchmarks.urgency --full     Paraformer-large and its streaming form as well

Each scenario is a load that held something up once, and says how long it is held up now.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import threading
import time
from collections.abc import Callable
from typing import Any

from benchmarks.common.facts import RESULTS, write_result
from benchmarks.common.models import full_size_model
from benchmarks.urgency.measure import (
    Recording,
    an_hour,
    percentiles,
    segments_of,
    submit_past_detector,
    timed,
)
from safeasr import AutoModel
from safeasr.bench.audio.noise import speech_like


def live_behind_recordings(model: AutoModel, chunk_s: float, queued: int) -> dict[str, Any]:
    """A live chunk behind queued recordings of 20 s, and how long their batches take."""
    chunk = speech_like(chunk_s, 1)
    recording = speech_like(20.0, 2)
    with model.stream() as stream:
        for _ in range(3):
            stream.feed(chunk)
        idle = [timed(lambda: stream.feed(chunk)) for _ in range(20)]
        alone = [timed(submit_past_detector(model, recording).ticket.wait) for _ in range(3)]
        waiting = [submit_past_detector(model, recording) for _ in range(queued)]
        behind = [timed(lambda: stream.feed(chunk)) for _ in range(10)]
        for one in waiting[:10]:
            one.ticket.wait()
        for one in waiting:
            one.ticket.cancel()
        for one in waiting:
            one.ticket.wait()
    longest = max(one.batch_s or 0.0 for one in waiting)
    return {
        "queued": queued,
        "idle": percentiles(idle),
        "recording_alone": percentiles(alone),
        "behind": percentiles(behind),
        "longest_batch_ms": round(1e3 * longest, 1),
        "bound_ms": round(1e3 * longest + 3 * percentiles(idle)["p50_ms"], 1),
    }


def callbacks_of_an_idle_model(seconds: float) -> dict[str, Any]:
    """From a result to its callback, while another model's queue is full of recordings."""
    delays: list[float] = []
    long = an_hour(120.0)
    clip = speech_like(1.0, 3)
    with (
        AutoModel("demo", vad_model="demo-vad", queue_size=4, disable_pbar=True) as busy,
        AutoModel("demo", num_workers=1, disable_pbar=True) as idle,
    ):
        stop = threading.Event()

        def load() -> None:
            while not stop.is_set():
                busy.generate(long)

        threads = [threading.Thread(target=load) for _ in range(16)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            called = threading.Event()
            at: list[float] = []

            def back(_: object, at: list[float] = at, called: threading.Event = called) -> None:
                at.append(time.perf_counter())
                called.set()

            future = idle.submit(clip)
            future.add_done_callback(back)
            future.wait()
            done = time.perf_counter()
            called.wait()
            delays.append(max(0.0, at[0] - done))
            time.sleep(0.005)
        stop.set()
        for thread in threads:
            thread.join()
    return {"delay": percentiles(delays)}


def event_loop_of_64_streams(seconds: float) -> dict[str, Any]:
    """How late an asyncio loop gets that feeds 64 streams, while recordings fill the queue."""
    chunk = speech_like(0.6, 4)
    recording = speech_like(10.0, 5)
    lags: list[float] = []
    with AutoModel("demo", online_model="demo-streaming", queue_size=64) as model:
        stop = threading.Event()

        def load() -> None:
            while not stop.is_set():
                model.generate(recording, disable_pbar=True)

        threads = [threading.Thread(target=load) for _ in range(80)]
        for thread in threads:
            thread.start()

        async def feed(end: float, index: int) -> int:
            fed = 0
            async with model.stream() as stream:
                await asyncio.sleep(0.6 * index / 64)
                while time.monotonic() < end:
                    begun = time.monotonic()
                    await stream.afeed(chunk)
                    fed += 1
                    await asyncio.sleep(max(0.0, 0.6 - (time.monotonic() - begun)))
            return fed

        async def tick(end: float) -> None:
            while time.monotonic() < end:
                begun = time.perf_counter()
                await asyncio.sleep(0.002)
                lags.append(time.perf_counter() - begun - 0.002)

        async def main() -> int:
            end = time.monotonic() + seconds
            fed = await asyncio.gather(*(feed(end, i) for i in range(64)), tick(end))
            return sum(n for n in fed if n)

        fed = asyncio.run(main())
        stop.set()
        for thread in threads:
            thread.join()
    return {"chunks": fed, "lag": percentiles(lags)}


def short_calls(load: Callable[[AutoModel, threading.Event], None], seconds: float) -> list[float]:
    """Latencies of a short call while two threads bring a load."""
    clip = speech_like(1.0, 6)
    latencies = []
    with AutoModel("demo", vad_model="demo-vad", disable_pbar=True) as model:
        stop = threading.Event()
        threads = [threading.Thread(target=load, args=(model, stop)) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(1.0)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            latencies.append(timed(lambda: model.generate(clip, timeout=30)))
            time.sleep(0.01)
        stop.set()
        for thread in threads:
            thread.join()
    return latencies


def short_calls_beside_hours(seconds: float) -> dict[str, Any]:
    """A short call beside two long recordings with VAD, and beside their segments without it."""
    hour = an_hour()
    pieces = segments_of(hour)

    def recordings(model: AutoModel, stop: threading.Event) -> None:
        while not stop.is_set():
            future = model.submit(hour)
            while not stop.is_set() and not future.wait(0.1):
                pass
            future.cancel()

    def segments(model: AutoModel, stop: threading.Event) -> None:
        pending: list[Recording] = []
        while not stop.is_set():
            for piece in pieces:
                pending.append(submit_past_detector(model, piece))
                if len(pending) >= 32:
                    pending.pop(0).ticket.wait()
                if stop.is_set():
                    break
        for one in pending:
            one.ticket.cancel()

    beside = percentiles(short_calls(recordings, seconds))
    without = percentiles(short_calls(segments, seconds))
    return {
        "beside_recordings": beside,
        "beside_segments": without,
        "p99_ratio": round(beside["p99_ms"] / without["p99_ms"], 2),
    }


def after_a_cancel() -> dict[str, Any]:
    """Batches that run after a recording of an hour was given up after 1.5 s, by each way."""
    hour = an_hour()
    answer: dict[str, Any] = {}

    def batches_after(model: AutoModel) -> int:
        before = model.stats()["batches"]
        time.sleep(1.5)
        return int(model.stats()["batches"] - before)

    async def agenerate(model: AutoModel) -> None:
        task = asyncio.ensure_future(model.agenerate(hour))
        await asyncio.sleep(1.5)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return

    def cancel(model: AutoModel) -> bool:
        future = model.submit(hour)
        future.wait(1.5)
        return future.cancel()

    def deadline(model: AutoModel) -> None:
        try:
            model.generate(hour, timeout=1.5)
        except TimeoutError:
            return

    def close(model: AutoModel) -> None:
        model.submit(hour).wait(1.5)
        model.close(drain=False)

    ways: dict[str, Callable[[AutoModel], object]] = {
        "agenerate": lambda model: asyncio.run(agenerate(model)),
        "cancel": cancel,
        "deadline": deadline,
        "close": close,
    }
    for name, way in ways.items():
        with AutoModel("demo", vad_model="demo-vad", disable_pbar=True) as model:
            way(model)
            answer[name] = batches_after(model)
            answer["workers"] = model.stats()["workers"]
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="the live chunk at full size as well")
    parser.add_argument("--only", nargs="*", help="names of scenarios")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load")
    parser.add_argument("--save", action="store_true", help="write results/urgency.json")
    args = parser.parse_args()

    quiet = {"disable_pbar": True}

    def demo_live() -> dict[str, Any]:
        with AutoModel("demo", online_model="demo-streaming", **quiet) as model:
            return live_behind_recordings(model, 0.6, 1000)

    def full_live() -> dict[str, Any]:
        offline, online = full_size_model(), full_size_model(streaming=True)
        with AutoModel(
            str(offline), online_model=str(online), vad_model="demo-vad", **quiet
        ) as model:
            return live_behind_recordings(model, 0.6, 1000)

    scenarios: dict[str, Callable[[], dict[str, Any]]] = {
        "live_behind_recordings": demo_live,
        "callbacks_of_an_idle_model": lambda: callbacks_of_an_idle_model(args.seconds),
        "event_loop_of_64_streams": lambda: event_loop_of_64_streams(args.seconds),
        "short_calls_beside_hours": lambda: short_calls_beside_hours(args.seconds),
        "after_a_cancel": after_a_cancel,
    }
    if args.full:
        scenarios["live_behind_recordings_full_size"] = full_live
    results = {}
    for name, scenario in scenarios.items():
        if args.only and name not in args.only:
            continue
        results[name] = scenario()
        print(name, json.dumps(results[name]), flush=True)
    if args.save:
        write_result(RESULTS, "urgency", scenarios=results)


if __name__ == "__main__":
    main()
