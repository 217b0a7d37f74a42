from __future__ import annotations

from pathlib import Path

import sysfs

from yolo_edge._core import CpuSet, CpuTopology
from yolo_edge.engines import installed_version
from yolo_edge.tuning.machine import Machine, engine_versions, read_machine


def read(root: Path, allowed: str) -> Machine:
    return read_machine(root, CpuTopology.read(root, allowed=CpuSet(allowed)))


def test_what_is_read(tmp_path: Path) -> None:
    machine = read(sysfs.rk3588(tmp_path), "0-7")
    assert machine.model == "unknown"
    assert machine.parts == ("0x41:0xd05", "0x41:0xd0b")
    assert machine.clusters == (("big", "4-7", 2_400_000), ("little", "0-3", 1_800_000))
    sysfs.write(tmp_path, "proc/device-tree/model", b"Orange Pi 5\0")
    assert read(tmp_path, "0-7").describe() == "Orange Pi 5, CPUs 0-7"
    sysfs.write(tmp_path, "proc/cpuinfo", "model name\t: Core\nmodel name\t: Core\n")
    (tmp_path / "proc/device-tree/model").unlink()
    assert read(tmp_path, "0-7").model == "Core"
    (tmp_path / "proc/cpuinfo").unlink()
    assert read(tmp_path, "0-7").parts == ()


def test_the_fingerprint_tells_machines_apart(tmp_path: Path) -> None:
    machines = [
        read(sysfs.rk3588(tmp_path / "rk3588"), "0-7"),
        read(tmp_path / "rk3588", "4-7"),
        read(sysfs.rk3399(tmp_path / "rk3399"), "0-5"),
        read(sysfs.raspberry_pi_4(tmp_path / "pi4"), "0-3"),
        read(sysfs.raspberry_pi_5(tmp_path / "pi5"), "0-3"),
    ]
    limited = sysfs.raspberry_pi_5(tmp_path / "limited")
    sysfs.cgroup_v2(limited, "150000 100000")
    machines.append(read(limited, "0-3"))
    assert len({machine.fingerprint for machine in machines}) == len(machines)
    assert read(tmp_path / "pi5", "0-3").fingerprint == machines[4].fingerprint


def test_this_machine() -> None:
    machine = read_machine()
    assert machine.fingerprint == read_machine().fingerprint
    assert machine.allowed_cpus in machine.describe()


def test_engine_versions() -> None:
    versions = engine_versions(["onnxruntime", "of a later version"])
    assert versions["of a later version"] == {"native": None, "package": None}
    assert versions["onnxruntime"]["package"] == installed_version("onnxruntime")
