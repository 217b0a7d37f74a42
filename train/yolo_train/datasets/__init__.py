"""Datasets to train on: read, checked and described.

Importing the package imports neither numpy nor OpenCV; each name is loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yolo_edge.lazy_names import lazy_names

if TYPE_CHECKING:
    from yolo_train.datasets.scan import Scan, scan_dataset
    from yolo_train.datasets.training_dataset import TrainingDataset, open_training_dataset

__all__ = ["Scan", "TrainingDataset", "open_training_dataset", "scan_dataset"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Scan": "scan",
        "TrainingDataset": "training_dataset",
        "open_training_dataset": "training_dataset",
        "scan_dataset": "scan",
    },
)
