"""A device without memory enough for the batches: who is answered, who fails, what comes after."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.cuda.context import Context, NotHereError
from benchmarks.cuda.equality import agreement
from benchmarks.cuda.seeded import model_dir
from benchmarks.cuda.throughput import delta
from safeasr import AutoModel
from safeasr.bench.audio.noise import noise_clips
from safeasr.bench.local import Measured, measure_calls

#: What the process may hold beyond what the loaded model holds, in MiB.
EXTRA_MIB = (512, 128, 32, 0)
ALLOWED = {"OutOfMemoryError"}
#: Equal tokens of weights at random in other company: rounding decides between equals.
EQUAL = {"float32": 0.98, "float16": 0.9, "bfloat16": 0.8}


def run(context: Context) -> None:
    """Rounds with less and less memory, then one with all of it."""
    if not context.on_cuda:
        raise NotHereError("limits the memory of a CUDA device")
    items = noise_clips(64, 5.0, 15.0)
    directory = model_dir("paraformer", context.quick)
    total = torch.cuda.get_device_properties(context.device).total_memory
    # Larger batches than anybody would ask for, so that they do not fit.
    sizes = {"max_batch_size": 256, "max_batch_frames": 100_000, "num_workers": 4}
    with context.load(directory, context.fastest(), **sizes) as model:

        def ask(model: AutoModel, threads: int) -> Measured:
            def call(audio: Any) -> str:
                return str(model.generate(audio)[0]["text"])

            return measure_calls(call, items, threads, passes=1)

        before = ask(model, 64)
        context.check("with all of the memory no call failed", not before.errors, "")
        ask(model, 1)
        torch.cuda.empty_cache()
        held = torch.cuda.memory_reserved(context.device)
        for extra in EXTRA_MIB:
            if context.left() < 10:
                break
            torch.cuda.empty_cache()
            allowed = min(1.0, (held + (extra << 20)) / total)
            torch.cuda.set_per_process_memory_fraction(allowed, context.device)
            stats = model.stats()
            load = ask(model, 64)
            halved = delta(model.stats(), stats, "halved")
            counts = load.run.counts
            context.check(
                f"{extra} MiB beside the model: every call answered, or out of memory",
                counts.asked == len(items) and set(load.errors) <= ALLOWED,
                f"{counts.right} answered, errors {load.errors}, {halved:.0f} batches halved",
            )
        torch.cuda.set_per_process_memory_fraction(1.0, context.device)
        after = ask(model, 64)
        alike = [
            agreement(min(texts), min(before.texts[name]))
            for name, texts in after.texts.items()
            if name in before.texts
        ]
        least = EQUAL[model.precision]
        mean = sum(alike) / max(len(alike), 1)
        context.check(
            "with all of the memory again, all goes on",
            not after.errors and len(alike) == len(items) and mean >= least,
            f"errors {after.errors}, {mean:.2%} of tokens as before (at least {least:.0%})",
        )
