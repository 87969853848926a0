"""Sixty-four threads that ask until they have asked enough, and what must hold afterwards."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import random
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import psutil
from tqdm import tqdm

from soak.calls import one_call
from soak.served import Served

__all__ = ["Outcome", "ask"]

#: So often, everybody waits until nothing is under way, and memory is looked at.
_RESTS = 40


@dataclass
class Outcome:
    """What came of it.

    Attributes:
        ends: how many calls ended how.
        wrong: the first wrong answers and untyped errors.
        memory: resident bytes of the process at rest, at equal numbers of calls.
        seconds: how long it took.
    """

    ends: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def calls(self) -> int:
        """How many calls ended."""
        return self.ends.total()

    @property
    def growth(self) -> float:
        """By how much the memory of the last tenth is above that of the second."""
        tenth = len(self.memory) // 10
        if not tenth:
            return 0.0
        second, last = self.memory[tenth : 2 * tenth], self.memory[-tenth:]
        return statistics.median(last) / statistics.median(second) - 1


def ask(served: Sequence[Served], calls: int, threads: int, seed: int = 0) -> Outcome:
    """Ask so many times in all, from so many threads at once."""
    outcome = Outcome()
    lock = threading.Lock()
    left = 0
    begin = time.monotonic()

    def client(order: random.Random) -> None:
        nonlocal left
        while True:
            with lock:
                if not left or outcome.wrong:
                    return
                left -= 1
            try:
                end = one_call(served, order)
            except BaseException as error:
                with lock:
                    outcome.wrong.append(f"{type(error).__name__}: {error}"[:2000])
                return
            with lock:
                outcome.ends[end] += 1
                progress.update()

    orders = [random.Random(f"{seed} {number}") for number in range(threads)]
    # Most systems write their logs line by line, and a bar that is drawn anew fills them.
    every_s = 5 if sys.stderr.isatty() else 60
    with (
        tqdm(total=calls, unit="call", mininterval=every_s) as progress,
        ThreadPoolExecutor(threads) as pool,
    ):
        for rest in range(_RESTS):
            left = calls * (rest + 1) // _RESTS - calls * rest // _RESTS
            for one in [pool.submit(client, order) for order in orders]:
                one.result()
            outcome.memory.append(_resident())
    outcome.seconds = time.monotonic() - begin
    return outcome


def unsettled(served: Sequence[Served]) -> list[str]:
    """What the models still hold, and requests that they cannot account for."""
    found = []
    for one in served:
        one.model.close()
        stats = one.model.stats()
        ended = sum(stats[how] for how in ("completed", "cancelled", "expired", "failed"))
        if stats["waiting"] or stats["busy_workers"] or stats["submitted"] != ended:
            found.append(f"{one.name}: {stats}")
    return found


def _resident() -> int:
    """Bytes of the process, without what the allocator keeps although nobody has it."""
    gc.collect()
    with contextlib.suppress(AttributeError):  # a C library that has no such thing
        ctypes.CDLL(None).malloc_trim(0)
    return int(psutil.Process().memory_info().rss)
