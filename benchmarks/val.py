"""How much of ``yolo-edge val`` is neither the engine nor image decoding, average precision included.

    python benchmarks/val.py DATA BUNDLE... [--imgsz 640,320] [--repetitions 5] [--out FILE]

Runs the real command: every bundle in every engine it has at every size, and all of it again for each
repetition. ``overhead`` is what the command says of itself: the share of wall time in which neither the
engine was at work nor an image was being decoded. Where stages overlap a share can look better than the work
is, so each run is followed by a bare loop over the same images, whose time is that of decoding and of the
engine alone, one after the other: ``val/bare`` below 1.05 is at most 5 % on top of these.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from pairs import describe_machine, paired_ratio, summary

from yolo_edge import load_bundle

BARE = """
import sys, time
from yolo_edge import Detector
from yolo_edge.sources.images import read_image
from yolo_edge.datasets import open_dataset

data, bundle, engine, size = sys.argv[1:]
spent = 0.0
with Detector(bundle, engine=engine, imgsz=int(size)) as detector:
    for image in open_dataset(data, detector.bundle.names).images:
        started = time.perf_counter()
        pixels = read_image(image.path)
        spent += time.perf_counter() - started
        times = detector.detect(pixels).times
        spent += times.engine_to_s - times.engine_from_s
print(spent)
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("bundles", type=Path, nargs="+")
    parser.add_argument("--imgsz", default="640,320", help="sizes, separated by commas (640,320)")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    args = parser.parse_args()
    cases = [
        (bundle, engine, size)
        for size in args.imgsz.split(",")
        for bundle in args.bundles
        for engine in sorted({target.engine for target in load_bundle(bundle).targets})
    ]
    versions = ("onnxruntime", "ncnn", "numpy", "opencv-python-headless", "pycocotools")
    report = {"machine": describe_machine(*versions), "data": str(args.data)}
    runs: dict[tuple, list[tuple[dict, float, float]]] = {case: [] for case in cases}
    for _ in range(args.repetitions):
        for case in cases:
            runs[case].append((measure(args.data, *case), bare_s(args.data, *case), os.getloadavg()[0]))
        report["machine"]["load_1_min_during"] = summary([load for run in runs.values() for *_, load in run])
        report["rows"] = [row(case, run) for case, run in runs.items()]
        if args.out:  # each time: a long measurement may be broken off
            args.out.write_text(json.dumps(report, indent=1) + "\n")
    print_table(report)


def print_table(report: dict) -> None:
    print("machine:", json.dumps(report["machine"]))
    print(
        f"{'bundle':14} {'engine':12} {'size':>4} {'CPUs':>5} {'AP':>7} {'runs':>4} {'images/s':>8} "
        f"{'AP step ms':>10}  {'overhead median [min, max]':27} val/bare [95 %]"
    )
    for line in report["rows"]:
        share, ratio = line["overhead"], line["val_over_bare"]
        low, high = ratio["interval_95"]
        print(
            f"{line['bundle']:14} {line['engine']:12} {line['imgsz']:>4} {line['cpus']:>5} {line['ap']:7.4f} "
            f"{share['count']:>4} {line['images_per_second']['median']:8.1f} "
            f"{line['average_precision_ms']['median']:10.1f}  "
            + f"{share['median']:.1%} [{share['min']:.1%}, {share['max']:.1%}]".ljust(27)
            + f" {ratio['median']:.2f} [{low:.2f}, {high:.2f}]"
        )


def measure(data: Path, bundle: Path, engine: str, size: str) -> dict:
    """What the command reports."""
    program = Path(sys.executable).with_name("yolo-edge")
    flags = ["--model", bundle, "--engine", engine, "--imgsz", size, "--quiet", "--json", "-"]
    return json.loads(_output([program, "val", data, *flags]))


def bare_s(data: Path, bundle: Path, engine: str, size: str) -> float:
    """Seconds of image decoding and of the engine alone, one image after the other."""
    return float(_output([sys.executable, "-c", BARE, data, bundle, engine, size]))


def row(case: tuple[Path, str, str], run: list[tuple[dict, float, float]]) -> dict:
    bundle, engine, size = case
    times = [report["times"] for report, *_ in run]
    return {
        "bundle": bundle.name,
        "engine": engine,
        "imgsz": int(size),
        "threads": run[0][0]["model"]["threads"],
        "cpus": run[0][0]["model"]["cpus"],
        "ap": run[0][0]["figures"]["ap"],
        "images": times[0]["images"],
        "images_per_second": summary([t["images_per_second"] for t in times]),
        "total_s": summary([t["total_s"] for t in times]),
        "average_precision_ms": summary([t["average_precision_s"] * 1e3 for t in times]),
        "overhead": summary([t["overhead"] for t in times]),
        "bare_s": summary([bare for _, bare, _ in run]),
        "val_over_bare": paired_ratio([t["total_s"] for t in times], [bare for _, bare, _ in run]),
    }


def _output(command: list[object]) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]} ended with exit code {done.returncode}: {done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
