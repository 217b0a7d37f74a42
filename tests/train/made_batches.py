"""Training batches with everything switched on, for tests."""

from __future__ import annotations

import numpy as np

from yolo_train.augment import Augmentation
from yolo_train.loading import TrainingBatches

STRONG = Augmentation(degrees=10, shear=3, perspective=0.0005, flipud=0.3, mosaic=0.7, mixup=0.5)


def batches_of(samples, **changed):
    options = {
        "batch": 4,
        "imgsz": 128,
        "augmentation": STRONG,
        "seed": 1,
        "workers": 0,
        "cache_mb": 10,
        **changed,
    }
    return TrainingBatches(samples, **options)


def assert_same(some, others):
    assert len(some) == len(others)
    for a, b in zip(some, others):
        assert np.array_equal(a.images, b.images)
        assert np.array_equal(a.targets, b.targets)
        assert np.array_equal(a.indices, b.indices)
