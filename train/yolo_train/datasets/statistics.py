"""What is in a dataset: objects by class, sizes of boxes and images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from yolo_edge.datasets.labels import LabelledImage
from yolo_edge.datasets.yolo_format import label_path
from yolo_train.datasets.problems import Problems
from yolo_train.datasets.scan import Scan, ScannedSplit

PERCENTILES = (1, 10, 50, 90, 99)
TINY_PX = 3.0
"""Objects of fewer pixels in width or height are left out of YOLOv5's search for anchors, too."""

SMALL_PX, LARGE_PX = 32, 96
"""COCO's limits of small, medium and large: the side of a square of the same area."""

_SMALLEST = 5

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SmallObject:
    """One of the smallest objects of a split."""

    image: Path
    name: str
    size_px: tuple[float, float]
    """Width and height in the network's input."""
    source_px: tuple[float, float]
    """Width and height in the image."""


@dataclass(frozen=True)
class SplitStatistics:
    """What is in one split. Sizes are pixels of the network's input unless a name says otherwise."""

    name: str
    images: int
    with_objects: int
    empty_files: int
    missing_files: int
    polygons: int
    objects: int
    most_objects: int
    """In one image."""
    class_objects: tuple[int, ...]
    """Objects by class id."""
    class_images: tuple[int, ...]
    """Images that show the class, by class id."""
    size_percentiles_px: tuple[float, ...]
    """Square root of the boxes' areas at PERCENTILES; empty without objects."""
    shorter_percentiles_px: tuple[float, ...]
    """Shorter side of the boxes at PERCENTILES."""
    aspect_percentiles: tuple[float, ...]
    """Width by height of the boxes at PERCENTILES."""
    small: int
    medium: int
    large: int
    """Objects by COCO's limits, areas of 32 and 96 px squared."""
    smallest: tuple[SmallObject, ...]
    image_sizes: tuple[tuple[tuple[int, int], int], ...]
    """Height and width in the files and number of images, the most frequent first."""


def split_statistics(split: ScannedSplit, names: Sequence[str], imgsz: int) -> SplitStatistics:
    """Counts and measures a split.

    Args:
        split: Of a scan.
        names: Class names by id.
        imgsz: Side of the network's square input in pixels, to which the longer side of an image is scaled.
    """
    class_ids, sizes, owners = _boxes(split.images, imgsz)
    shorter, roots = sizes.min(axis=1, initial=np.inf), np.sqrt(sizes.prod(axis=1))
    order = np.argsort(shorter, kind="stable")[:_SMALLEST]
    counts = [len(image.objects) for image in split.images]
    seen = [np.unique(image.objects.class_id) for image in split.images]
    return SplitStatistics(
        name=split.name,
        images=len(split.images),
        with_objects=sum(map(bool, counts)),
        empty_files=split.empty_files,
        missing_files=split.missing_files,
        polygons=split.polygons,
        objects=len(class_ids),
        most_objects=max(counts, default=0),
        class_objects=_count(class_ids, len(names)),
        class_images=_count(np.concatenate(seen) if seen else class_ids, len(names)),
        size_percentiles_px=_percentiles(roots),
        shorter_percentiles_px=_percentiles(shorter),
        aspect_percentiles=_percentiles(sizes[:, 0] / sizes[:, 1]),
        small=int((roots < SMALL_PX).sum()),
        medium=int(((roots >= SMALL_PX) & (roots < LARGE_PX)).sum()),
        large=int((roots >= LARGE_PX).sum()),
        smallest=tuple(
            _small_object(split.images[owners[i]], names[class_ids[i]], sizes[i], imgsz) for i in order
        ),
        image_sizes=tuple(Counter(image.known_size_hw for image in split.images).most_common()),
    )


def add_tiny_objects(scan: Scan, imgsz: int, problems: Problems) -> None:
    """Adds the objects that would be a few pixels only in a network's input of this side."""
    for split in scan.splits:
        class_ids, sizes, owners = _boxes(split.images, imgsz)
        for i in np.flatnonzero(sizes.min(axis=1, initial=np.inf) < TINY_PX):
            labels = label_path(split.images[owners[i]].path)
            width, height = sizes[i]
            problems.add("tiny-object", labels, f"{scan.names[class_ids[i]]}, {width:.1f}x{height:.1f} px")


def box_sizes_px(images: Sequence[LabelledImage], imgsz: int) -> Floats:
    """Width and height of all boxes in the network's input, float64 (n, 2).

    Args:
        images: Every ``size_hw`` is filled.
        imgsz: Side of the network's square input in pixels.
    """
    sizes = [
        (image.objects.boxes[:, 2:] - image.objects.boxes[:, :2]) * _input_wh(image, imgsz)
        for image in images
    ]
    return np.concatenate([*sizes, np.zeros((0, 2))])


def _boxes(
    images: Sequence[LabelledImage], imgsz: int
) -> tuple[npt.NDArray[np.int64], Floats, npt.NDArray[np.int64]]:
    """Class id, width and height in the network's input, and index of the image of each object."""
    class_ids = [image.objects.class_id for image in images]
    owners = np.repeat(np.arange(len(images)), [len(ids) for ids in class_ids])
    return (
        np.concatenate([*class_ids, np.zeros(0, np.int64)]).astype(np.int64),
        box_sizes_px(images, imgsz),
        owners.astype(np.int64),
    )


def _input_wh(image: LabelledImage, imgsz: int) -> Floats:
    height, width = image.known_size_hw
    return np.array([width, height]) * (imgsz / max(height, width))


def _count(class_ids: npt.NDArray[np.int64], classes: int) -> tuple[int, ...]:
    return tuple(np.bincount(class_ids, minlength=classes).tolist())


def _percentiles(values: Floats) -> tuple[float, ...]:
    return tuple(np.percentile(values, PERCENTILES).tolist()) if len(values) else ()


def _small_object(image: LabelledImage, name: str, size_px: Floats, imgsz: int) -> SmallObject:
    width, height = size_px.tolist()
    gain = imgsz / max(image.known_size_hw)
    return SmallObject(image.path, name, (width, height), (width / gain, height / gain))
