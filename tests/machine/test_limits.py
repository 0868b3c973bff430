import os
from pathlib import Path

import pytest

from mlxd.machine import available_cores, cgroup, memory

GIB = 1 << 30


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cgroup, "ROOT", tmp_path)
    monkeypatch.setattr(cgroup, "MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "membership").write_text("0::/a/b\n")
    return tmp_path


@pytest.mark.parametrize(
    ("quota", "cores"), [("max 100000", 8), ("150000 100000", 2), ("20000 100000", 1), ("", 8)]
)
def test_a_quota_of_version_2_limits_the_cores(groups: Path, quota: str, cores: int) -> None:
    (groups / "a" / "b" / "cpu.max").write_text(quota)
    assert available_cores() == cores


def test_the_tightest_group_above_counts(groups: Path) -> None:
    (groups / "a" / "b" / "cpu.max").write_text("max 100000")
    (groups / "a" / "cpu.max").write_text("300000 100000")
    (groups / "a" / "memory.max").write_text(str(GIB))
    (groups / "a" / "memory.current").write_text(str(GIB // 2))
    (groups / "a" / "memory.stat").write_text(f"anon 5\ninactive_file {GIB // 4}\n")
    assert available_cores() == 3
    found = memory()
    assert (found.total, found.limit) == (GIB, "container")
    assert found.available == GIB - GIB // 4


def test_version_1_of_a_container_whose_path_is_the_hosts(groups: Path) -> None:
    (groups / "membership").write_text("4:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n0::/\n")
    (groups / "cpu").mkdir()
    (groups / "cpu" / "cpu.cfs_quota_us").write_text("400000")
    (groups / "cpu" / "cpu.cfs_period_us").write_text("100000")
    (groups / "memory").mkdir()
    (groups / "memory" / "memory.limit_in_bytes").write_text(str(GIB))
    (groups / "memory" / "memory.usage_in_bytes").write_text(str(GIB))
    (groups / "memory" / "memory.stat").write_text(f"total_inactive_file {GIB // 8}\n")
    assert available_cores() == 4
    assert memory().available == GIB // 8


def test_no_limit_means_the_machine(groups: Path) -> None:
    (groups / "membership").write_text("4:memory:/\n3:cpu:/\n")
    (groups / "cpu").mkdir()
    (groups / "cpu" / "cpu.cfs_quota_us").write_text("-1")
    (groups / "memory").mkdir()
    (groups / "memory" / "memory.limit_in_bytes").write_text(str(2**63 - 4096))
    (groups / "memory" / "memory.usage_in_bytes").write_text("1")
    assert available_cores() == 8
    assert memory().limit == "machine"


def test_without_cgroups(groups: Path) -> None:
    (groups / "membership").unlink()
    assert available_cores() == 8
    assert 0 < memory().available <= memory().total
