"""Augmentation of training images: mosaic, mixup, random perspective, HSV and flips, with their boxes.

Importing this package imports neither numpy nor OpenCV; each name is loaded on first use.

Example:
    >>> from yolo_train.augment import Augmentation
    >>> Augmentation(mosaic=0.5).fliplr
    0.5
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yolo_edge.lazy_names import lazy_names

if TYPE_CHECKING:
    from yolo_train.augment.augmentation import Augmentation
    from yolo_train.augment.placement import Placement, letterboxed, mosaic_of
    from yolo_train.augment.warp import random_warp

__all__ = ["Augmentation", "Placement", "letterboxed", "mosaic_of", "random_warp"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Augmentation": "augmentation",
        "Placement": "placement",
        "letterboxed": "placement",
        "mosaic_of": "placement",
        "random_warp": "warp",
    },
)
