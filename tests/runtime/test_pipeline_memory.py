"""The memory of a run does not grow."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "run_memory.py"


@pytest.mark.long
def test_two_streams_for_three_minutes(tiny_bundle: Path, clip: Path) -> None:
    command = [sys.executable, str(BENCHMARK), str(tiny_bundle), str(clip), "--minutes", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert abs(report["growth"]) <= 0.02
    frames = report["frames"]
    assert frames["first"] > 1000
    # In turn; one that has no frame ready when its turn comes loses it.
    assert abs(frames["first"] - frames["second"]) <= frames["first"] // 100


def test_it_wants_two_minutes_to_compare(tiny_bundle: Path, clip: Path) -> None:
    command = [sys.executable, str(BENCHMARK), str(tiny_bundle), str(clip), "--minutes", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "it must be at least 3" in done.stderr
