from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from runtimes import RUNTIMES, runtime_options

PROBE = """
import sys
from pathlib import Path
import numpy as np
from yolo_edge import Detector

def resident_kb():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])

image = np.random.default_rng(0).integers(0, 255, (90, 160, 3), np.uint8)
with Detector(sys.argv[1], engine=sys.argv[2], native=sys.argv[3] == "True", threads=1, imgsz=64) as detector:
    for number in range(5000):
        if number == 500:
            early = resident_kb()
        detector.detect(image)
print(resident_kb() - early)
"""


@pytest.mark.parametrize("name", RUNTIMES)
def test_resident_memory_is_flat_over_5000_frames(tiny_bundle: Path, name: str) -> None:
    program = [sys.executable, "-c", PROBE, str(tiny_bundle), *map(str, runtime_options(name).values())]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    # One frame's tensor alone is 49 kB: a leak of any array of a frame would be 200 MB and more.
    assert int(done.stdout) < 2000, f"grew by {done.stdout} kB"
