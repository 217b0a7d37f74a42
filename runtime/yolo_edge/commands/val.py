"""Evaluate a bundle on a labelled dataset: average precision and recall as COCO defines them.

DATA is a folder in YOLO format (images/ and labels/), a dataset YAML as YOLOv5 has it, or a COCO annotation
file (.json) together with --images. The figures go to stdout as tables. Needs the extra [val].
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from yolo_edge.commands.arguments import (
    add_boxes,
    add_engine,
    add_model,
    add_network,
    bad_arguments,
    detector_arguments,
    shown_warnings,
    split_list,
)
from yolo_edge.commands.json_output import add_json, check_writable, put_report
from yolo_edge.val.options import EVALUATION_OPTIONS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``val``."""
    parser.add_argument("data", metavar="DATA", type=Path, help="folder, dataset YAML or COCO JSON")
    add_model(parser, positional=False)
    add_engine(parser, default="auto")
    dataset = parser.add_argument_group("dataset")
    dataset.add_argument(
        "--split", metavar="NAME", help="which part of the dataset: train, val or test (default: val)"
    )
    dataset.add_argument("--images", metavar="DIR", type=Path, help="the images of a COCO JSON file")
    dataset.add_argument(
        "--classes", metavar="LIST", help="class ids or names of the model to evaluate (default: all)"
    )
    add_network(parser)
    add_boxes(parser, EVALUATION_OPTIONS)
    outputs = parser.add_argument_group("outputs")
    add_json(outputs, "the tables")
    outputs.add_argument("--quiet", action="store_true", help="no progress, warnings and errors only")


def execute(args: argparse.Namespace) -> int:
    """Runs the command; returns 1 when an image failed."""
    # OpenCV prints about damaged files on its own; we report what matters, once.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "FATAL")
    import dataclasses

    from yolo_edge.bundle import load_bundle
    from yolo_edge.detector import Detector
    from yolo_edge.model_selection import find_model
    from yolo_edge.progress import Progress
    from yolo_edge.val.dataset import open_dataset
    from yolo_edge.val.evaluation import evaluate
    from yolo_edge.val.figures import require_pycocotools
    from yolo_edge.val.report import as_dict, as_text

    require_pycocotools()
    if args.json not in (None, "-"):
        check_writable(Path(args.json))
    progress = Progress(quiet=args.quiet)
    with bad_arguments(args), shown_warnings(args):
        options = dataclasses.replace(
            EVALUATION_OPTIONS, conf=args.conf, iou=args.iou, max_detections=args.max_detections
        )
        bundle = load_bundle(find_model(args.model))
        dataset = open_dataset(
            args.data,
            bundle.names,
            split=args.split,
            images=args.images,
            classes=split_list(args.classes),
        )
        detector = Detector(bundle, **detector_arguments(args))
    with detector:
        for warning in dataset.warnings:
            progress.message(f"warning: {dataset.path}: {warning}")
        if not args.quiet:
            progress.message(detector.describe())
        try:
            evaluation = evaluate(detector, dataset, options=options, progress=progress)
        finally:
            progress.clear()
        report = as_dict(evaluation, dataset, detector, options)
    put_report(args.json, report, as_text(evaluation, dataset))
    if args.json not in (None, "-") and not args.quiet:
        progress.message(f"wrote {args.json}")
    return 1 if evaluation.failures else 0
