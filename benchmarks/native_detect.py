"""One native detect() against its own bare inference, and against the Detector over the ncnn package.

    python benchmarks/native_detect.py BUNDLE IMAGE [--imgsz 320] [--threads 2] [--pairs 30] [--out FILE]

The bare inference is the time that the C++ runtime spends in ncnn::Extractor, from creating one to
having the last head, measured inside the same call: what detect() takes beyond it is letterbox, hand-
over to the inference thread, decoding, NMS and the way to Python. Both Detectors live in a process each,
so that their worker threads do not meet, and take turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import cv2
from pairs import describe_machine, paired_ratio, summary

FRAMES = 10
"""Of one sample, which is their median."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--imgsz", type=int, default=320)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    parser.add_argument("--serve", choices=("native", "package"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        serve(args)
        return

    command = [sys.executable, __file__, args.bundle, args.image]
    command += ["--imgsz", args.imgsz, "--threads", args.threads]
    workers = {
        name: subprocess.Popen(
            [*map(str, command), "--serve", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in ("native", "package")
    }
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in workers}
    for _ in range(args.pairs + 2):
        for name, worker in workers.items():
            print("go", file=worker.stdin, flush=True)
            samples[name].append(json.loads(worker.stdout.readline()))
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
    native, package = samples["native"][2:], samples["package"][2:]
    detect = [sample["detect"] for sample in native]
    bare = [sample["engine"] for sample in native]
    through_package = [sample["detect"] for sample in package]
    report = {
        "machine": describe_machine("ncnn", "numpy"),
        "bundle": args.bundle.name,
        "image": args.image.name,
        "image_hw": cv2.imread(str(args.image)).shape[:2],
        "imgsz": args.imgsz,
        "threads": args.threads,
        "native_detect_ms": summary(detect),
        "bare_extractor_ms": summary(bare),
        "package_detect_ms": summary(through_package),
        "letterbox_ms": summary([sample["letterbox"] for sample in native]),
        "postprocess_ms": summary([sample["postprocess"] for sample in native]),
        "native_over_bare": paired_ratio(detect, bare),
        "package_over_native": paired_ratio(through_package, detect),
    }
    print("machine:", json.dumps(report["machine"]))
    print("image:", report["image"], *report["image_hw"])
    for name in [name for name in report if name.endswith("_ms")]:
        print(f"{name:20} {report[name]['median']:8.3f}  p95 {report[name]['p95']:8.3f}")
    for name in ("native_over_bare", "package_over_native"):
        low, high = report[name]["interval_95"]
        print(f"{name:20} {report[name]['median']:8.3f}  [{low:.3f}, {high:.3f}]")
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


def serve(args: argparse.Namespace) -> None:
    """Measures a sample for every line on stdin."""
    from yolo_edge import Detector

    image = cv2.imread(str(args.image))
    native = args.serve == "native"
    with Detector(
        args.bundle, engine="ncnn", native=native, imgsz=args.imgsz, threads=args.threads
    ) as detector:
        for _ in sys.stdin:
            runs = []
            for _ in range(FRAMES):
                started = time.perf_counter()
                times = detector.detect(image).times
                detect_ms = (time.perf_counter() - started) * 1e3
                engine_ms = (times.engine_to_s - times.engine_from_s) * 1e3
                runs.append((detect_ms, engine_ms, times.letterbox_ms, times.postprocess_ms))
            names = ("detect", "engine", "letterbox", "postprocess")
            medians = [statistics.median(values) for values in zip(*runs)]
            print(json.dumps(dict(zip(names, medians))), flush=True)


if __name__ == "__main__":
    main()
