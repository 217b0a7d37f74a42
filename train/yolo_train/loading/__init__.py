"""Batches of images for training and validation: image cache, workers, rectangular batches.

Importing this package imports neither numpy nor OpenCV; each name is loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yolo_edge.lazy_names import lazy_names

if TYPE_CHECKING:
    from yolo_train.loading.batch import Batch
    from yolo_train.loading.drawing import draw_batch
    from yolo_train.loading.image_cache import ImageCache
    from yolo_train.loading.training_batches import TrainingBatches
    from yolo_train.loading.validation_batches import ValidationBatches

__all__ = ["Batch", "ImageCache", "TrainingBatches", "ValidationBatches", "draw_batch"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Batch": "batch",
        "ImageCache": "image_cache",
        "TrainingBatches": "training_batches",
        "ValidationBatches": "validation_batches",
        "draw_batch": "drawing",
    },
)
