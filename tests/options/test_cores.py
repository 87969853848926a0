"""How many cores a process may use, where containers have quotas."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from safeasr.options import cores

MANY = 64


@pytest.fixture(autouse=True)
def a_large_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(MANY)), raising=False)


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000", MANY), ("50000 100000", 1), ("100000 100000", 1), ("250000 100000", 2),
        ("9900000 100000", MANY), ("nonsense", MANY), ("0 0", MANY), ("", MANY),
    ],
)  # fmt: skip
def test_version_2(tmp_path: Path, quota: str, expected: int) -> None:
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": quota}
    assert cores.usable_cores(write(tmp_path, files)) == expected


def test_the_smallest_quota_on_the_way_up_counts(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/pod/container\n",
        "sys/fs/cgroup/pod/container/cpu.max": "800000 100000",
        "sys/fs/cgroup/pod/cpu.max": "300000 100000",
    }
    assert cores.usable_cores(write(tmp_path, files)) == 3


@pytest.mark.parametrize("mount", ["cpu,cpuacct", "cpu"])
def test_version_1(tmp_path: Path, mount: str) -> None:
    """The path is the host's, and only its end is mounted."""
    files = {
        "proc/self/cgroup": "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/docker/abc\n",
        f"sys/fs/cgroup/{mount}/cpu.cfs_quota_us": "200000",
        f"sys/fs/cgroup/{mount}/cpu.cfs_period_us": "100000",
    }
    assert cores.usable_cores(write(tmp_path, files)) == 2
    (tmp_path / f"sys/fs/cgroup/{mount}/cpu.cfs_quota_us").write_text("-1")
    assert cores.usable_cores(tmp_path) == MANY


def test_no_control_groups(tmp_path: Path) -> None:
    assert cores.usable_cores(tmp_path) == MANY
    assert cores.usable_cores() >= 1
