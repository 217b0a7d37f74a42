"""An evaluation as text for people and as plain data for JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from yolo_edge import __version__
from yolo_edge.datasets.dataset import Dataset
from yolo_edge.detector import Detector
from yolo_edge.engines import engine_class, native_version
from yolo_edge.options import DetectOptions
from yolo_edge.table import format_table
from yolo_edge.val.evaluation import Evaluation, EvaluationTimes
from yolo_edge.val.figures import Figures

_STAGES: Mapping[str, str] = {
    "decode_s": "image decoding",
    "letterbox_s": "letterbox",
    "inference_s": "inference",
    "postprocess_s": "decoding and NMS",
    "average_precision_s": "average precision",
}


def as_text(evaluation: Evaluation, dataset: Dataset) -> str:
    """Three tables: the figures, the classes, where the time went."""
    figures, times = evaluation.figures, evaluation.times
    counts = f"images: {times.images}, objects: {figures.objects}, classes: {len(figures.classes)}"
    if figures.crowds:
        counts += f", crowds, which do not count: {figures.crowds}"
    if evaluation.failures:
        counts += f", failed images, left out: {len(evaluation.failures)} of {len(dataset.images)}"
    overhead = (
        f"{times.images_per_second:.1f} images per second; {times.overhead:.1%} of the time neither was the "
        "engine at work nor an image being decoded"
    )
    return "\n\n".join(
        [
            f"{dataset.path}\n{counts}",
            _figures_table(figures),
            _classes_table(figures),
            _suggestion(evaluation),
            _times_table(times),
            overhead,
        ]
    )


def _suggestion(evaluation: Evaluation) -> str:
    """The confidence threshold with the best F1, in a line."""
    best = evaluation.curves.best_f1()
    if best is None:
        return "no confidence to suggest: no box is right at IoU 0.5"
    precision = "-" if best.precision is None else f"{best.precision:.2f}"
    return (
        f"best F1 {best.f1:.2f} at confidence {best.confidence:.2f} (precision {precision}, recall "
        f"{best.recall:.2f}; means over the classes at IoU 0.5)"
    )


def as_dict(
    evaluation: Evaluation, dataset: Dataset, detector: Detector, options: DetectOptions
) -> dict[str, Any]:
    """Everything of an evaluation, described in docs/val.md."""
    figures = dataclasses.asdict(evaluation.figures)
    classes = figures.pop("classes")
    times = evaluation.times
    bundle, target = detector.bundle, detector.target
    return {
        "dataset": {
            "path": str(dataset.path),
            "kind": dataset.kind,
            "split": dataset.split,
            "images": len(dataset.images),
            "images_without_objects": sum(1 for image in dataset.images if not len(image.objects)),
            "objects": dataset.object_count,
            "class_ids": list(dataset.class_ids),
            "warnings": list(dataset.warnings),
        },
        "model": {
            "bundle": str(bundle.path),
            "family": bundle.family,
            "classes": len(bundle.names),
            "engine": detector.engine,
            "weights": target.weights,
            "compute": detector.compute,
            "threads": detector.threads,
            "cpus": str(detector.cpus),
            "size_hw": list(detector.size_hw),
            "letterbox": detector.letterbox,
            "sha256": dict(target.sha256),
            "provenance": dict(bundle.provenance),
        },
        "options": dataclasses.asdict(options),
        "figures": figures,
        "classes": classes,
        "curves": evaluation.curves.as_dict(),
        "confusion": evaluation.confusion.as_dict(),
        "detections": evaluation.detections,
        "failures": list(evaluation.failures),
        "times": {
            **dataclasses.asdict(times),
            "loop_s": times.loop_s,
            "images_per_second": times.images_per_second,
            "overhead": times.overhead,
        },
        "versions": {
            "yolo_edge": __version__,
            "pycocotools": _version("pycocotools"),
            detector.engine: native_version(detector.engine)
            if detector.native
            else engine_class(detector.engine).version(),
        },
    }


def _figures_table(figures: Figures) -> str:
    rows = [
        ["AP@[.50:.95]", _number(figures.ap), "mean over classes and IoU thresholds"],
        ["AP@.50", _number(figures.ap50), ""],
        ["AP@.75", _number(figures.ap75), ""],
        ["AP small", _number(figures.ap_small), f"objects up to 32² pixels: {figures.objects_small}"],
        ["AP medium", _number(figures.ap_medium), f"between: {figures.objects_medium}"],
        ["AP large", _number(figures.ap_large), f"from 96² pixels: {figures.objects_large}"],
        ["AR@1", _number(figures.ar1), "one box an image and class"],
        ["AR@10", _number(figures.ar10), ""],
        ["AR@100", _number(figures.ar100), ""],
        ["AR small", _number(figures.ar_small), ""],
        ["AR medium", _number(figures.ar_medium), ""],
        ["AR large", _number(figures.ar_large), ""],
    ]
    return format_table(["figure", "value", "of"], rows)


def _classes_table(figures: Figures) -> str:
    rows = [
        [
            f"{row.class_id} {row.name}",
            str(row.images),
            str(row.objects),
            _number(row.ap),
            _number(row.ap50),
            _number(row.ap75),
            _number(row.ar100),
        ]
        for row in figures.classes
    ]
    return format_table(["class", "images", "objects", "AP@[.50:.95]", "AP@.50", "AP@.75", "AR@100"], rows)


def _times_table(times: EvaluationTimes) -> str:
    rows = []
    for field, text in _STAGES.items():
        seconds = getattr(times, field)
        share = seconds / times.total_s if times.total_s > 0 else 0.0
        rows.append([text, f"{seconds:.2f}", f"{seconds / max(1, times.images) * 1e3:.2f}", f"{share:.1%}"])
    total = times.total_s
    rows.append(
        ["together (stages overlap)", f"{total:.2f}", f"{total / max(1, times.images) * 1e3:.2f}", ""]
    )
    return format_table(["time", "seconds", "ms an image", "of the total"], rows)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
