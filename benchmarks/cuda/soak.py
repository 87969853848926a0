"""64 threads that do everything at once: good calls, bad ones, cancelled ones, late ones, streams.

What each may end with is known beforehand; everything else is an error of safeasr.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

import numpy as np
import torch

from benchmarks.cuda.context import Context
from benchmarks.cuda.equality import STREAM
from benchmarks.cuda.seeded import model_dir
from safeasr import AudioError, AutoModel, DeadlineExceededError, QueueFullError
from safeasr.bench.audio.noise import noise_clips

#: One call of a role; what it returns or raises is counted.
Act = Callable[[int], None]


class _WrongAnswerError(Exception):
    """A call that should have failed did not, or a result has no text."""


def _roles(model: AutoModel, live: AutoModel, audio: list[Any]) -> dict[str, tuple[Act, Any]]:
    """What a thread does again and again, and the errors that belong to it."""

    def good(number: int) -> None:
        found = model.generate(audio[number % len(audio)])
        if len(found) != 1 or not isinstance(found[0]["text"], str):
            raise _WrongAnswerError(repr(found)[:100])

    def several(number: int) -> None:
        found = model.generate([audio[(number + i) % len(audio)] for i in range(3)])
        if len(found) != 3:
            raise _WrongAnswerError(repr(found)[:100])

    def cancelled(number: int) -> None:
        future = model.submit(audio[number % len(audio)])
        if number % 2:
            future.cancel()
        future.result(timeout=60)

    def late(number: int) -> None:
        model.generate(audio[number % len(audio)], timeout=0.001 * (number % 20))

    def bad(number: int) -> None:
        time.sleep(0.005)  # refused at once: without a pause it would do nothing but hold the GIL
        wrong = (np.full(8000, np.nan, np.float32), np.zeros(0, np.float32))[number % 2]
        model.generate(wrong)
        raise _WrongAnswerError("audio that is none was taken")

    def stream(number: int) -> None:
        session = live.stream(**STREAM)
        wave = audio[number % len(audio)][:48000]
        for at in range(0, len(wave), 9600):
            session.feed(wave[at : at + 9600], at + 9600 >= len(wave))

    def abandoned(number: int) -> None:
        session = live.stream(**STREAM)
        session.feed(audio[number % len(audio)][:9600])

    nothing: tuple[type[BaseException], ...] = ()
    return {
        "good": (good, nothing),
        "several": (several, nothing),
        "good again": (good, nothing),
        "cancelled": (cancelled, (CancelledError,)),
        "late": (late, (DeadlineExceededError, QueueFullError)),
        "bad audio": (bad, (AudioError,)),
        "stream": (stream, nothing),
        "abandoned stream": (abandoned, nothing),
    }


def _held(context: Context) -> float:
    """MiB that live tensors hold on the device."""
    if not context.on_cuda:
        return 0.0
    torch.cuda.synchronize(context.device)
    return torch.cuda.memory_allocated(context.device) / 2**20


def run(context: Context) -> None:
    """Let the threads loose, then count."""
    threads = 16 if context.quick else 64
    audio = [one.samples for one in noise_clips(16 if context.quick else 64, 1.0, 10.0)]
    precision = context.fastest()
    models = [model_dir(kind, context.quick) for kind in ("paraformer", "paraformer-streaming")]
    with context.load(models[0], precision) as model, context.load(models[1], precision) as live:
        roles = _roles(model, live, audio)
        ended: dict[str, Counter[str]] = {name: Counter() for name in roles}
        lock = threading.Lock()
        stop = threading.Event()

        def work(place: int) -> None:
            name = list(roles)[place % len(roles)]
            act, allowed = roles[name]
            number = place
            while not stop.is_set():
                number += 1
                try:
                    act(number)
                    how = "answered"
                except allowed as error:
                    how = type(error).__name__
                except Exception as error:  # what must not be
                    how = f"! {type(error).__name__}: {str(error)[:80]}"
                with lock:
                    ended[name][how] += 1

        act, _ = roles["good"]
        for number in range(4):
            act(number)
        held = _held(context)
        seconds = 2.0 if context.quick else max(10.0, min(60.0, context.left() - 10))
        workers = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(threads)]
        for worker in workers:
            worker.start()
        time.sleep(seconds)
        stop.set()
        for worker in workers:
            worker.join(60)
        stuck = sum(worker.is_alive() for worker in workers)
        context.check("no thread hangs", stuck == 0, f"{stuck} of {threads} after a minute more")
        context.put("ended", {name: dict(found) for name, found in ended.items()})
        wrong = {n: {h: c for h, c in f.items() if h[0] == "!"} for n, f in ended.items()}
        wrong = {name: found for name, found in wrong.items() if found}
        calls = sum(sum(found.values()) for found in ended.values())
        listed = "; ".join(
            f"{name}: {', '.join(f'{c} {h}' for h, c in found.items())}"
            for name, found in ended.items()
        )
        context.check(
            f"{threads} threads for {seconds:.0f} s: only errors that belong there",
            not wrong and all(ended.values()),
            f"{calls} calls; {wrong}" if wrong else f"{calls} calls; {listed}",
        )
        for one, name in ((model, "recordings"), (live, "streams")):
            until = time.monotonic() + 30
            while time.monotonic() < until:
                stats = one.stats()
                done = sum(stats[k] for k in ("completed", "failed", "cancelled", "expired"))
                if done == stats["submitted"]:
                    break
                time.sleep(0.05)
            context.check(
                f"{name}: every accepted request ended once",
                done == stats["submitted"],
                f"{stats['submitted']} accepted, {done} ended",
            )
        if context.on_cuda:
            grown = _held(context) - held
            context.row("device memory held beyond the start", f"{grown:.1f} MiB", "")
