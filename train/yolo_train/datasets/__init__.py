"""Datasets to train on: read, checked and described.

Importing the package imports neither numpy nor OpenCV; each name is loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yolo_edge.lazy_names import lazy_names

if TYPE_CHECKING:
    from yolo_train.datasets.card import write_card
    from yolo_train.datasets.report import DatasetReport, make_report
    from yolo_train.datasets.scan import Scan, scan_dataset
    from yolo_train.datasets.training_dataset import TrainingDataset, open_training_dataset

__all__ = [
    "DatasetReport",
    "Scan",
    "TrainingDataset",
    "make_report",
    "open_training_dataset",
    "scan_dataset",
    "write_card",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "DatasetReport": "report",
        "Scan": "scan",
        "TrainingDataset": "training_dataset",
        "make_report": "report",
        "open_training_dataset": "training_dataset",
        "scan_dataset": "scan",
        "write_card": "card",
    },
)
