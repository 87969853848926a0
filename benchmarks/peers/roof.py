"""What the cores could do at most: the rate of matrix products, and what a model asks for.

    python -m benchmarks.peers.roof rates
    python -m benchmarks.peers.roof flops FAMILY MODEL_DIRECTORY SAMPLES.npz

Each prints JSON. A linear layer of 512 x 2048, the commonest of these models, is measured with
weights packed for oneDNN, on one core and on all of them at once.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

ROWS = (93, 744)  # an utterance of 5.5 s, and a batch of eight
INNER, OUTER = 512, 2048
WINDOW_S, WINDOWS = 0.3, 5
Kernel = Callable[[], object]


def _float_kernel(rows: int, dtype: torch.dtype) -> Kernel:
    x, weight = torch.randn(rows, INNER).to(dtype), torch.randn(OUTER, INNER).to(dtype)
    bias = torch.zeros(OUTER, dtype=dtype)
    ops = torch.ops.mkldnn
    packed = ops._reorder_linear_weight(weight, rows)
    return lambda: ops._linear_pointwise(x, packed, bias, "none", [], "")


def _int8_kernel(rows: int) -> Kernel:
    ops = torch.ops.onednn
    x = torch.randint(0, 255, (rows, INNER), dtype=torch.uint8)
    weight = torch.randint(-127, 127, (OUTER, INNER), dtype=torch.int8)
    packed = ops.qlinear_prepack(weight, [rows, INNER])
    scales, zeros = torch.full((OUTER,), 0.01), torch.zeros(OUTER, dtype=torch.int64)
    bias = torch.zeros(OUTER)
    return lambda: ops.qlinear_pointwise(
        x, 0.02, 128, packed, scales, zeros, bias, 1.0, 0, torch.float32, "none", [], ""
    )


def kernel(precision: str, rows: int) -> Kernel:
    """A function that multiplies once."""
    if precision == "int8":
        return _int8_kernel(rows)
    return _float_kernel(rows, torch.bfloat16 if precision == "bf16" else torch.float32)


def rate(precision: str, rows: int, cores: int) -> float:
    """GFLOP/s (an operation of int8 counts as one too) of that many threads, one core each.

    The best of several windows: a roof is what can be reached.
    """
    start, best = threading.Barrier(cores + 1), 0.0
    counts = [0.0] * cores

    def work(place: int) -> None:
        torch.set_num_threads(1)
        with torch.inference_mode():
            multiply = kernel(precision, rows)
            multiply()
            for _ in range(WINDOWS):
                start.wait()
                done, began = 0, time.perf_counter()
                while time.perf_counter() - began < WINDOW_S:
                    multiply()
                    done += 1
                counts[place] = done / (time.perf_counter() - began)
                start.wait()

    threads = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(cores)]
    for thread in threads:
        thread.start()
    for _ in range(WINDOWS):
        start.wait()
        start.wait()
        best = max(best, sum(counts))
    for thread in threads:
        thread.join()
    return best * 2 * rows * INNER * OUTER / 1e9


def rates() -> list[dict[str, Any]]:
    """Of each precision and number of rows: GFLOP/s of one core and of all at once."""
    cores = len(os.sched_getaffinity(0))
    rows = []
    for precision in ("float32", "bf16", "int8"):
        for count in ROWS:
            try:
                kernel(precision, count)()
            except (RuntimeError, AttributeError, NotImplementedError):
                continue  # not in this build of torch, or not on this processor
            one = rate(precision, count, 1)
            rows.append(
                {
                    "precision": precision,
                    "rows": count,
                    "one_core": round(one, 1),
                    "all_cores": round(rate(precision, count, cores) if cores > 1 else one, 1),
                }
            )
    return rows


def flops(family: str, directory: str, utterances: list[np.ndarray[Any, Any]]) -> dict[str, Any]:
    """Operations of matrix products and convolutions that FunASR runs for some utterances.

    Counted by torch, call by call, so with the lengths and numbers of tokens that there are.
    """
    from torch.utils.flop_counter import FlopCounterMode

    from benchmarks.peers.adapters import CALL_OPTIONS

    with contextlib.redirect_stdout(io.StringIO()):
        from funasr import AutoModel

        model = AutoModel(
            model=directory, device="cpu", disable_update=True, disable_pbar=True,
            log_level="ERROR",
        )  # fmt: skip
        counter = FlopCounterMode(display=False)
        with counter:
            for samples in utterances:
                model.generate(samples, disable_pbar=True, **CALL_OPTIONS[family])
    kinds: dict[str, float] = {}
    for operator, number in counter.get_flop_counts()["Global"].items():
        kinds[str(operator)] = kinds.get(str(operator), 0.0) + number / 1e9
    parameters = sum(p.numel() for p in model.model.parameters())
    return {
        "gflop": round(sum(kinds.values()), 2),
        "gflop_by_operator": {name: round(value, 2) for name, value in kinds.items()},
        "parameters": int(parameters),
    }


def main() -> None:
    """Print what is asked for."""
    if sys.argv[1] == "rates":
        answer: Any = rates()
    else:
        with np.load(sys.argv[4]) as arrays:
            answer = flops(sys.argv[2], sys.argv[3], [arrays[name] for name in arrays])
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
