"""Tuning, alternating rounds, the grid over the number of callers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.compare import wait_until_quiet
from benchmarks.peers.adapters import UnavailableError
from benchmarks.peers.fleet import Fleet
from benchmarks.peers.profile import Perf
from benchmarks.peers.setups import Group, Setup
from benchmarks.peers.summary import row, rtfx, texts_of
from safeasr.bench.audio.clips import Clip

Say = Callable[[str], None]
Load = dict[str, Any]
#: What a profile is taken of, in seconds.
PROFILE_S = 5.0


def _mark(rows: list[dict[str, Any]], best: dict[str, Any]) -> None:
    for one in rows:
        one["chosen"] = one is best


class Measurement:
    """One comparison: the same utterances for all groups.

    Attributes:
        unavailable: groups that could not run, and why.
    """

    def __init__(
        self,
        fleet: Fleet,
        groups: Sequence[Group],
        items: Sequence[Clip],
        say: Say,
        max_other_cpu: float = float("inf"),
    ) -> None:
        """Measure nothing yet.

        Args:
            fleet: the processes.
            groups: the lines of the comparison.
            items: utterances.
            say: takes a line of progress.
            max_other_cpu: repeat a load during which other programs used more cores than that.
        """
        self._fleet, self._items, self._say = fleet, items, say
        self._max_other_cpu = max_other_cpu
        self.groups = list(groups)
        self.chosen: dict[str, Setup] = {one.name: one.candidates[0] for one in groups}
        self.unavailable: dict[str, str] = {}
        self.discarded = 0
        self._texts: dict[str, list[Load]] = {}

    def _drop(self, group: Group, error: UnavailableError) -> None:
        self.unavailable[group.name] = str(error)
        self.groups = [one for one in self.groups if one.name != group.name]
        self._say(f"{group.name}: left out: {error}")

    def _load(
        self,
        key: Any,
        group: Group,
        setup: Setup,
        callers: int,
        passes: int = 1,
        items: Sequence[Clip] | None = None,
        warm: int = 8,
    ) -> Load:
        patience = 2
        while True:
            wait_until_quiet(self._max_other_cpu)
            given = self._items if items is None else items
            load = self._fleet.run(key, setup, given, callers, passes, warm)
            self._say(
                f"{group.name} ({setup.describe()}), {callers} callers: {rtfx(load):.1f} RTFx, "
                f"{load['cpu_s'] / load['wall_s']:.2f} cores, others {load['other_cpu']:.2f}"
            )
            # Only what others did decides, never the figure itself.
            if load["other_cpu"] <= self._max_other_cpu or not patience:
                return load
            patience -= 1
            self.discarded += 1

    def prepare(self) -> None:
        """Let safeasr make its bundles, in processes that are not measured."""
        for group in list(self.groups):
            if group.library != "safeasr":
                continue
            setup = group.candidates[0]
            try:
                self._fleet.run(setup.loaded, setup, self._items[:1], 1)
            except UnavailableError as error:
                self._drop(group, error)
            self._fleet.end(setup.loaded)

    def explore(
        self, callers: int, count: int, alone_count: int, cores: int
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Try set-ups, each once; choose the fastest of each group for what follows.

        One model at a time is loaded and called in all the ways that are to be tried.

        Args:
            callers: for the groups' candidates.
            count: utterances for these; 0: no tuning.
            alone_count: utterances for a single caller; 0: not tried.
            cores: of the machine.

        Returns:
            A row for each candidate, and for each set-up of a single caller.
        """
        tuning: dict[str, list[dict[str, Any]]] = {}
        alone: dict[str, list[dict[str, Any]]] = {}
        for loaded in sorted({s.loaded for g in self.groups for s in g.tried}, key=str):
            for group in list(self.groups):
                tries = []
                if count and len(group.candidates) > 1:
                    tries += [(tuning, setup, callers, count, 4) for setup in group.candidates]
                if alone_count:
                    tries += [(alone, setup, 1, alone_count, 2) for setup in group.alone]
                for rows, setup, number, size, warm in tries:
                    if setup.loaded != loaded or group.name in self.unavailable:
                        continue
                    items = self._items[:size]
                    try:
                        load = self._load(loaded, group, setup, number, items=items, warm=warm)
                    except UnavailableError as error:
                        self._drop(group, error)
                        continue
                    one = row(group, setup, [load], {}, cores)
                    rows.setdefault(group.name, []).append(one)
            self._fleet.end(loaded)
        for group in self.groups:
            if mine := tuning.get(group.name):
                best = max(mine, key=lambda one: float(one["rtfx"]))
                self.chosen[group.name] = Setup(**best["setup"])
                _mark(mine, best)
            if mine := alone.get(group.name):
                _mark(mine, min(mine, key=lambda one: float(one["p50_ms"])))
        order = [group.name for group in self.groups]
        tuned, single = (
            [one for name in order for one in rows.get(name, [])] for rows in (tuning, alone)
        )
        return tuned, single

    def rounds(self, number: int, callers: int, count: int | None = None) -> dict[str, list[Load]]:
        """Alternating rounds: every system once, then every system again.

        Args:
            number: of rounds.
            callers: at the same time; the utterances are gone through until all had one.
            count: take only that many of the utterances.
        """
        items = self._items[:count]
        passes = -(-callers // len(items))
        taken: dict[str, list[Load]] = {}
        for count in range(number):
            self._say(f"-- {callers} callers, round {count + 1} of {number}")
            for group in list(self.groups):
                try:
                    load = self._load(
                        group.name, group, self.chosen[group.name], callers, passes, items
                    )
                except UnavailableError as error:
                    self._drop(group, error)
                    continue
                taken.setdefault(group.name, []).append(load)
                self._texts.setdefault(group.name, []).append(load)
        return {name: loads for name, loads in taken.items() if name not in self.unavailable}

    def profile(self, callers: int, count: int) -> dict[str, dict[str, float]]:
        """Shares of processor time by kind of work, of the systems that run on torch."""
        found: dict[str, dict[str, float]] = {}
        if not Perf.available():
            return found
        for group in list(self.groups):
            setup = self.chosen[group.name]
            if group.library not in ("safeasr", "funasr") or setup.processes or setup.locked:
                continue
            try:
                # Once without perf: loading and warming up are not to be in the profile.
                items = self._items[:count]
                load = self._load(group.name, group, setup, callers, items=items)
                passes = max(1, round(PROFILE_S / load["wall_s"]))
                with Perf(self._fleet.pids(group.name)) as perf:
                    self._load(group.name, group, setup, callers, passes, items)
            except UnavailableError as error:
                self._drop(group, error)
                continue
            found[group.name] = perf.shares
        return found

    def reference(self) -> dict[str, set[str]]:
        """FunASR's texts, of calls with one utterance each."""
        for name in ("FunASR, lock", "FunASR, threads", "FunASR, processes"):
            if name in self._texts:
                return texts_of(self._texts[name])
        return {}

    def rows(self, taken: dict[str, list[Load]], cores: int) -> list[dict[str, Any]]:
        """Figures of rounds, in the order of the groups."""
        reference = self.reference()
        return [
            row(group, self.chosen[group.name], taken[group.name], reference, cores)
            for group in self.groups
            if group.name in taken
        ]
