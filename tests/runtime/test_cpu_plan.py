from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sysfs
from runtimes import RUNTIMES, runtime_options

from yolo_edge import Detector
from yolo_edge._core import CpuSet, CpuTopology
from yolo_edge.cpu_plan import plan_cpus, plan_workers, workers_for_files

Command = Callable[..., "subprocess.CompletedProcess[str]"]
ALLOWED = sorted(os.sched_getaffinity(0))


def _rk3588(root: Path, allowed: str = "0-7") -> CpuTopology:
    sysfs.machine(root, sysfs.RK3588)
    return CpuTopology.read(root, allowed=CpuSet(allowed))


def test_by_default_the_big_cores_compute_and_the_others_capture(tmp_path: Path) -> None:
    plan = plan_cpus(topology=_rk3588(tmp_path))
    assert (str(plan.engine_cpus), plan.threads, str(plan.other_cpus)) == ("4-7", 4, "0-3")
    assert plan.warning is None


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        pytest.param(sysfs.raspberry_pi_4, ("0-3", 4, "0-3"), id="Raspberry Pi 4"),
        pytest.param(sysfs.raspberry_pi_5, ("0-3", 4, "0-3"), id="Raspberry Pi 5"),
        pytest.param(sysfs.rk3399, ("4-5", 2, "0-3"), id="RK3399"),
        pytest.param(sysfs.phone, ("7", 1, "0-6"), id="phone"),
        pytest.param(sysfs.hybrid_x86, ("0-15", 16, "16-23"), id="hybrid x86"),
    ],
)
def test_defaults_on_known_machines(
    tmp_path: Path, make: Callable[[Path], Path], expected: tuple[object, ...]
) -> None:
    plan = plan_cpus(topology=CpuTopology.read(make(tmp_path), allowed=CpuSet("0-1023")))
    assert (str(plan.engine_cpus), plan.threads, str(plan.other_cpus)) == expected


