"""Which boxes found are right: what pycocotools' ``COCOeval.evaluate`` does, for all classes at once.

Parameters and IoU are pycocotools'. Its loops visit every box at every threshold and size of object; here
most objects are compared with the boxes that touch them in arrays, and only boxes that touch several objects,
and those in crowds, are looked at one by one. The tests compare the figures with COCOeval's.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]


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

    def in_range(self, area: Floats) -> Flags:
        """(A, n): the area lies in a range."""
        inside: Flags = (area >= self.area_ranges[:, :1]) & (area <= self.area_ranges[:, 1:])
        return inside


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

    image: Indices
    class_id: npt.NDArray[np.int32]
    xyxy: Floats
    area: Floats
    crowd: Flags
    score: Floats

    def __getitem__(self, chosen: npt.NDArray[Any]) -> Boxes:
        columns = (self.image, self.class_id, self.xyxy, self.area, self.crowd, self.score)
        return Boxes(*(column[chosen] for column in columns))

    @property
    def xywh(self) -> Floats:
        """Left, top, width and height, as COCO has them."""
        return np.concatenate([self.xyxy[:, :2], self.xyxy[:, 2:] - self.xyxy[:, :2]], 1)


@dataclass(frozen=True)
class Matches:
    """Boxes that got an object: one row for each range of sizes and each threshold at which they did.

    Attributes:
        box: (m,) row of the box.
        size: (m,) 0 … A-1.
        threshold: (m,) 0 … T-1.
        right: (m,) the object counts at this size; if not, the box counts neither as right nor as wrong.
    """

    box: Indices
    size: Indices
    threshold: Indices
    right: Flags


@dataclass(frozen=True)
class _Pairs:
    """Boxes and objects of one image and class that overlap enough for the lowest threshold."""

    box: Indices
    """Ascending."""
    object: Indices
    """Ascending among those of one box."""
    iou: Floats

    def __getitem__(self, chosen: npt.NDArray[Any]) -> _Pairs:
        return _Pairs(self.box[chosen], self.object[chosen], self.iou[chosen])


def match(objects: Boxes, counting: Flags, found: Boxes, parameters: Parameters) -> Matches:
    """Gives each box the best object that is still free.

    Args:
        objects: What was marked.
        counting: (A, objects): an object counts at a size. Boxes prefer such objects to others.
        found: Sorted by image, then class, then descending confidence.
        parameters: Thresholds.
    """
    thresholds = np.minimum(parameters.iou_thresholds, 1 - 1e-10)
    pairs = _touching(objects, found, thresholds[0])
    objects_of_box = np.bincount(pairs.box, minlength=len(found.image))
    contested = objects.crowd.copy()
    contested[pairs.object[objects_of_box[pairs.box] > 1]] = True
    one_by_one = contested[pairs.object]
    parts = [
        _match_uncontested(pairs[~one_by_one], counting, thresholds),
        *_match_contested(pairs[one_by_one], objects.crowd, counting, thresholds),
    ]
    box, size, threshold, right = (np.concatenate(column) for column in zip(*parts))
    return Matches(box, size, threshold, right)


_Rows = tuple[Indices, Indices, Indices, Flags]
"""Columns of Matches."""


def _touching(objects: Boxes, found: Boxes, least: float) -> _Pairs:
    iou = importlib.import_module("pycocotools.mask").iou
    object_xywh, found_xywh = objects.xywh, found.xywh
    images, starts = np.unique(objects.image, return_index=True)
    ends = np.append(starts[1:], len(objects.image))
    firsts = np.searchsorted(found.image, images, side="left")
    lasts = np.searchsorted(found.image, images, side="right")
    parts = [(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))]
    for start, end, first, last in zip(starts.tolist(), ends.tolist(), firsts.tolist(), lasts.tolist()):
        if first == last:
            continue
        crowd = objects.crowd[start:end].astype(np.uint8).tolist()
        overlaps = iou(found_xywh[first:last], object_xywh[start:end], crowd)
        same_class = found.class_id[first:last, None] == objects.class_id[start:end]
        box, index = np.nonzero((overlaps >= least) & same_class)
        parts.append((box + first, index + start, overlaps[box, index]))
    return _Pairs(*(np.concatenate(column) for column in zip(*parts)))


def _match_uncontested(pairs: _Pairs, counting: Flags, thresholds: Floats) -> _Rows:
    """Each box touches one object only, so that an object goes to the first box that overlaps enough."""
    pairs = pairs[np.argsort(pairs.object, kind="stable")]
    firsts, levels = [], []
    for number, threshold in enumerate(thresholds):
        enough = np.flatnonzero(pairs.iou >= threshold)
        objects = pairs.object[enough]
        first = enough[np.append(True, objects[1:] != objects[:-1])[: len(enough)]]
        firsts.append(first)
        levels.append(np.full(len(first), number))
    chosen, level = np.concatenate(firsts), np.concatenate(levels)
    sizes = len(counting)
    return (
        np.tile(pairs.box[chosen], sizes),
        np.repeat(np.arange(sizes), len(chosen)),
        np.tile(level, sizes),
        counting[:, pairs.object[chosen]].ravel(),
    )


def _match_contested(pairs: _Pairs, crowd: Flags, counting: Flags, thresholds: Floats) -> Iterator[_Rows]:
    """Box after box: objects that count go before others, then the larger overlap."""
    objects, index = np.unique(pairs.object, return_inverse=True)
    crowd, preferred = crowd[objects], counting[:, None, objects]
    # (A, T, objects): no box has it yet.
    free = np.ones((len(counting), len(thresholds), len(objects)), np.bool_)
    boxes, starts = np.unique(pairs.box, return_index=True)
    ends = np.append(starts[1:], len(pairs.box))
    for box, start, end in zip(boxes.tolist(), starts.tolist(), ends.tolist()):
        touched, overlaps = index[start:end], pairs.iou[start:end]
        possible = free[..., touched] & (overlaps >= thresholds[:, None])
        better = possible & preferred[..., touched]
        right: Flags = np.any(better, axis=2)
        candidates = np.where(right[..., None], better, possible)
        # Of equal overlaps the last wins, as in pycocotools.
        value = np.where(candidates, overlaps, -1.0)[..., ::-1]
        best = touched[len(touched) - 1 - value.argmax(axis=2)]
        size, level = np.nonzero(candidates.any(axis=2))
        chosen = best[size, level]
        # A crowd has room for any number of boxes.
        free[size, level, chosen] = crowd[chosen]
        yield np.full(len(size), box), size, level, right[size, level]
