from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import pytest
import sysfs
from profiles import damage_golden

from yolo_edge import EngineError, load_bundle
from yolo_edge._core import CpuTopology
from yolo_edge.checking import check_bundle
from yolo_edge.tuning.candidates import Candidate
from yolo_edge.tuning.measure import (
    Block,
    Subject,
    Verdict,
    frames_of_a_block,
    network_of,
    warm_up,
)
from yolo_edge.tuning.worker import failed_part

CPUS = str(CpuTopology.read().allowed)
PLAIN = Candidate("onnxruntime", False, "fp32", 1, CPUS)


def children() -> set[str]:
    """Processes of this one that are not waited for.

    Without multiprocessing's helper: another test may have started it, and it stays.
    """
    helper = str(resource_tracker._resource_tracker._pid)  # type: ignore[attr-defined]
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()) - {helper}


def test_frames_one_after_the_other(tiny_bundle: Path) -> None:
    looks: list[int] = []
    with Subject(PLAIN, network_of(load_bundle(tiny_bundle)), on_wait=lambda: looks.append(1)) as subject:
        assert looks, "loading takes longer than the time between two looks"
        assert subject.check() == Verdict(True, "")
        block = subject.run(4)
    assert block.frames == 4
    assert block.times_ms.keys() == {"pipeline", "letterbox", "inference", "postprocess", "engine"}
    for whole, *parts in zip(*(block.times_ms[s] for s in ("pipeline", "letterbox", "inference"))):
        assert whole >= sum(parts) > 0
    assert all(
        engine <= inference
        for engine, inference in zip(block.times_ms["engine"], block.times_ms["inference"])
    )
    assert block.wall_s * 1e3 >= sum(block.times_ms["pipeline"])
    assert block.cpu_s > 0
    assert children() == set()


def test_workers_overlap(tiny_bundle: Path) -> None:
    cpus = list(CpuTopology.read().allowed)
    workers = min(2, len(cpus))
    candidate = Candidate("onnxruntime", False, "fp32", 1, CPUS, workers=workers)
    with Subject(candidate, network_of(load_bundle(tiny_bundle))) as subject:
        block = subject.run(5, overlap=True)
    assert block.frames == 5 * workers
    assert len(block.times_ms["pipeline"]) == block.frames


def test_a_source_is_repeated(tiny_bundle: Path, clip: Path) -> None:
    network = network_of(load_bundle(tiny_bundle), (64, 64), "square", str(clip))
    with Subject(PLAIN, network) as subject:
        block = subject.run(30)
        assert subject.run(5, overlap=True).frames == 5
    assert len(block.times_ms["decode"]) == 30
    assert min(block.times_ms["decode"]) > 0


def test_a_source_that_breaks_off_is_an_error(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    network = network_of(load_bundle(tiny_bundle), source=str(tmp_path / "broken.jpg"))
    with Subject(PLAIN, network) as subject, pytest.raises(EngineError, match=r"broken\.jpg"):
        subject.run(2, overlap=True)


def test_energy_is_measured_where_there_are_counters(tiny_bundle: Path, tmp_path: Path) -> None:
    for name, text in (("name", "package-0"), ("energy_uj", "5"), ("max_energy_range_uj", "9")):
        sysfs.write(tmp_path, f"sys/class/powercap/intel-rapl:0/{name}", text)
    network = dataclasses.replace(network_of(load_bundle(tiny_bundle)), root=str(tmp_path))
    with Subject(PLAIN, network) as subject:
        assert subject.run(1).joules == 0.0


def test_a_check_that_fails(tiny_bundle: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_bundle, tmp_path / "copy.edge"))
    damage_golden(copy)
    with Subject(PLAIN, network_of(load_bundle(copy))) as subject:
        verdict = subject.check()
    assert not verdict.passed
    assert verdict.reason.startswith("check failed: 0.0% of ")
    assert verdict.reason.endswith(" boxes agree")


@pytest.mark.parametrize(
    ("change", "source", "text"),
    [
        pytest.param({"precision": "bf16"}, None, "has no precision 'bf16'", id="precision"),
        pytest.param({"cpus": "1023"}, None, "1023", id="CPU"),
        pytest.param({}, "none.mp4", "none.mp4: no such file", id="no source"),
        pytest.param({}, __file__, "does not open as a video", id="no video"),
    ],
)
def test_what_cannot_be_loaded(
    tiny_bundle: Path, change: dict[str, Any], source: str | None, text: str
) -> None:
    network = network_of(load_bundle(tiny_bundle), source=source)
    candidate = dataclasses.replace(PLAIN, **change)
    with pytest.raises(EngineError, match=text), Subject(candidate, network) as subject:
        subject.run(1)
    assert children() == set()


