"""Which boxes of one class are right, and the precision and recall that follow.

This is what pycocotools' ``COCOeval.evaluate`` and ``accumulate`` do, with its parameters and its IoU, but in
arrays: all IoU thresholds and object sizes at once, and only boxes that touch an object are looked at one by
one. The tests compare its figures with COCOeval's, whose loops take a third of a fast model's evaluation.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Parameters:
    """What COCO measures at; the values are those of ``pycocotools.cocoeval.Params``."""

    iou_thresholds: Floats
    """(T,)"""
    recall_levels: Floats
    """(R,) where precision is sampled."""
    area_ranges: Floats
    """(A, 2) in square pixels: all, small, medium, large."""
    limits: tuple[int, ...]
    """Boxes allowed for an image and class, ascending."""

    @classmethod
    def of_coco(cls) -> Parameters:
        """COCO's parameters for boxes."""
        params: Any = importlib.import_module("pycocotools.cocoeval").Params(iouType="bbox")
        return cls(
            iou_thresholds=np.asarray(params.iouThrs, np.float64),
            recall_levels=np.asarray(params.recThrs, np.float64),
            area_ranges=np.asarray(params.areaRng, np.float64),
            limits=tuple(params.maxDets),
        )


@dataclass(frozen=True)
class Boxes:
    """Boxes of many images in columns, sorted by image.

    Attributes:
        image: (n,) number of the image, ascending.
        class_id: (n,).
        xyxy: (n, 4) in pixels.
        area: (n,) in square pixels.
        crowd: (n,) groups of objects; False for boxes found.
        score: (n,) confidence; 1 for objects.
    """

    image: npt.NDArray[np.intp]
    class_id: npt.NDArray[np.int32]
    xyxy: Floats
    area: Floats
    crowd: Flags
    score: Floats

    def __getitem__(self, chosen: npt.NDArray[Any]) -> Boxes:
        columns = (self.image, self.class_id, self.xyxy, self.area, self.crowd, self.score)
        return Boxes(*(column[chosen] for column in columns))

    def of_class(self, class_id: int) -> Boxes:
        """The boxes of one class."""
        return self[np.flatnonzero(self.class_id == class_id)]

    @property
    def xywh(self) -> Floats:
        """Left, top, width and height, as COCO has them."""
        return np.concatenate([self.xyxy[:, :2], self.xyxy[:, 2:] - self.xyxy[:, :2]], 1)


def precision_and_recall(objects: Boxes, found: Boxes, parameters: Parameters) -> tuple[Floats, Floats]:
    """Compares the boxes found of one class with its objects.

    Returns:
        Precision (T, R, A) at the largest limit, and recall (T, A, limits); -1 where there are no objects.
    """
    outside = _outside(objects.area, parameters.area_ranges) | objects.crowd
    found, rank = _best_of_each_image(found, parameters.limits[-1])
    right, ignored = _match(objects, outside, found, parameters)
    order = np.argsort(-found.score, kind="stable")
    right, ignored, rank = right[..., order], ignored[..., order], rank[order]

    counts = np.count_nonzero(~outside, axis=1).tolist()
    levels = parameters.recall_levels
    precision = np.full((len(parameters.iou_thresholds), len(levels), len(counts)), -1.0)
    recall = np.full((len(parameters.iou_thresholds), len(counts), len(parameters.limits)), -1.0)
    for a, count in enumerate(counts):
        if not count:
            continue
        for m, limit in enumerate(parameters.limits):
            recall[:, a, m] = np.count_nonzero(right[a][:, rank < limit], axis=1) / count
        precision[:, :, a] = _sample_precision(right[a], ignored[a], count, levels)
    return precision, recall


def _sample_precision(right: Flags, ignored: Flags, count: int, levels: Floats) -> Floats:
    """The best precision at or beyond each recall level, at each IoU threshold: (T, n) to (T, R).

    Only the places of right boxes can decide it: recall grows nowhere else, and precision peaks there.
    """
    rows, places = np.nonzero(right)
    # The how-manieth right box of its threshold, from 0.
    nth = np.arange(len(rows)) - np.searchsorted(rows, rows)
    true = nth + 1.0
    false = np.cumsum(~ignored, axis=1, dtype=np.int32)[rows, places] - true
    most = int(nth.max(initial=-1)) + 1
    precision = np.zeros((len(right), most + 1))
    precision[rows, nth] = true / (false + true + np.spacing(1))
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    # Recall after the first, second … right box is the same at every threshold; beyond the last it is zero.
    reached = np.searchsorted(np.arange(1, most + 1) / count, levels, side="left")
    sampled: Floats = best[:, reached]
    return sampled


