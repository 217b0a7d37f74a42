"""How many engines a run takes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from yolo_edge.cpu_plan import plan_cpus

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def test_several_workers(yolo_edge: Command, tiny_bundle: Path, long_clip: Path) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    done = yolo_edge(
        *("run", "--model", tiny_bundle, "--workers", len(cpus), long_clip),
        *("--max-frames", 300, "--stats", "-", "--engine", "onnxruntime"),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == 300
    for cpu in cpus:
        assert f"1 threads on CPUs {cpu}," in done.stderr


@pytest.mark.parametrize(
    ("flags", "engines"),
    [
        pytest.param([], 2, id="nothing said"),
        pytest.param(["--workers", 1], 1, id="one asked for"),
        pytest.param(["--threads", 2], 1, id="threads chosen"),
        pytest.param(["--cluster", "all"], 1, id="a cluster chosen"),
        pytest.param(["--max-frames", 20], 1, id="few frames"),
    ],
)
def test_a_long_file_gets_two_engines(
    yolo_edge: Command, tiny_bundle: Path, long_clip: Path, flags: list[object], engines: int
) -> None:
    plan = plan_cpus()
    if plan.threads < 2 or plan.engine_cpus != plan.topology.allowed:
        engines = 1  # the engine leaves CPUs to the rest, or there is only one
    arguments = ["--engine", "onnxruntime", "--max-frames", 150, "--stats", "-", *flags]
    done = yolo_edge("run", "--model", tiny_bundle, long_clip, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(" engine onnxruntime fp32, ") == engines
    assert ("2 engines, as one would wait for its CPUs" in done.stderr) == (engines == 2)
    assert json.loads(done.stdout)["frames"] == (20 if 20 in flags else 150)
