"""Threads by what a process may use: affinity, quotas of control groups, memory."""

import os
from pathlib import Path

import pytest

from wsi.process import cores

GB = 1 << 30


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """`machine(cores, groups, ours)`: a machine of so many cores, files of control groups, and where we stand."""
    monkeypatch.setattr(cores, "_CONTROL_GROUPS", tmp_path)
    monkeypatch.setattr(cores, "_OURS", tmp_path / "cgroup")
    monkeypatch.setattr(os, "sysconf", lambda name: 4096 if name == "SC_PAGE_SIZE" else 64 * GB // 4096)

    def make(count, groups=(), ours="0::/\n"):
        monkeypatch.setattr(os, "cpu_count", lambda: 192)
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(count)), raising=False)
        (tmp_path / "cgroup").write_text(ours)
        for name, text in dict(groups).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return make


def test_affinity_counts_and_not_the_machine(machine):
    machine(3)
    assert cores.usable_cores() == 3


def test_without_affinity_the_machine_counts(machine, monkeypatch):
    machine(3)
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cores.usable_cores() == 192


QUOTAS = [
    ({"cpu.max": "250000 100000\n"}, "0::/\n", 3),
    ({"cpu.max": "max 100000\n"}, "0::/\n", 64),
    ({"cpu.max": "50000 100000"}, "0::/\n", 1),
    ({"a/cpu.max": "400000 100000", "a/b/cpu.max": "max 100000"}, "0::/a/b\n", 4),
    ({"a/cpu.max": "400000 100000"}, "0::/elsewhere\n", 64),
    ({"cpu,cpuacct/x/cpu.cfs_quota_us": "600000", "cpu,cpuacct/x/cpu.cfs_period_us": "100000"}, "4:cpu,cpuacct:/x", 6),
    ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "1:cpu:/\n", 64),
    ({"cpu.max": "odd"}, "0::/\n", 64),
    ({"cpu.max": "1 0"}, "0::/\n", 64),
]


@pytest.mark.parametrize(("groups", "ours", "expected"), QUOTAS)
def test_quotas_of_control_groups(machine, groups, ours, expected):
    machine(64, groups, ours)
    assert cores.usable_cores() == expected


def test_memory_of_machine_and_control_groups(machine):
    machine(64)
    assert cores.usable_memory_gb() == 64
    machine(64, {"a/memory.max": str(8 * GB), "a/b/memory.max": "max\n"}, "0::/a/b\n")
    assert cores.usable_memory_gb() == 8
    machine(64, {"memory/memory.limit_in_bytes": str(2 * GB)}, "4:memory:/\n")
    assert cores.usable_memory_gb() == 2


@pytest.mark.parametrize(
    ("workers", "memory_gb", "expected"), [(1, 4, 16), (1, 0.5, 2), (1, 1, 4), (8, 4, 16), (64, 4, 3)]
)
def test_threads_are_bounded_by_memory_too(machine, workers, memory_gb, expected):
    machine(192)
    assert cores.threads_within(workers, memory_gb) == expected


def test_a_small_machine_has_one_thread_a_worker(machine):
    machine(2)
    assert cores.threads_within(1, 4) == 2 and cores.threads_within(8, 4) == 1


def test_a_run_asks_for_them(machine, tmp_path):
    from app.commands.run import RunRequest

    machine(192)
    request = RunRequest.from_options((), out=Path(tmp_path), model="x", memory_gb=1.0, workers=2)
    assert request.how.threads == 4


@pytest.mark.parametrize(
    ("count", "slides", "memory_gb", "workers", "threads"),
    [
        (2, 1, 4, 1, 2),  # one slide has all the cores
        (2, 2, 4, 2, 2),
        (2, 200, 4, 3, 2),  # one more than both cores: a slide that is opened or stored leaves a core idle
        (1, 200, 4, 2, 1),
        (8, 200, 4, 6, 2),
        (8, 3, 4, 3, 3),
        (32, 200, 4, 16, 2),  # as many as 64 GB hold
        (32, 200, 64, 1, 32),
        (32, 200, 100, 1, 32),
        (4, 0, 4, 1, 4),
    ],
)
def test_a_crew_is_as_large_as_slides_cores_and_memory_let_it(machine, count, slides, memory_gb, workers, threads):
    machine(count)
    assert cores.crew_for(slides, memory_gb) == cores.Crew(workers, threads)


def test_a_crew_keeps_to_its_quota(machine):
    machine(64, {"cpu.max": "200000 100000\n", "memory.max": str(9 * GB)})
    assert cores.crew_for(1000, 4.0) == cores.Crew(2, 2)