def _outside(area: Floats, ranges: Floats) -> Flags:
    """(A, n): the area is outside a range."""
    return (area < ranges[:, :1]) | (area > ranges[:, 1:])


def _best_of_each_image(found: Boxes, limit: int) -> tuple[Boxes, npt.NDArray[np.intp]]:
    """The most confident boxes of each image in descending order, and the rank of each in its image."""
    found = found[np.lexsort((-found.score, found.image))]
    rank = np.arange(len(found.image)) - np.searchsorted(found.image, found.image)
    kept = np.flatnonzero(rank < limit)
    return found[kept], rank[kept]


def _match(objects: Boxes, outside: Flags, found: Boxes, parameters: Parameters) -> tuple[Flags, Flags]:
    """Gives each box the best object that is still free.

    Returns:
        (A, T, n) each: the box is right; the box does not count, as it is outside the range of sizes or on an
        object that is.
    """
    thresholds = np.minimum(parameters.iou_thresholds, 1 - 1e-10)
    shape = (len(parameters.area_ranges), len(thresholds), len(found.image))
    right = np.zeros(shape, np.bool_)
    ignored = np.repeat(_outside(found.area, parameters.area_ranges)[:, None], len(thresholds), axis=1)
    if not shape[2]:
        return right, ignored
    iou = importlib.import_module("pycocotools.mask").iou
    object_xywh, found_xywh = objects.xywh, found.xywh
    images, starts = np.unique(objects.image, return_index=True)
    ends = np.append(starts[1:], len(objects.image))
    firsts = np.searchsorted(found.image, images, side="left")
    lasts = np.searchsorted(found.image, images, side="right")
    for start, end, first, last in zip(starts.tolist(), ends.tolist(), firsts.tolist(), lasts.tolist()):
        if first == last:
            continue
        crowd = objects.crowd[start:end]
        overlaps = iou(found_xywh[first:last], object_xywh[start:end], crowd.astype(np.uint8).tolist())
        free = np.ones((shape[0], shape[1], end - start), np.bool_)
        preferred = ~outside[:, None, start:end]
        for d in np.flatnonzero(overlaps.max(axis=1) >= thresholds[0]).tolist():
            views = free, preferred, right[..., first + d], ignored[..., first + d]
            _match_box(overlaps[d], crowd, thresholds, *views)
    return right, ignored


def _match_box(
    overlaps: Floats,
    crowd: Flags,
    thresholds: Floats,
    free: Flags,
    preferred: Flags,
    right: Flags,
    ignored: Flags,
) -> None:
    """One box at all sizes and thresholds: objects that count go before others, then the larger overlap.

    Args:
        overlaps: (G,) IoU with each object of the image.
        crowd: (G,)
        thresholds: (T,)
        free: (A, T, G) objects that no box has yet; changed.
        preferred: (A, 1, G) objects that count.
        right: (A, T) changed where the box gets an object.
        ignored: (A, T) likewise.
    """
    touching = np.flatnonzero(overlaps >= thresholds[0])
    if len(touching) == 1 and not crowd[touching[0]]:
        only = touching[0]
        taken = free[..., only] & (overlaps[only] >= thresholds)
        free[..., only] &= ~taken
        np.copyto(right, preferred[..., only], where=taken)
        np.copyto(ignored, ~preferred[..., only], where=taken)
        return
    possible = free[..., touching] & (overlaps[touching] >= thresholds[:, None])
    counting = possible & preferred[..., touching]
    counts: Flags = np.any(counting, axis=2)
    candidates = np.where(counts[..., None], counting, possible)
    # Of equal overlaps the last wins, as in pycocotools.
    value = np.where(candidates, overlaps[touching], -1.0)[..., ::-1]
    best = touching[len(touching) - 1 - value.argmax(axis=2)]
    sizes, levels = np.nonzero(candidates.any(axis=2))
    chosen = best[sizes, levels]
    # A crowd has room for any number of boxes.
    free[sizes, levels, chosen] = crowd[chosen]
    right[sizes, levels] = counts[sizes, levels]
    ignored[sizes, levels] = ~counts[sizes, levels]
