from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import sysfs

from yolo_edge import _core, load_bundle
from yolo_edge.engines import engine_names
from yolo_edge.tuning.candidates import (
    Candidate,
    cpu_choices,
    not_installed,
    runtimes_of,
    thread_counts,
    worker_splits,
)

PLAIN = Candidate("onnxruntime", False, "fp32", 2, "0-3")


def hyper_threads(root: Path) -> Path:
    sysfs.machine(root, [sysfs.Cpu(max_khz=3_000_000, capacity=1024)] * 4)
    for cpu, siblings in enumerate(("0,2", "1,3", "0,2", "1,3")):
        sysfs.write_cpu(root, cpu, "topology/thread_siblings_list", siblings)
    return root


@pytest.mark.parametrize(
    ("machine", "allowed", "expected"),
    [
        pytest.param(sysfs.raspberry_pi_4, "0-3", [("all", "0-3")], id="one cluster"),
        pytest.param(sysfs.rk3588, "0-7", [("big", "4-7"), ("all", "0-7"), ("little", "0-3")], id="two"),
        pytest.param(sysfs.rk3588, "0-3", [("little", "0-3")], id="the big one is not allowed"),
        pytest.param(sysfs.rk3588, "2-5", [("big", "4-5"), ("all", "2-5"), ("little", "2-3")], id="parts"),
        pytest.param(
            sysfs.phone,
            "0-7",
            [("big", "7"), ("all", "0-7"), ("big and medium", "4-7"), ("medium", "4-6"), ("little", "0-3")],
            id="three",
        ),
        pytest.param(hyper_threads, "0-3", [("all", "0-3"), ("one of each core", "0-1")], id="threads"),
    ],
)
def test_cpus(
    machine: Callable[[Path], Path], allowed: str, expected: list[tuple[str, str]], tmp_path: Path
) -> None:
    topology = _core.CpuTopology.read(machine(tmp_path), allowed=_core.CpuSet(allowed))
    assert [(choice.name, str(choice.cpus)) for choice in cpu_choices(topology, tmp_path)] == expected


def test_a_cpu_may_be_left_to_the_rest(tmp_path: Path) -> None:
    board = sysfs.raspberry_pi_4(tmp_path)
    for allowed, last in (("0-3", ("all but one", "0-2")), ("3", ("all", "3"))):
        choices = cpu_choices(_core.CpuTopology.read(board, allowed=_core.CpuSet(allowed)), leave_one=True)
        assert (choices[-1].name, str(choices[-1].cpus)) == last
    board = sysfs.rk3588(tmp_path / "b")
    big = cpu_choices(_core.CpuTopology.read(board, allowed=_core.CpuSet("0-7")), board, leave_one=True)
    assert "all but one" not in [choice.name for choice in big]


@pytest.mark.parametrize(
    ("cpus", "quota", "threads", "splits"),
    [
        pytest.param(1, None, [1], [], id="one"),
        pytest.param(2, None, [2, 1], [(2, 1)], id="two"),
        pytest.param(4, None, [4, 3, 2, 1], [(4, 1), (2, 2)], id="four"),
        pytest.param(6, None, [6, 5, 4, 2, 1], [(6, 1), (3, 2)], id="six"),
        pytest.param(8, None, [8, 7, 4, 2, 1], [(8, 1), (4, 2), (2, 4)], id="eight"),
        pytest.param(8, 1.5, [2, 1], [(2, 1)], id="quota"),
        pytest.param(4, 0.2, [1], [], id="small quota"),
    ],
)
def test_threads(cpus: int, quota: float | None, threads: list[int], splits: list[tuple[int, int]]) -> None:
    assert thread_counts(cpus, quota) == threads
    assert worker_splits(cpus, quota) == splits


@pytest.mark.parametrize(
    ("cpus", "workers", "shares"),
    [
        pytest.param("0-3", 1, ["0-3"], id="one"),
        pytest.param("0-3", 4, ["0", "1", "2", "3"], id="each its own"),
        pytest.param("0-2,5,7", 2, ["0-1", "2,5,7"], id="uneven"),
    ],
)
def test_workers_share_the_cpus(cpus: str, workers: int, shares: list[str]) -> None:
    candidate = dataclasses.replace(PLAIN, cpus=cpus, workers=workers)
    assert [str(share) for share in candidate.shares()] == shares
    assert candidate.detector_arguments(workers - 1)["affinity"] == shares[-1]


def test_what_people_read() -> None:
    assert PLAIN.describe() == "onnxruntime fp32, 2 threads on CPUs 0-3"
    workers = Candidate("ncnn", True, "bf16", 1, "0-1", workers=2)
    assert workers.describe() == "ncnn (native) bf16, 1 thread on CPUs 0-1, 2 workers"


def test_simplicity() -> None:
    first, second = engine_names()[:2]
    ordered = [
        Candidate(first, True, "fp32", 1, "0-3"),
        Candidate(first, False, "fp32", 1, "0-3"),
        Candidate(second, True, "fp32", 1, "0-3"),
        Candidate(first, True, "bf16", 1, "0-3"),
        Candidate(first, True, "fp32", 2, "0-3"),
        Candidate(first, True, "fp32", 1, "0-3", workers=2),
    ]
    mixed = ordered[::-1]
    assert sorted(mixed, key=Candidate.simplicity) == ordered


def test_runtimes(tiny_bundle: Path) -> None:
    bundle = load_bundle(tiny_bundle)
    found = runtimes_of(bundle)
    assert {runtime.engine for runtime in found} == {target.engine for target in bundle.targets}
    assert all(runtime.precisions[0] == "fp32" for runtime in found)
    assert [runtime.engine for runtime in found] == sorted(
        (runtime.engine for runtime in found), key=engine_names().index
    )
    native = {runtime.engine for runtime in found if runtime.native}
    assert native == _core.native_engines.keys() & {target.engine for target in bundle.targets}
    assert [runtime.native for runtime in runtimes_of(bundle, ["onnxruntime"])] == [False]
    assert not_installed(bundle) == []
    with pytest.raises(ValueError, match="unknown engine 'nncn'; known engines: "):
        runtimes_of(bundle, ["nncn"])
