"""How much of the machine this process may use."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["usable_cores"]


def usable_cores(root: Path = Path("/")) -> int:
    """Cores that this process may run on, by its affinity and its containers' quotas.

    A quota of half a core counts as one core, two and a half as two: threads beyond the quota
    would use it up early and then all stand still until the next period.

    Args:
        root: where ``/proc`` and ``/sys`` are.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        cores = os.cpu_count() or 1
    quota = _quota(root)
    return max(1, cores if quota is None else min(cores, int(quota)))


def _quota(root: Path) -> float | None:
    """The smallest quota of the process's control groups, in cores; None without one."""
    try:
        groups = (root / "proc/self/cgroup").read_text(errors="replace").splitlines()
    except OSError:
        return None
    quotas: list[float] = []
    for line in groups:
        _, controllers, path = line.split(":", 2)  # a number, "cpu,cpuacct", "/a/b"
        if controllers == "":  # version 2: one tree for all controllers
            quotas += _up_the_tree(root / "sys/fs/cgroup", path, _of_version_2)
        elif "cpu" in controllers.split(","):
            quotas += _up_the_tree(root / "sys/fs/cgroup" / controllers, path, _of_version_1)
            quotas += _up_the_tree(root / "sys/fs/cgroup/cpu", path, _of_version_1)
    return min(quotas, default=None)


def _up_the_tree(mount: Path, path: str, quota_of: Callable[[Path], float | None]) -> list[float]:
    """The quotas of a group and of the groups that it lies in.

    In a container the path may be the host's, of which only the end is mounted: folders that are
    not there say nothing.
    """
    group = mount / path.strip("/")
    found = []
    for folder in (group, *group.parents):
        quota = quota_of(folder)
        if quota is not None:
            found.append(quota)
        if folder == mount:
            break
    return found


def _of_version_2(group: Path) -> float | None:
    try:
        quota, period = (group / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _of_version_1(group: Path) -> float | None:
    try:
        quota = int((group / "cpu.cfs_quota_us").read_text())
        return None if quota < 0 else quota / int((group / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError, ZeroDivisionError):
        return None
