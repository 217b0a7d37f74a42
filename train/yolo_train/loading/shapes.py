"""Rectangular batches for training: samples of like aspect ratio share a shape."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from yolo_edge.datasets import LabelledImage


def sort_by_aspect(samples: Sequence[LabelledImage]) -> npt.NDArray[np.int64]:
    """Indices of samples from the widest to the highest."""
    aspects = np.array([_aspect(sample) for sample in samples], np.float64)
    return np.argsort(aspects, kind="stable").astype(np.int64)


def shared_shape(samples: Sequence[LabelledImage], size_px: int, stride_px: int) -> tuple[int, int]:
    """The smallest shape in multiples of the stride for samples whose long side becomes ``size_px``."""
    aspects = [_aspect(sample) for sample in samples]
    high, wide = min(1.0, max(aspects)), min(1.0, 1 / min(aspects))
    return _up(high * size_px, stride_px), _up(wide * size_px, stride_px)


def _aspect(sample: LabelledImage) -> float:
    height, width = sample.known_size_hw
    return height / width


def _up(side: float, stride_px: int) -> int:
    # What is a multiple but for rounding stays one.
    return math.ceil(round(side / stride_px, 6)) * stride_px
