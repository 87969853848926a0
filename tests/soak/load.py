"""Sixty-four threads that ask until they have asked enough, and what must hold afterwards."""

from __future__ import annotations

import gc
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from tqdm import tqdm

from soak.calls import one_call
from soak.served import Served

__all__ = ["Outcome", "ask"]

#: Memory is looked at so often while calls run.
_LOOKS = 200


@dataclass
class Outcome:
    """What came of it.

    Attributes:
        ends: how many calls ended how.
        wrong: the first wrong answers and untyped errors.
        memory: resident bytes of the process, at equal numbers of calls.
        seconds: how long it took.
        threads: of the process, when all were at work and at the end.
    """

    ends: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    seconds: float = 0.0
    threads: tuple[int, int] = (0, 0)

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
        return sorted(last)[len(last) // 2] / sorted(second)[len(second) // 2] - 1


def ask(served: Sequence[Served], calls: int, threads: int, seed: int = 0) -> Outcome:
    """Ask so many times in all, from so many threads at once."""
    outcome = Outcome()
    lock = threading.Lock()
    numbers = iter(range(calls))
    begin = time.monotonic()
    most = _threads()

    def client(of: int) -> None:
        nonlocal most
        order = random.Random(f"{seed} {of}")
        while not outcome.wrong:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            try:
                end = one_call(served, order)
            except BaseException as error:
                with lock:
                    outcome.wrong.append(f"{type(error).__name__}: {error}"[:2000])
                return
            with lock:
                outcome.ends[end] += 1
                progress.update()
                if number % max(calls // _LOOKS, 1) == 0:
                    outcome.memory.append(psutil.Process().memory_info().rss)
                    most = max(most, _threads())

    with (
        tqdm(total=calls, unit="call", mininterval=5 if sys.stderr.isatty() else 60) as progress,
        ThreadPoolExecutor(threads) as pool,
    ):
        clients = [pool.submit(client, number) for number in range(threads)]
        for one in clients:
            one.result()
    gc.collect()
    outcome.seconds = time.monotonic() - begin
    outcome.threads = (most, _threads())
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


def _threads() -> int:
    """Threads of the process, also those that Python does not know."""
    return len(list(Path("/proc/self/task").iterdir()))
