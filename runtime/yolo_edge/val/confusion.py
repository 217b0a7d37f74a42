"""The confusion matrix: what was found where an object of another class, or none, is marked."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from yolo_edge.val.assignment import NONE, assign
from yolo_edge.val.comparison import ClassIds, Flags, Floats, ImageBoxes, Indices, Pairs
from yolo_edge.val.options import ConfusionThresholds

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Confusion:
    """Boxes of one class on objects of another."""

    predicted: int
    true: int
    boxes: int
    share: float
    """Of the objects of class ``true``, 0..1."""


@dataclass(frozen=True)
class ConfusionMatrix:
    """Boxes and objects by class.

    Attributes:
        names: Class names by id.
        thresholds: Where it was taken.
        counts: int64 (n + 1, n + 1), rows are predicted, columns true classes. The last row (background
            predicted) holds objects that no box got, the last column (background true) boxes that got no
            object.
    """

    names: tuple[str, ...]
    thresholds: ConfusionThresholds
    counts: Counts

    @property
    def background(self) -> int:
        """The row and column that stands for no class."""
        return len(self.names)

    def normalised(self) -> Floats:
        """Each cell as a share of its column, 0 where the column is empty."""
        shares: Floats = self.counts / np.maximum(self.counts.sum(axis=0), 1)
        return shares

    def most_confused(self, limit: int) -> list[Confusion]:
        """Pairs of different classes with the most boxes, the larger share first among equals."""
        between = self.counts[:-1, :-1].copy()
        np.fill_diagonal(between, 0)
        shares = self.normalised()
        found = [
            Confusion(predicted, true, int(between[predicted, true]), float(shares[predicted, true]))
            for predicted, true in np.argwhere(between).tolist()
        ]
        return sorted(found, key=lambda cell: (-cell.boxes, -cell.share, cell.true, cell.predicted))[:limit]

    def as_dict(self) -> dict[str, Any]:
        """Thresholds and the cells that are not zero, described in docs/val.md."""
        cells = [
            [
                None if predicted == self.background else predicted,
                None if true == self.background else true,
                int(self.counts[predicted, true]),
            ]
            for predicted, true in np.argwhere(self.counts).tolist()
        ]
        return {"conf": self.thresholds.conf, "iou": self.thresholds.iou, "cells": cells}


class _Image(NamedTuple):
    """What is kept of an image: its objects, and the boxes above the threshold."""

    objects_xyxy: Floats
    object_class: ClassIds
    crowd: Flags
    boxes_xyxy: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    box_class: ClassIds


class ConfusionCounter:
    """Makes a confusion matrix of many images; adding one is cheap, the counting is done at the end."""

    def __init__(self, names: Sequence[str], thresholds: ConfusionThresholds) -> None:
        self._names = tuple(names)
        self._thresholds = thresholds
        self._images: list[_Image] = []

    def add(self, image: ImageBoxes) -> None:
        """Keeps the objects and the boxes above the threshold of an image."""
        found = image.found
        above = np.flatnonzero(found.confidence > self._thresholds.conf)
        boxes = found.xyxy[above], found.confidence[above], found.class_id[above]
        self._images.append(_Image(image.xyxy, image.class_id, image.crowd, *boxes))

    def matrix(self) -> ConfusionMatrix:
        """Counts the images that were added.

        In descending confidence each box gets the object, of whatever class, that it overlaps most and that
        no box before it has got. What is found in a crowd of its own class counts nowhere.
        """
        background = len(self._names)
        predicted, true = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
        for image in self._images:
            rows, columns = _cells(image, self._thresholds.iou, background)
            predicted.append(rows)
            true.append(columns)
        side = background + 1
        cell = np.concatenate(predicted) * side + np.concatenate(true)
        counts = np.bincount(cell, minlength=side * side).reshape(side, side)
        return ConfusionMatrix(self._names, self._thresholds, counts.astype(np.int64))


def _cells(image: _Image, threshold: float, background: int) -> tuple[Indices, Indices]:
    """Rows and columns of the cells in which an image's boxes and missed objects count."""
    order = np.argsort(-image.confidence, kind="stable")
    predicted = image.box_class[order].astype(np.intp)
    objects, crowd = image.object_class.astype(np.intp), image.crowd
    assigned = np.full(len(order), NONE, np.intp)
    if len(order) and len(objects):
        iou = importlib.import_module("pycocotools.mask").iou
        boxes_xywh = _xywh(image.boxes_xyxy[order].astype(np.float64))
        overlaps = iou(boxes_xywh, _xywh(image.objects_xyxy), crowd.astype(np.uint8).tolist())
        possible = (overlaps >= threshold) & (~crowd | (predicted[:, None] == objects))
        box, index = np.nonzero(possible)
        assigned = assign(Pairs(box, index, overlaps[box, index]), len(order), crowd)
    true = np.append(objects, background)[assigned]  # NONE is the last
    counts = ~np.append(crowd, False)[assigned]
    missed = ~crowd
    missed[assigned[assigned != NONE]] = False
    missed_class = objects[missed]
    return (
        np.concatenate([predicted[counts], np.full(len(missed_class), background, np.intp)]),
        np.concatenate([true[counts], missed_class]),
    )


def _xywh(xyxy: Floats) -> Floats:
    """Left, top, width and height, as pycocotools has them."""
    return np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], 1)
