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
from safeasr.loadgen import Item

Say = Callable[[str], None]
Load = dict[str, Any]


class Measurement:
    """One comparison: the same utterances for all groups.

    Attributes:
        unavailable: groups that could not run, and why.
    """

    def __init__(
        self,
        fleet: Fleet,
        groups: Sequence[Group],
        items: Sequence[Item],
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
        items: Sequence[Item] | None = None,
    ) -> Load:
        patience = 2
        while True:
            wait_until_quiet(self._max_other_cpu)
            given = self._items if items is None else items
            load = self._fleet.run(key, setup, given, callers, passes)
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

    def tune(self, callers: int, count: int) -> list[dict[str, Any]]:
        """Run every candidate once on the first utterances and choose each group's fastest."""
        items = self._items[:count]
        rows = []
        order = sorted({s.loaded: None for g in self.groups for s in g.candidates}, key=str)
        fastest: dict[str, float] = {}
        # One model at a time, with all the ways to call it, so that each is loaded once.
        for loaded in order:
            for group in list(self.groups):
                if len(group.candidates) < 2:
                    continue
                for setup in (s for s in group.candidates if s.loaded == loaded):
                    try:
                        load = self._load(loaded, group, setup, callers, items=items)
                    except UnavailableError as error:
                        self._drop(group, error)
                        break
                    speed = rtfx(load)
                    if speed > fastest.get(group.name, 0.0):
                        fastest[group.name], self.chosen[group.name] = speed, setup
                    rows.append(
                        {
                            "system": group.name,
                            "setup": setup.as_dict(),
                            "setup_text": setup.describe(),
                            "callers": callers,
                            "rtfx": round(speed, 2),
                            "mean_batch": round(load["mean_batch"], 2),
                            "errors": load["errors"],
                        }
                    )
            self._fleet.end(loaded)
        for one in rows:
            one["chosen"] = one["setup"] == self.chosen[one["system"]].as_dict()
        return rows

    def alone(self, count: int, cores: int) -> list[dict[str, Any]]:
        """A single caller, and each library set up for it: the set-up with the fastest answers."""
        items, rows = self._items[:count], []
        for group in list(self.groups):
            mine = []
            for setup in group.alone:
                try:
                    load = self._load(setup.loaded, group, setup, 1, items=items)
                except UnavailableError as error:
                    self._drop(group, error)
                    break
                self._fleet.end(setup.loaded)
                mine.append(row(group, setup, [load], {}, cores))
            if mine:
                best = min(mine, key=lambda one: float(one["p50_ms"]))
                rows += [{**one, "chosen": one is best} for one in mine]
        return rows

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
                self._load(group.name, group, setup, callers, items=self._items[:count])
                with Perf(self._fleet.pids(group.name)) as perf:
                    self._load(group.name, group, setup, callers, items=self._items[:count])
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
