"""One image: which boxes found overlap which objects. All that is kept of it for the figures."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from yolo_edge.detections import Detections

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]
ClassIds = npt.NDArray[np.int32]


@dataclass(frozen=True)
class ImageBoxes:
    """The marked objects of one image and what was found in it.

    Attributes:
        xyxy: float64 (n, 4): the objects, in pixels.
        class_id: int32 (n,).
        crowd: bool (n,): groups of objects; what is found in them is not counted.
        area_px: float64 (n,): decides whether an object is small, medium or large.
        found: Boxes found, in pixels of the same image.
    """

    xyxy: Floats
    class_id: ClassIds
    crowd: Flags
    area_px: Floats
    found: Detections


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
            # A box that fits exactly passes a threshold of 1, as in pycocotools.
            iou_thresholds=np.minimum(np.asarray(params.iouThrs, np.float64), 1 - 1e-10),
            recall_levels=np.asarray(params.recThrs, np.float64),
            area_ranges=np.asarray(params.areaRng, np.float64),
            limits=tuple(params.maxDets),
        )

    def in_range(self, area: Floats) -> Flags:
        """(A, n): the area lies in a range."""
        inside: Flags = (area >= self.area_ranges[:, :1]) & (area <= self.area_ranges[:, 1:])
        return inside


@dataclass(frozen=True)
class Objects:
    """What was marked, in columns: the number of the image, class, area in square pixels, crowd."""

    image: Indices
    class_id: ClassIds
    area: Floats
    crowd: Flags


@dataclass(frozen=True)
class Boxes:
    """What was found, in columns, by image, then class, then descending confidence.

    ``rank`` is the place of a box among those of its image and class, from 0.
    """

    class_id: ClassIds
    area: Floats
    score: Floats
    rank: Indices


@dataclass(frozen=True)
class Pairs:
    """Boxes and objects of one image and class that overlap enough for the lowest threshold, in columns.

    ``box`` ascends, and ``object`` does among the rows of one box; both are row numbers.
    """

    box: Indices
    object: Indices
    iou: Floats

    def __getitem__(self, chosen: npt.NDArray[Any]) -> Pairs:
        return Pairs(self.box[chosen], self.object[chosen], self.iou[chosen])


@dataclass(frozen=True)
class Comparison:
    """The objects and boxes of an image, or of many."""

    objects: Objects
    boxes: Boxes
    pairs: Pairs


_NO_PAIRS = Pairs(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))
_NOTHING = Comparison(
    Objects(np.empty(0, np.intp), np.empty(0, np.int32), np.empty(0), np.empty(0, np.bool_)),
    Boxes(np.empty(0, np.int32), np.empty(0), np.empty(0), np.empty(0, np.intp)),
    _NO_PAIRS,
)


def compare(image: ImageBoxes, parameters: Parameters) -> Comparison:
    """Finds the overlaps in an image; of each class it keeps as many boxes as the largest limit allows."""
    found = image.found
    order = np.lexsort((-found.confidence, found.class_id))
    class_id = found.class_id[order]
    changes = np.append(True, class_id[1:] != class_id[:-1])[: len(order)]
    rank = count_since(changes, np.ones(len(order), np.bool_)) - 1
    if len(order) > parameters.limits[-1]:
        kept = np.flatnonzero(rank < parameters.limits[-1])
        order, class_id, rank = order[kept], class_id[kept], rank[kept]
    boxes_xywh = _xywh(found.xyxy[order].astype(np.float64))
    pairs = _NO_PAIRS
    if len(order) and len(image.class_id):
        iou = importlib.import_module("pycocotools.mask").iou
        overlaps = iou(boxes_xywh, _xywh(image.xyxy), image.crowd.astype(np.uint8).tolist())
        same_class = class_id[:, None] == image.class_id
        box, index = np.nonzero((overlaps >= parameters.iou_thresholds[0]) & same_class)
        pairs = Pairs(box, index, overlaps[box, index])
    return Comparison(
        Objects(np.zeros(len(image.class_id), np.intp), image.class_id, image.area_px, image.crowd),
        Boxes(
            class_id,
            boxes_xywh[:, 2] * boxes_xywh[:, 3],
            found.confidence[order].astype(np.float64),
            rank,
        ),
        pairs,
    )


def join(images: Sequence[Comparison]) -> Comparison:
    """Puts images one after the other; rows are numbered anew."""
    images = [_NOTHING, *images]
    objects = [len(image.objects.class_id) for image in images]
    boxes = [len(image.boxes.class_id) for image in images]
    pairs = [len(image.pairs.box) for image in images]
    joined = _joined(Pairs, [image.pairs for image in images])
    return Comparison(
        Objects(
            np.repeat(np.arange(len(images)), objects),
            *_columns(Objects, [image.objects for image in images])[1:],
        ),
        _joined(Boxes, [image.boxes for image in images]),
        Pairs(
            joined.box + np.repeat(np.cumsum(boxes) - boxes, pairs),
            joined.object + np.repeat(np.cumsum(objects) - objects, pairs),
            joined.iou,
        ),
    )


def count_since(starts: Flags, flags: Flags) -> Indices:
    """How many flags are set from the last start up to and including each place; the first is a start."""
    total = np.cumsum(flags, dtype=np.intp)
    places = np.flatnonzero(starts)
    before = total[places] - flags[places]
    counted: Indices = total - np.repeat(before, np.diff(np.append(places, len(flags))))
    return counted


def _xywh(xyxy: Floats) -> Floats:
    """Left, top, width and height, as COCO has them."""
    return np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], 1)


Columns = TypeVar("Columns", Objects, Boxes, Pairs)


def _columns(kind: type[Columns], parts: Sequence[Columns]) -> list[npt.NDArray[Any]]:
    return [np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(kind)]


def _joined(kind: type[Columns], parts: Sequence[Columns]) -> Columns:
    return kind(*_columns(kind, parts))
