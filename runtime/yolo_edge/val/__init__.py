"""Evaluation of a bundle on a labelled dataset; needs the extra ``[val]``.

Importing this package imports neither numpy nor pycocotools; each name is loaded on first use.

Example:
    >>> from yolo_edge import Detector
    >>> from yolo_edge.datasets import open_dataset
    >>> from yolo_edge.val import evaluate
    >>> with Detector("best.edge") as detector:                          # doctest: +SKIP
    ...     dataset = open_dataset("data.yaml", detector.bundle.names)
    ...     print(evaluate(detector, dataset).figures.ap)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yolo_edge.lazy_names import lazy_names

if TYPE_CHECKING:
    from yolo_edge.val.comparison import ImageBoxes
    from yolo_edge.val.confidence_curves import ConfidenceCurves, OperatingPoint
    from yolo_edge.val.confusion import Confusion, ConfusionMatrix
    from yolo_edge.val.evaluation import Evaluation, EvaluationTimes, evaluate
    from yolo_edge.val.figures import ClassFigures, Figures, average_precision
    from yolo_edge.val.options import EVALUATION_OPTIONS, ConfusionThresholds

__all__ = [
    "EVALUATION_OPTIONS",
    "ClassFigures",
    "ConfidenceCurves",
    "Confusion",
    "ConfusionMatrix",
    "ConfusionThresholds",
    "Evaluation",
    "EvaluationTimes",
    "Figures",
    "ImageBoxes",
    "OperatingPoint",
    "average_precision",
    "evaluate",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "EVALUATION_OPTIONS": "options",
        "ClassFigures": "figures",
        "ConfidenceCurves": "confidence_curves",
        "Confusion": "confusion",
        "ConfusionMatrix": "confusion",
        "ConfusionThresholds": "options",
        "Evaluation": "evaluation",
        "EvaluationTimes": "evaluation",
        "Figures": "figures",
        "ImageBoxes": "comparison",
        "OperatingPoint": "confidence_curves",
        "average_precision": "figures",
        "evaluate": "evaluation",
    },
)