@pytest.mark.parametrize(
    ("make", "allowed", "shares_workers", "workers"),
    [
        pytest.param(sysfs.raspberry_pi_4, "0-3", False, 2, id="every CPU"),
        pytest.param(sysfs.raspberry_pi_4, "0-3", True, 1, id="every CPU, one pool of threads"),
        pytest.param(sysfs.raspberry_pi_4, "2-3", True, 2, id="two CPUs, a thread each needs no pool"),
        pytest.param(sysfs.raspberry_pi_4, "3", False, 1, id="one CPU"),
        pytest.param(sysfs.rk3588, "0-7", False, 1, id="little cores are left"),
        pytest.param(sysfs.rk3588, "0-3", False, 2, id="only little cores"),
    ],
)
def test_files_take_two_engines_where_one_would_have_every_cpu(
    tmp_path: Path, make: Callable[[Path], Path], allowed: str, shares_workers: bool, workers: int
) -> None:
    plan = plan_cpus(topology=CpuTopology.read(make(tmp_path), allowed=CpuSet(allowed)))
    assert workers_for_files(plan, shares_workers=shares_workers) == workers


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param({"cluster": "little", "threads": 2}, ("0-3", 2, "4-7"), id="little"),
        pytest.param({"cluster": "all"}, ("0-7", 8, "0-7"), id="all, none left"),
        pytest.param({"affinity": "4,6"}, ("4,6", 2, "0-3,5,7"), id="list"),
        pytest.param({"affinity": "0xf0", "threads": 1}, ("4-7", 1, "0-3"), id="mask"),
    ],
)
def test_choices(tmp_path: Path, arguments: dict[str, object], expected: tuple[object, ...]) -> None:
    plan = plan_cpus(**arguments, topology=_rk3588(tmp_path))
    assert (str(plan.engine_cpus), plan.threads, str(plan.other_cpus)) == expected


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param({"cluster": "medium"}, "medium", id="tier that is lacking"),
        pytest.param({"cluster": "huge"}, "huge", id="no such name"),
        pytest.param({"affinity": "6-9"}, "8-9", id="not there"),
        pytest.param({"affinity": "x"}, "x", id="no list"),
        pytest.param({"affinity": "1", "cluster": "big"}, "both cluster big and affinity 1", id="both"),
        pytest.param({"threads": 0}, "threads is 0", id="no threads"),
    ],
)
def test_refuses(tmp_path: Path, arguments: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        plan_cpus(**arguments, topology=_rk3588(tmp_path))


@pytest.mark.parametrize(
    ("workers", "arguments", "expected"),
    [
        pytest.param(1, {}, [("4-7", 4)], id="one has all"),
        pytest.param(2, {}, [("4-5", 2), ("6-7", 2)], id="halves"),
        pytest.param(3, {}, [("4", 1), ("5", 1), ("6-7", 2)], id="as even as it goes"),
        pytest.param(4, {}, [(str(cpu), 1) for cpu in range(4, 8)], id="one CPU each"),
        pytest.param(2, {"affinity": "1,3,6"}, [("1", 1), ("3,6", 2)], id="of a list"),
        pytest.param(2, {"cluster": "little", "threads": 1}, [("0-1", 1), ("2-3", 1)], id="fewer threads"),
    ],
)
def test_workers_share_the_engine_s_cpus(
    tmp_path: Path, workers: int, arguments: dict[str, object], expected: list[tuple[str, int]]
) -> None:
    plan = plan_cpus(**arguments, topology=_rk3588(tmp_path))
    plans = plan_workers(plan, workers, arguments.get("threads"))
    assert [(str(part.engine_cpus), part.threads) for part in plans] == expected
    assert all(part.other_cpus == plan.other_cpus for part in plans)


@pytest.mark.parametrize(
    ("workers", "text"),
    [
        pytest.param(0, "workers is 0", id="none"),
        pytest.param(
            5, r"5 workers on 4 CPUs \(4-7\): each needs a CPU of its own; give at most 4", id="many"
        ),
    ],
)
def test_workers_that_are_refused(tmp_path: Path, workers: int, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        plan_workers(plan_cpus(topology=_rk3588(tmp_path)), workers)


def test_workers_of_a_cpu_quota(tmp_path: Path) -> None:
    sysfs.machine(tmp_path, sysfs.RK3588)
    sysfs.cgroup_v2(tmp_path, "200000 100000")
    plans = plan_workers(plan_cpus(topology=CpuTopology.read(tmp_path, allowed=CpuSet("0-7"))), 2)
    assert [plan.threads for plan in plans] == [1, 1]


def test_more_threads_than_cpus_run_with_a_warning(tmp_path: Path, tiny_bundle: Path) -> None:
    plan = plan_cpus(threads=5, topology=_rk3588(tmp_path))
    assert plan.warning == "5 threads on 4 CPUs (4-7) wait for each other; fewer threads are faster"
    with pytest.warns(UserWarning, match="2 threads on 1 CPUs"):
        Detector(tiny_bundle, threads=2, affinity=str(ALLOWED[0])).close()


def test_a_cpu_quota_limits_the_threads(tmp_path: Path) -> None:
    sysfs.machine(tmp_path, sysfs.RK3588)
    sysfs.cgroup_v2(tmp_path, "150000 100000")
    assert plan_cpus(topology=CpuTopology.read(tmp_path, allowed=CpuSet("0-7"))).threads == 2


PROBE = """
import json, os, sys, threading, time
from pathlib import Path
import numpy as np
from yolo_edge import Detector

def tasks():
    return {int(path.name) for path in Path("/proc/self/task").iterdir()}

def cpus(tid):
    for line in Path(f"/proc/self/task/{tid}/status").read_text().splitlines():
        if line.startswith("Cpus_allowed_list"):
            return line.split(":")[1].strip()

bundle, affinity, engine, native = sys.argv[1:]
image = np.random.default_rng(0).integers(0, 255, (90, 160, 3), np.uint8)
before, mine = tasks(), os.sched_getaffinity(0)
made = []
options = {"engine": engine, "native": native == "True", "affinity": affinity, "threads": 2}
loader = threading.Thread(target=lambda: made.append(Detector(bundle, **options)))
loader.start(); loader.join()
detector = made[0]
user = threading.Thread(target=lambda: [detector.detect(image) for _ in range(20)])
user.start(); user.join()
detector.detect(image)
callers = {loader.native_id, user.native_id}  # joined, but the kernel may not have reaped them yet
report = {str(tid): cpus(tid) for tid in tasks() - before - callers}
started = time.process_time()
time.sleep(1.0)
idle = time.process_time() - started
print(json.dumps({
    "engine_threads": report, "bound": str(detector.cpus), "idle_s": idle,
    "mine_kept": os.sched_getaffinity(0) == mine,
}))
"""


@pytest.mark.skipif(len(ALLOWED) < 2, reason="needs two CPUs")
@pytest.mark.parametrize("name", RUNTIMES)
@pytest.mark.parametrize("which", [0, -1], ids=["first CPU", "last CPU"])
def test_every_engine_thread_keeps_to_the_set(tiny_bundle: Path, name: str, which: int) -> None:
    cpu = str(ALLOWED[which])
    program = [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        PROBE,
        str(tiny_bundle),
        cpu,
        *map(str, runtime_options(name).values()),
    ]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert len(report["engine_threads"]) >= 2, "the inference thread and a worker"
    assert set(report["engine_threads"].values()) == {cpu}
    assert report["bound"] == cpu
    assert report["mine_kept"]
    assert report["idle_s"] < 0.05, "an idle engine uses no CPU"


def test_commands(yolo_edge: Command, tiny_bundle: Path, scenes: Path) -> None:
    cpu = ALLOWED[-1]
    done = yolo_edge("run", "--model", tiny_bundle, "--affinity", cpu, "--threads", 1, scenes, "-v")
    assert done.returncode == 0, done.stderr
    assert f"1 threads on CPUs {cpu}," in done.stderr
    assert "sources are read on CPUs" in done.stderr
    done = yolo_edge("run", "--model", tiny_bundle, "--affinity", hex(1 << cpu), "--threads", 3, scenes)
    assert f"warning: 3 threads on 1 CPUs ({cpu}) wait for each other" in done.stderr
    for flags, text in (
        (["--affinity", "900"], "900"),
        (["--cluster", "huge"], "it must be 'all', 'big', 'medium' or 'little'"),
        (["--cluster", "big", "--affinity", "0"], "not allowed with argument --cluster"),
    ):
        done = yolo_edge("run", "--model", tiny_bundle, scenes, *flags)
        assert (done.returncode, done.stdout) == (2, "")
        assert text in done.stderr
    assert yolo_edge("check", tiny_bundle, "--cluster", "all").returncode == 0


def test_info_shows_the_machine(yolo_edge: Command, tmp_path: Path) -> None:
    machine = json.loads(yolo_edge("info", "--json", cwd=tmp_path).stdout)["machine"]
    assert machine["allowed_cpus"] == str(CpuSet(ALLOWED))
    assert machine["clusters"][0]["name"] in ("all", "big")
    assert machine["engine_threads"] >= 1
    text = yolo_edge("info", cwd=tmp_path).stdout
    assert "without flags an engine gets" in text
    assert "cameras are read on" in text