def test_an_engine_that_crashes(tiny_bundle: Path) -> None:
    with Subject(PLAIN, network_of(load_bundle(tiny_bundle))) as subject:
        (pid,) = children()
        os.kill(int(pid), signal.SIGSEGV)
        with pytest.raises(EngineError, match="its process was ended by signal 11"):
            subject.run(1)
    subject.close()  # again


def state_of(pid: str) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_nothing_runs_while_others_are_measured(tiny_bundle: Path) -> None:
    with Subject(PLAIN, network_of(load_bundle(tiny_bundle))) as subject:
        (pid,) = children()
        for _ in range(2):
            while state_of(pid) != "T":
                time.sleep(0.01)  # until the kernel has stopped it
            subject.run(1)


def test_it_ends_with_whoever_started_it(tiny_bundle: Path) -> None:
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from yolo_edge import load_bundle\n"
        "from yolo_edge.tuning.candidates import Candidate\n"
        "from yolo_edge.tuning.measure import Subject, network_of\n"
        f"subject = Subject(Candidate('onnxruntime', False, 'fp32', 1, {CPUS!r}),\n"
        f"                  network_of(load_bundle({str(tiny_bundle)!r})))\n"
        "print(Path(f'/proc/self/task/{os.getpid()}/children').read_text(), flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    pid = done.stdout.strip()
    for _ in range(1000):
        if not Path(f"/proc/{pid}").exists() or state_of(pid) == "Z":
            return
        time.sleep(0.01)  # until the kernel has ended it
    raise AssertionError(f"process {pid} is still there")


def test_a_size_that_does_not_fit(tiny_bundle: Path) -> None:
    with pytest.raises(ValueError, match="image size 100 is not a multiple"):
        network_of(load_bundle(tiny_bundle), (100, 100))


class Warming:
    """Stands for a subject whose frames take the given times, block by block."""

    def __init__(self, times: list[float]) -> None:
        self.times = times
        self.blocks = 0
        self.now = 0.0

    def run(self, frames: int, *, overlap: bool = False) -> Block:
        time_ms = self.times[min(self.blocks, len(self.times) - 1)]
        self.blocks += 1
        self.now += frames * time_ms / 1e3
        return Block(frames, 1.0, 1.0, {"pipeline": [time_ms] * frames})


@pytest.mark.parametrize(
    ("times", "limit_s", "blocks", "frame_ms"),
    [
        pytest.param([10.0], 10.0, 2, 10.0, id="steady at once"),
        pytest.param([40.0, 20.0, 10.0, 9.9], 10.0, 4, 9.9, id="gets faster"),
        pytest.param([10.0, 12.0], 10.0, 2, 12.0, id="gets slower"),
        pytest.param([float(90 - i) * 9 for i in range(80)], 3.0, 2, 801.0, id="never steady"),
    ],
)
def test_warm_up(times: list[float], limit_s: float, blocks: int, frame_ms: float) -> None:
    subject = Warming(times)
    clock: Callable[[], float] = lambda: subject.now  # noqa: E731
    assert warm_up(subject, limit_s=limit_s, clock=clock) == frame_ms  # type: ignore[arg-type]
    assert subject.blocks == blocks


@pytest.mark.parametrize(
    ("frame_ms", "frames"),
    [
        pytest.param(10.0, 30, id="some"),
        pytest.param(1000.0, 2, id="slow"),
        pytest.param(0.0, 200, id="no time at all"),
    ],
)
def test_frames_of_a_block(frame_ms: float, frames: int) -> None:
    assert frames_of_a_block(frame_ms, 0.3) == frames


def test_the_reason_names_only_what_failed(tiny_bundle: Path) -> None:
    """Of half-precision weights fewer boxes have to agree than of float32's."""
    passed = check_bundle(load_bundle(tiny_bundle), "onnxruntime", threads=1)
    half = dataclasses.replace(passed, weights="fp16", box_agreement=0.93, min_box_agreement=0.9)
    assert "boxes agree" not in failed_part(dataclasses.replace(half, max_head_error=9.0))
    assert "89.0% of " in failed_part(dataclasses.replace(half, box_agreement=0.89))
