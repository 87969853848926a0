"""What the same GPU does with the same model in eager torch: FunASR's, or the network alone."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from benchmarks.cuda.context import Context
from benchmarks.cuda.padded import PaddedParaformer
from benchmarks.cuda.seeded import model_dir
from benchmarks.cuda.throughput import load_items
from benchmarks.cuda.usage import Usage
from safeasr.bench.audio.clips import Clip
from safeasr.bench.local import measure_calls

ABSENT = "eager torch, same network (funasr absent)"
LISTS = (8, 16, 32, 64, 128)

#: Texts or token ids of a list of wave arrays.
Transcribe = Callable[[Sequence[Any]], Sequence[Any]]


def _funasr(context: Context) -> Callable[[str], Transcribe]:
    """FunASR's AutoModel for a precision."""

    def make(precision: str) -> Transcribe:
        logging.disable(logging.WARNING)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            from funasr import AutoModel

            model = AutoModel(
                model=str(model_dir("paraformer", context.quick)), device=context.device,
                disable_update=True, disable_pbar=True, log_level="ERROR",
                fp16=precision == "float16",
            )  # fmt: skip

        def transcribe(waves: Sequence[Any]) -> Sequence[Any]:
            found = model.generate(list(waves), batch_size=len(waves), disable_pbar=True)
            return [one["text"] for one in found]

        return transcribe

    return make


def _network(
    context: Context, networks: dict[str, PaddedParaformer]
) -> Callable[[str], Transcribe]:
    """The network alone for a precision; it is left in ``networks`` too."""

    def make(precision: str) -> Transcribe:
        dtype = {"float16": torch.float16, "float32": torch.float32}[precision]
        network = PaddedParaformer(context.quick, dtype, context.device)
        networks[precision] = network
        return network.transcribe

    return make


def _one_by_one(
    context: Context, transcribe: Transcribe, items: Sequence[Clip], seconds: float
) -> dict[str, Any]:
    """64 threads behind a lock, an utterance at a time: what a service does with a model that is
    not safe to share."""
    lock = threading.Lock()

    def call(audio: Any) -> str:
        with lock:
            return str(transcribe([audio])[0])

    threads = 4 if context.quick else 64
    with Usage(context.index) as usage:
        load = measure_calls(call, items, threads, seconds=seconds)
    return {
        "threads": threads,
        "rtfx": round(load.run.rtfx, 1),
        "p50_ms": round(load.latency_ms(50), 1),
        "errors": load.errors,
        "gpu": usage.mean,
    }


def _lists(
    context: Context, transcribe: Transcribe, items: Sequence[Clip], size: int, seconds: float
) -> dict[str, Any]:
    """One thread with lists of utterances, sorted by length as a batch job would."""
    ordered = sorted(items, key=lambda one: one.seconds)
    parts = [ordered[i : i + size] for i in range(0, len(ordered), size)]
    transcribe([one.samples for one in parts[-1]])
    audio, done = 0.0, 0
    with Usage(context.index) as usage:
        began = time.perf_counter()
        while time.perf_counter() - began < seconds or done < len(parts):
            part = parts[done % len(parts)]
            transcribe([one.samples for one in part])
            audio += sum(one.seconds for one in part)
            done += 1
        wall = time.perf_counter() - began
    return {"size": size, "rtfx": round(audio / wall, 1), "wall_s": wall, "gpu": usage.mean}


def run(context: Context) -> None:
    """Batch 1 behind a lock, then lists, in float32 and float16."""
    there = importlib.util.find_spec("funasr") is not None
    label = "FunASR AutoModel" if there else ABSENT
    networks: dict[str, PaddedParaformer] = {}
    make = _funasr(context) if there else _network(context, networks)
    items = load_items(context)
    precisions = ["float32", *(["float16"] if context.on_cuda else [])]
    sizes = (2, 4) if context.quick else LISTS
    share = context.seconds / len(precisions)
    window = 0.2 if context.quick else max(2.0, share / (2 * (len(sizes) + 1)))
    for place, precision in enumerate(precisions):
        try:
            transcribe = make(precision)
            transcribe([items[0].samples])
            alone = _one_by_one(context, transcribe, items, window)
        except Exception as error:  # the other precision may work
            context.row(f"{label}, {precision}", "failed", f"{type(error).__name__}: {error}"[:200])
            continue
        gpu = f", GPU busy {alone['gpu']['busy_percent']:.0f} %" if alone["gpu"] else ""
        context.put(f"{precision}, lock", alone)
        context.row(
            f"{label}, {precision}, batch 1 behind a lock",
            f"{alone['rtfx']:.0f} s of audio a second",
            f"{alone['threads']} threads, p50 {alone['p50_ms']:.0f} ms{gpu}",
        )
        best: dict[str, Any] = {"rtfx": 0.0}
        for size in sizes:
            if context.left() < (len(precisions) - 1 - place) * share + window:
                break
            try:
                spent = networks[precision].features_s if precision in networks else 0.0
                found = _lists(context, transcribe, items, size, window)
                if precision in networks:
                    spent = networks[precision].features_s - spent
                    found["features"] = round(spent / found["wall_s"], 2)
            except torch.cuda.OutOfMemoryError:
                break
            context.put(f"{precision}, lists of {size}", found)
            best = max(best, found, key=lambda one: one["rtfx"])
        if best["rtfx"]:
            context.row(
                f"{label}, {precision}, lists",
                f"{best['rtfx']:.0f} s of audio a second",
                f"one thread, best of lists of {', '.join(map(str, sizes))}: {best['size']}"
                + (f", {best['features']:.0%} of it features" if "features" in best else ""),
            )
