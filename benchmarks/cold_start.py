"""How long one image takes from the start of the process, how much memory, and what --help costs.

Whole processes, in turn (A B A B ...), with the operating system's own accounting of each:

    python benchmarks/cold_start.py BUNDLE IMAGE [--pairs 30]

compares ``yolo-edge run BUNDLE IMAGE`` with a bare script that imports numpy, cv2 and onnxruntime and runs
the same model once, and ``yolo-edge --help`` with ``python -c pass``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from pairs import describe_machine, paired_ratio, summary

BARE = """
import sys
import numpy as np, cv2, onnxruntime
image = cv2.imread(sys.argv[2])
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
session.run(None, {"images": np.zeros((1, 3, 448, 640), np.float32)})
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    args = parser.parse_args()
    yolo_edge = str(Path(sys.executable).with_name("yolo-edge"))
    run = [yolo_edge, "run", "--model", str(args.bundle), "--engine", "onnxruntime", str(args.image)]
    bare = [sys.executable, "-c", BARE, str(args.bundle / "model.onnx"), str(args.image)]
    cases = {
        "one image": (run, bare),
        "--help": ([yolo_edge, "--help"], [sys.executable, "-c", "pass"]),
    }
    report = {"machine": describe_machine("numpy", "onnxruntime", "opencv-python-headless"), "cases": {}}
    for name, (ours, theirs) in cases.items():
        measured = [(_measure(ours), _measure(theirs)) for _ in range(args.pairs + 1)][1:]
        wall = [(a["wall_s"], b["wall_s"]) for a, b in measured]
        row = {
            "command": " ".join(["yolo-edge", *ours[1:]]),
            "wall_s": summary([a for a, _ in wall]),
            "peak_mb": summary([a["peak_mb"] for a, _ in measured]),
            "bare_wall_s": summary([b for _, b in wall]),
            "bare_peak_mb": summary([b["peak_mb"] for _, b in measured]),
            "wall_difference_s": summary([a - b for a, b in wall]),
            "wall_ratio": paired_ratio([a for a, _ in wall], [b for _, b in wall]),
        }
        report["cases"][name] = row
        print(
            f"{name}: wall {row['wall_s']['median']:.3f} s (bare {row['bare_wall_s']['median']:.3f} s, "
            f"difference {row['wall_difference_s']['median']:.3f} s), "
            f"peak {row['peak_mb']['median']:.0f} MB (bare {row['bare_peak_mb']['median']:.0f} MB)"
        )
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


def _measure(command: list[str]) -> dict[str, float]:
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with exit code {process.returncode}")
    return {"wall_s": wall, "peak_mb": usage.ru_maxrss * 1024 / 1e6}


if __name__ == "__main__":
    main()
