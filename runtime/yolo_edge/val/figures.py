"""Average precision and recall as COCO defines them (https://cocodataset.org/#detection-eval)."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from yolo_edge.detections import Detections
from yolo_edge.packages import require
from yolo_edge.val.curves import precision_and_recall
from yolo_edge.val.matching import Boxes, Parameters


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

    xyxy: npt.NDArray[np.float64]
    class_id: npt.NDArray[np.int32]
    crowd: npt.NDArray[np.bool_]
    area_px: npt.NDArray[np.float64]
    found: Detections


@dataclass(frozen=True)
class ClassFigures:
    """The figures of one class."""

    class_id: int
    name: str
    images: int
    """Images that show it."""
    objects: int
    ap: float
    """Average precision, the mean over IoU thresholds 0.50, 0.55 … 0.95."""
    ap50: float
    ap75: float
    ar100: float
    """Recall, the mean over the same thresholds."""


@dataclass(frozen=True)
class Figures:
    """COCO's twelve figures, 0..1, each a mean over the classes that have objects; None where none has.

    Small objects are those of at most 32² pixels, large ones of at least 96²; ``ar1``, ``ar10`` and ``ar100``
    allow so many boxes for an image and class.
    """

    ap: float | None
    ap50: float | None
    ap75: float | None
    ap_small: float | None
    ap_medium: float | None
    ap_large: float | None
    ar1: float | None
    ar10: float | None
    ar100: float | None
    ar_small: float | None
    ar_medium: float | None
    ar_large: float | None
    objects: int
    """Objects that count, crowds left out."""
    objects_small: int
    objects_medium: int
    objects_large: int
    crowds: int
    classes: tuple[ClassFigures, ...]
    """Classes that have objects."""


def require_pycocotools() -> None:
    """Imports pycocotools, so that a missing one is reported before any work is done.

    Raises:
        MissingExtraError: It is not installed.
    """
    require("pycocotools", "evaluation", "pip install 'yolo-edge[val]'")
    for module in ("cocoeval", "mask"):
        importlib.import_module(f"pycocotools.{module}")


def average_precision(images: Sequence[ImageBoxes], names: Sequence[str]) -> Figures:
    """Computes COCO's figures with pycocotools' parameters: at most 100 boxes for an image and class.

    Args:
        images: The images, in any order; it decides between boxes of equal confidence.
        names: Class names by id.

    Raises:
        MissingExtraError: pycocotools is not installed.
    """
    require_pycocotools()
    parameters = Parameters.of_coco()
    objects, found = _objects(images), _found(images)
    counted = objects.area[~objects.crowd]
    # Not np.unique, which imports numpy.ma: that takes as long as half of all this.
    classes = np.flatnonzero(np.bincount(objects.class_id[~objects.crowd]))
    # (class, IoU, recall level, size) and (class, IoU, size, limit); -1 where a class has no such objects.
    precision, recall = precision_and_recall(objects, found, classes, parameters)
    rows = []
    for k, class_id in enumerate(classes.tolist()):
        images_of_class = objects.image[(objects.class_id == class_id) & ~objects.crowd]
        rows.append(
            ClassFigures(
                class_id=class_id,
                name=names[class_id],
                images=1 + int(np.count_nonzero(np.diff(images_of_class))),
                objects=len(images_of_class),
                ap=float(precision[k, :, :, 0].mean()),
                ap50=float(precision[k, 0, :, 0].mean()),
                ap75=float(precision[k, 5, :, 0].mean()),
                ar100=float(recall[k, :, 0, -1].mean()),
            )
        )
    low, high = parameters.area_ranges.T[..., None]
    sizes = np.count_nonzero((counted >= low) & (counted <= high), axis=1).tolist()
    return Figures(
        ap=_mean(precision[..., 0]),
        ap50=_mean(precision[:, 0, :, 0]),
        ap75=_mean(precision[:, 5, :, 0]),
        ap_small=_mean(precision[..., 1]),
        ap_medium=_mean(precision[..., 2]),
        ap_large=_mean(precision[..., 3]),
        ar1=_mean(recall[:, :, 0, 0]),
        ar10=_mean(recall[:, :, 0, 1]),
        ar100=_mean(recall[:, :, 0, 2]),
        ar_small=_mean(recall[:, :, 1, 2]),
        ar_medium=_mean(recall[:, :, 2, 2]),
        ar_large=_mean(recall[:, :, 3, 2]),
        objects=len(counted),
        objects_small=sizes[1],
        objects_medium=sizes[2],
        objects_large=sizes[3],
        crowds=int(np.count_nonzero(objects.crowd)),
        classes=tuple(rows),
    )


def _objects(images: Sequence[ImageBoxes]) -> Boxes:
    counts = [len(image.class_id) for image in images]
    return Boxes(
        image=np.repeat(np.arange(len(images)), counts),
        class_id=_column([image.class_id for image in images], np.int32),
        xyxy=_column([image.xyxy for image in images], np.float64, 4),
        area=_column([image.area_px for image in images], np.float64),
        crowd=_column([image.crowd for image in images], np.bool_),
        score=np.ones(sum(counts)),
    )


def _found(images: Sequence[ImageBoxes]) -> Boxes:
    counts = [len(image.found) for image in images]
    xyxy = _column([image.found.xyxy for image in images], np.float64, 4)
    return Boxes(
        image=np.repeat(np.arange(len(images)), counts),
        class_id=_column([image.found.class_id for image in images], np.int32),
        xyxy=xyxy,
        area=(xyxy[:, 2] - xyxy[:, 0]) * (xyxy[:, 3] - xyxy[:, 1]),
        crowd=np.zeros(sum(counts), np.bool_),
        score=_column([image.found.confidence for image in images], np.float64),
    )


def _column(parts: Sequence[npt.NDArray[Any]], dtype: type[np.generic], width: int = 0) -> npt.NDArray[Any]:
    empty = np.empty((0, width) if width else 0, dtype)
    return np.concatenate([empty, *parts], dtype=dtype)


def _mean(values: npt.NDArray[np.float64]) -> float | None:
    """The mean of what is defined; pycocotools marks the rest with -1."""
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else None
