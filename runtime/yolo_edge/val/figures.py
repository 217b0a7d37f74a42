"""Average precision and recall as COCO defines them (https://cocodataset.org/#detection-eval)."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from yolo_edge.packages import require
from yolo_edge.val.comparison import Comparison, ImageBoxes, Parameters, compare, join
from yolo_edge.val.curves import precision_and_recall


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
    return figures_of([compare(image, parameters) for image in images], names, parameters)


def figures_of(images: Sequence[Comparison], names: Sequence[str], parameters: Parameters) -> Figures:
    """The same of images that were compared one by one."""
    compared = join(images)
    objects = compared.objects
    counted = objects.area[~objects.crowd]
    # Not np.unique, which imports numpy.ma: that takes as long as half of all this.
    classes = np.flatnonzero(np.bincount(objects.class_id[~objects.crowd]))
    # (class, IoU, recall level, size) and (class, IoU, size, limit); -1 where a class has no such objects.
    precision, recall = precision_and_recall(compared, classes, parameters)
    of_all_sizes = precision[..., 0]
    ap, ap50, ap75 = (of_all_sizes[:, t].mean(axis=(1, 2)).tolist() for t in (slice(None), [0], [5]))
    ar100 = recall[:, :, 0, -1].mean(axis=1).tolist()
    rows = []
    for k, class_id in enumerate(classes.tolist()):
        images_of_class = objects.image[(objects.class_id == class_id) & ~objects.crowd]
        rows.append(
            ClassFigures(
                class_id=class_id,
                name=names[class_id],
                images=1 + int(np.count_nonzero(np.diff(images_of_class))),
                objects=len(images_of_class),
                ap=ap[k],
                ap50=ap50[k],
                ap75=ap75[k],
                ar100=ar100[k],
            )
        )
    sizes = np.count_nonzero(parameters.in_range(counted), axis=1).tolist()
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


def _mean(values: npt.NDArray[np.float64]) -> float | None:
    """The mean of what is defined; pycocotools marks the rest with -1."""
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else None
