"""Letterbox against OpenCV and numpy: image to normalised planar float32, one thread on one CPU.

    python benchmarks/letterbox.py [--pairs 60] [--out benchmarks/results/letterbox.json]

The other side is what a script writes: cv2.resize, cv2.copyMakeBorder, transpose, astype(float32) / 255, with
new arrays each time. Most of its time goes into page faults of those arrays, so it is measured in two
processes: one as Python starts it, and one whose malloc keeps its memory (glibc's environment says so).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

WARM = {
    "MALLOC_MMAP_THRESHOLD_": "1000000000",
    "MALLOC_TRIM_THRESHOLD_": "1000000000",
    "MALLOC_TOP_PAD_": "67108864",
}
SIZES = [(720, 1280), (576, 768), (1080, 1920)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    parser.add_argument(
        "--here", action="store_true", help="measure in this process and write JSON to stdout"
    )
    args = parser.parse_args()
    if args.here:
        print(json.dumps(measure(args.pairs)))
        return

    from pairs import describe_machine

    command = [sys.executable, __file__, "--here", "--pairs", str(args.pairs)]
    report = {"machine": describe_machine("numpy", "opencv-python-headless")}
    print("machine:", json.dumps(report["machine"]))
    print(
        f"{'malloc':8} {'image':>10} {'ours ms':>9} {'p95':>7} {'theirs ms':>10} {'p95':>7}  "
        "times faster [95 %]"
    )
    for name, environment in (("default", {}), ("warm", WARM)):
        run = subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, check=True)
        report[name] = json.loads(run.stdout)
        for image, row in report[name].items():
            ours, theirs, ratio = row["ours_ms"], row["theirs_ms"], row["theirs_over_ours"]
            low, high = ratio["interval_95"]
            print(
                f"{name:8} {image:>10} {ours['median']:9.3f} {ours['p95']:7.3f} {theirs['median']:10.3f} "
                f"{theirs['p95']:7.3f}  {ratio['median']:.1f} [{low:.1f}, {high:.1f}]"
            )
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


def measure(pairs: int) -> dict[str, object]:
    import cv2
    import numpy as np
    from pairs import paired_ratio, summary, timed_in_turn

    from yolo_edge import _core

    cv2.setNumThreads(1)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    letterbox = _core.Letterbox()
    report = {}
    for height, width in SIZES:
        image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        geometry = _core.letterbox_geometry((height, width), size_hw=(640, 640), stride=32)
        tensor = np.empty((1, 3, *geometry.tensor_hw), np.float32)

        def ours(image=image, geometry=geometry, tensor=tensor):
            letterbox.run(image, geometry, tensor)
            return tensor

        def theirs(image=image, geometry=geometry):
            resized = cv2.resize(image, geometry.resized_hw[::-1], interpolation=cv2.INTER_LINEAR)
            top, left, bottom, right = geometry.padding
            canvas = cv2.copyMakeBorder(
                resized, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(114,) * 3
            )
            planes = np.ascontiguousarray(canvas.transpose(2, 0, 1)[::-1])
            return planes[None].astype(np.float32) / 255

        if not np.array_equal(ours(), theirs()):
            raise SystemExit("the two sides do not give the same numbers")
        a, b = timed_in_turn([ours, theirs], pairs, warmup=10)
        report[f"{width}x{height}"] = {
            "tensor_hw": geometry.tensor_hw,
            "ours_ms": summary(a),
            "theirs_ms": summary(b),
            "theirs_over_ours": paired_ratio(b, a),
        }
    return report


if __name__ == "__main__":
    main()
