"""Two engines bound to one CPU each and used at once from two Python threads, against one alone.

    python benchmarks/two_engines.py BUNDLE [--pairs 30] [--out FILE]

An engine that holds Python's global lock while it computes gains nothing. Each sample is the frames per
second over a fixed number of frames; samples of one engine alone and of two at once are taken in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from pathlib import Path

import numpy as np
from pairs import describe_machine, paired_ratio, summary

from yolo_edge import Detector, _core, load_bundle


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--imgsz", type=int, default=320)
    parser.add_argument("--frames", type=int, default=10, help="frames of one sample")
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--out", type=Path, help="where the JSON goes")
    args = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise SystemExit("needs two CPUs")
    report = {"machine": describe_machine("onnxruntime", "ncnn", "numpy"), "engines": {}}
    image = np.random.default_rng(0).integers(0, 256, (576, 768, 3), dtype=np.uint8)
    engines = sorted({target.engine for target in load_bundle(args.bundle).targets})
    ways = [(name, native) for name in engines for native in (True, False)]
    for engine, native in ways:
        if native and engine not in _core.native_engines:
            continue
        options = {"engine": engine, "native": native, "threads": 1, "imgsz": args.imgsz}
        detectors = [Detector(args.bundle, affinity=str(cpu), **options) for cpu in cpus[:2]]
        samples = []
        for _ in range(args.pairs + 2):
            alone = frames_per_second(detectors[:1], image, args.frames)
            samples.append((alone, frames_per_second(detectors, image, args.frames)))
        one, two = [a for a, _ in samples[2:]], [b for _, b in samples[2:]]
        row = {"one_fps": summary(one), "two_fps": summary(two), "two_over_one": paired_ratio(two, one)}
        name = f"{engine} {'native' if native else 'package'}"
        report["engines"][name] = row
        ratio = row["two_over_one"]
        low, high = ratio["interval_95"]
        print(
            f"{name}: one {row['one_fps']['median']:.1f} fps, two {row['two_fps']['median']:.1f} fps, "
            f"ratio {ratio['median']:.2f} [{low:.2f}, {high:.2f}]"
        )
        for detector in detectors:
            detector.close()
    if args.out:
        args.out.write_text(json.dumps(report, indent=1) + "\n")


def frames_per_second(detectors: list[Detector], image: np.ndarray, frames: int) -> float:
    """Frames that all detectors together finish in a second, one thread for each."""

    def work(detector: Detector) -> None:
        for _ in range(frames):
            detector.detect(image)

    threads = [threading.Thread(target=work, args=[detector]) for detector in detectors]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return frames * len(detectors) / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
