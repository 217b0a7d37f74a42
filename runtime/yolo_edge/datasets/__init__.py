"""Labelled datasets: YOLO folders and YAML files, COCO annotation files.

Importing this package imports neither numpy nor PyYAML; each name is loaded on first use.

Example:
    >>> from yolo_edge.datasets import open_dataset
    >>> dataset = open_dataset("data.yaml", ["person", "car"])          # doctest: +SKIP
    >>> dataset.object_count                                            # doctest: +SKIP
    471
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yolo_edge.errors import DatasetError
from yolo_edge.lazy_names import lazy_names

if TYPE_CHECKING:
    from yolo_edge.datasets.dataset import Dataset, open_dataset
    from yolo_edge.datasets.labels import LabelledImage, Objects

__all__ = ["SPLITS", "Dataset", "DatasetError", "LabelledImage", "Objects", "open_dataset"]

SPLITS = ("train", "val", "test")
"""Names of the parts that a dataset may have."""

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Dataset": "dataset",
        "LabelledImage": "labels",
        "Objects": "labels",
        "open_dataset": "dataset",
    },
)
