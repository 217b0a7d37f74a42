"""Evaluate a bundle on a labelled dataset: average precision and recall as COCO defines them.

DATA is a folder in YOLO format (images/ and labels/), a dataset YAML as YOLOv5 has it, or a COCO annotation
file (.json) together with --images. The figures go to stdout as tables. Needs the extra [val].

Several --model, and lists as in --engine onnxruntime,ncnn or --precision all, are compared side by side.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yolo_edge.commands.arguments import (
    add_boxes,
    add_engine,
    add_model,
    add_network,
    bad_arguments,
    chosen_model,
    detector_arguments,
    shown_warnings,
    split_list,
)
from yolo_edge.commands.json_output import add_json, check_outputs, put_report
from yolo_edge.val.options import EVALUATION_OPTIONS, ConfusionThresholds

if TYPE_CHECKING:
    from yolo_edge.datasets.dataset import Dataset
    from yolo_edge.options import DetectOptions
    from yolo_edge.progress import Progress
    from yolo_edge.val.configurations import Configuration


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``val``."""
    parser.add_argument("data", metavar="DATA", type=Path, help="folder, dataset YAML or COCO JSON")
    add_model(parser, positional=False, several=True)
    add_engine(parser, default="auto", more=", all, a list", several=True)
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
    thresholds = ConfusionThresholds()
    confusion = parser.add_argument_group("confusion matrix")
    confusion.add_argument(
        "--confusion-conf",
        type=float,
        metavar="X",
        default=thresholds.conf,
        help="confidence threshold of its boxes, 0..1 (default: %(default)s)",
    )
    confusion.add_argument(
        "--confusion-iou",
        type=float,
        metavar="X",
        default=thresholds.iou,
        help="IoU from which a box may belong to an object (default: %(default)s)",
    )
    outputs = parser.add_argument_group("outputs")
    add_json(outputs, "the tables")
    outputs.add_argument(
        "--plots",
        metavar="DIR",
        type=Path,
        help="charts as PNG: confusion matrix, curves, of several evaluations the comparison; extra [plot]",
    )
    outputs.add_argument("--quiet", action="store_true", help="no progress, warnings and errors only")


def execute(args: argparse.Namespace) -> int:
    """Runs the command; returns 1 when an image failed, or when nothing of several could be evaluated."""
    # OpenCV prints about damaged files on its own; we report what matters, once.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "FATAL")
    import dataclasses

    from yolo_edge.bundle import load_bundle
    from yolo_edge.datasets.dataset import open_dataset
    from yolo_edge.progress import Progress
    from yolo_edge.val.configurations import ALL, configurations, require_same_classes
    from yolo_edge.val.figures import require_pycocotools

    require_pycocotools()
    _check_outputs(args)
    progress = Progress(quiet=args.quiet)
    with bad_arguments(args), shown_warnings(args):
        options = dataclasses.replace(
            EVALUATION_OPTIONS, conf=args.conf, iou=args.iou, max_detections=args.max_detections
        )
        confusion = ConfusionThresholds(conf=args.confusion_conf, iou=args.confusion_iou)
        bundles = [load_bundle(chosen_model(model, quiet=args.quiet)) for model in args.model or [None]]
        engines = split_list(args.engine) or [args.engine]
        precisions = split_list(args.precision) or [args.precision]
        chosen = configurations(bundles, engines, precisions)
        require_same_classes(bundles)
        dataset = open_dataset(
            args.data,
            bundles[0].names,
            split=args.split,
            images=args.images,
            classes=split_list(args.classes),
        )
        for warning in dataset.warnings:
            progress.message(f"warning: {dataset.path}: {warning}")
    # What was written decides, so that the form of the output does not depend on what is installed.
    if len(bundles) > 1 or len(engines) > 1 or len(precisions) > 1 or ALL in (*engines, *precisions):
        return _compare(args, chosen, dataset, options, confusion, progress)
    return _evaluate(args, chosen[0], dataset, options, confusion, progress)


def _evaluate(
    args: argparse.Namespace,
    configuration: Configuration,
    dataset: Dataset,
    options: DetectOptions,
    confusion: ConfusionThresholds,
    progress: Progress,
) -> int:
    """One evaluation."""
    from yolo_edge.detector import Detector
    from yolo_edge.val.evaluation import evaluate
    from yolo_edge.val.report import as_dict, as_text

    with bad_arguments(args), shown_warnings(args):
        detector = Detector(configuration.bundle, **detector_arguments(args))
    with detector:
        progress.detail(detector.describe())
        try:
            evaluation = evaluate(detector, dataset, options=options, confusion=confusion, progress=progress)
        finally:
            progress.clear()
        report = as_dict(evaluation, dataset, detector, options)
    _put(args, report, as_text(evaluation, dataset), progress)
    if args.plots is not None:
        from yolo_edge.val.plots import plot_evaluation

        _tell(args, plot_evaluation(evaluation, args.plots, _subject(dataset, report)), progress)
    return 1 if evaluation.failures else 0


def _compare(
    args: argparse.Namespace,
    chosen: Sequence[Configuration],
    dataset: Dataset,
    options: DetectOptions,
    confusion: ConfusionThresholds,
    progress: Progress,
) -> int:
    """Several evaluations, side by side."""
    from yolo_edge.val.comparison_report import comparison_dict, comparison_text
    from yolo_edge.val.configurations import run_configurations

    with bad_arguments(args), shown_warnings(args):
        arguments = detector_arguments(args)
        del arguments["engine"], arguments["precision"]
        outcomes = list(run_configurations(chosen, dataset, options, confusion, arguments, progress))
        evaluated = [outcome.summary for outcome in outcomes if outcome.summary is not None]
        errors = {str(outcome.error): outcome.error for outcome in outcomes}
        if not evaluated and len(errors) == 1 and isinstance(outcomes[0].error, ValueError):
            raise outcomes[0].error  # of no one combination: --threads 0
    _put(args, comparison_dict(outcomes), comparison_text(outcomes, dataset), progress)
    if args.plots is not None and evaluated:
        from yolo_edge.val.comparison_plots import plot_comparison

        _tell(args, plot_comparison(outcomes, args.plots, _subject(dataset)), progress)
    return 1 if not evaluated or any(summary.failures for summary in evaluated) else 0


def _subject(dataset: Dataset, report: Mapping[str, Any] | None = None) -> str:
    """What was evaluated on what, in a line."""
    text = f"{dataset.path.name or dataset.path}, {len(dataset.images)} images"
    if report is None:
        return text
    model = report["model"]
    height, width = model["size_hw"]
    size = f"{height}" if height == width else f"{height}x{width}"
    return (
        f"{Path(model['bundle']).name} in {model['engine']} {model['compute']} at {size} "
        f"{model['letterbox']} on {text}"
    )


def _check_outputs(args: argparse.Namespace) -> None:
    """Fails before the work is done, not after it.

    Raises:
        SinkError: An output could not be written.
        MissingExtraError: ``--plots`` without matplotlib.
    """
    check_outputs(args.json)
    if args.plots is not None:
        from yolo_edge.packages import require_matplotlib
        from yolo_edge.sinks.files import OutputFolder

        require_matplotlib("--plots")
        OutputFolder(args.plots)


def _put(args: argparse.Namespace, report: dict[str, Any], text: str, progress: Progress) -> None:
    put_report(args.json, report, text)
    if args.json not in (None, "-"):
        progress.detail(f"wrote {args.json}")


def _tell(args: argparse.Namespace, files: Sequence[Path], progress: Progress) -> None:
    progress.detail(f"wrote {', '.join(file.name for file in files)} in {args.plots}")
