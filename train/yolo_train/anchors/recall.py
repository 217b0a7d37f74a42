"""How well anchors fit object sizes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from yolo_train.anchors.options import ANCHOR_THRESHOLD

Sizes = npt.NDArray[np.float64]

_CHUNK = 50_000
"""Objects compared at once; bounds the memory."""


def best_possible_recall(
    sizes_px: npt.ArrayLike, anchors_px: npt.ArrayLike, threshold: float = ANCHOR_THRESHOLD
) -> tuple[float, float]:
    """The share of objects that training can match to an anchor, and how many anchors match one.

    Args:
        sizes_px: (n, 2): widths and heights of the objects in the network's input.
        anchors_px: (k, 2): those of the anchors.
        threshold: Largest ratio of sides at which an anchor matches, above 1.

    Returns:
        The recall, 0..1, and the mean number of matching anchors.

    Raises:
        ValueError: No objects, no anchors, or sizes that are not positive.

    Example:
        >>> best_possible_recall([[10, 10], [100, 100]], [[12, 12]])
        (0.5, 0.5)
    """
    found, matches, count = 0, 0, 0
    for ratios in _ratios(sizes_px, anchors_px):
        above = ratios > 1 / threshold
        found += int(above.any(0).sum())
        matches += int(above.sum())
        count += ratios.shape[1]
    return found / count, matches / count


def anchor_fitness(
    sizes_px: npt.ArrayLike, anchors_px: npt.ArrayLike, threshold: float = ANCHOR_THRESHOLD
) -> float:
    """The mean fit of each object's best anchor, 0..1: what YOLOv5's evolution maximises.

    The fit is the smaller ratio of the two sides (1 is equal); an object that no anchor matches counts as 0.

    Raises:
        ValueError: As :func:`best_possible_recall`.
    """
    total, count = 0.0, 0
    for ratios in _ratios(sizes_px, anchors_px):
        best = ratios.max(0)
        total += float(best[best > 1 / threshold].sum())
        count += len(best)
    return total / count


def _ratios(sizes_px: npt.ArrayLike, anchors_px: npt.ArrayLike) -> Iterator[Sizes]:
    """The worse ratio of the sides, 0..1, of each anchor (rows) and object, some objects at a time."""
    sizes, anchors = as_sizes(sizes_px, "objects"), as_sizes(anchors_px, "anchors")
    for start in range(0, len(sizes), _CHUNK):
        chunk = sizes[start : start + _CHUNK]
        wide, high = chunk[:, 0] / anchors[:, :1], chunk[:, 1] / anchors[:, 1:]
        yield np.minimum(np.minimum(wide, high), 1 / np.maximum(wide, high))


def as_sizes(sizes_px: npt.ArrayLike, what: str) -> Sizes:
    """Checks widths and heights.

    Raises:
        ValueError: None, of another shape, or not positive.
    """
    sizes = np.asarray(sizes_px, np.float64)
    if sizes.ndim != 2 or sizes.shape[1] != 2 or not len(sizes):
        raise ValueError(
            f"the sizes of {what} have shape {sizes.shape}; it must be (n, 2) with n of at least 1"
        )
    if not (np.isfinite(sizes).all() and (sizes > 0).all()):
        raise ValueError(f"sizes of {what} must be positive numbers of pixels; the least is {sizes.min():g}")
    return sizes
