"""What curves and confusion matrix add to an evaluation, in interleaved pairs.

    python benchmarks/val_curves.py DATA BUNDLE [--engine onnxruntime] [--imgsz 320] [--pairs 30]

With and without what the confusion matrix keeps of each image while the engine works, and the time that
curves and matrix take after the last image, when they are asked for.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from pairs import describe_machine, paired_ratio, summary

from yolo_edge import Detector
from yolo_edge.datasets import open_dataset
from yolo_edge.val import evaluate
from yolo_edge.val.confusion import ConfusionCounter


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--imgsz", type=int, default=320)
    parser.add_argument("--pairs", type=int, default=30)
    args = parser.parse_args()
    keep = ConfusionCounter.add
    total_s: dict[bool, list[float]] = {True: [], False: []}
    overhead, after_s = [], []
    with Detector(args.bundle, engine=args.engine, imgsz=args.imgsz) as detector:
        dataset = open_dataset(args.data, detector.bundle.names)
        evaluate(detector, dataset)
        for number in range(args.pairs):
            for kept in ((True, False), (False, True))[number % 2]:
                ConfusionCounter.add = keep if kept else lambda counter, image: None
                evaluation = evaluate(detector, dataset)
                total_s[kept].append(evaluation.times.total_s)
                if kept:
                    overhead.append(evaluation.times.overhead)
                    after_s.append(seconds_of_curves(evaluation))
    report = {
        "machine": describe_machine("onnxruntime", "ncnn", "numpy", "pycocotools"),
        "images": len(dataset.images),
        "boxes": evaluation.detections,
        "total_s": summary(total_s[True]),
        "overhead": summary(overhead),
        "kept/not": paired_ratio(total_s[True], total_s[False]),
        "curves_and_matrix_s": summary(after_s),
    }
    for key, value in report.items():
        print(f"{key}: {json.dumps(value)}")


def seconds_of_curves(evaluation) -> float:
    started = time.perf_counter()
    evaluation.curves.best_f1()
    evaluation.confusion.most_confused(1)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
