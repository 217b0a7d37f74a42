"""Seeded images with objects and what a detector of middling quality would find in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from yolo_edge.detections import Detections
from yolo_edge.val import ImageBoxes


def make_image(
    objects: Sequence[tuple], found: Sequence[tuple], crowd: Sequence[bool] | None = None, classes: int = 4
) -> ImageBoxes:
    """Objects are (class, x0, y0, x1, y1), boxes found (class, x0, y0, x1, y1, confidence)."""
    rows = np.array(objects, np.float64).reshape(-1, 5)
    boxes = np.array(found, np.float64).reshape(-1, 6)
    xyxy = rows[:, 1:]
    return ImageBoxes(
        xyxy=xyxy,
        class_id=rows[:, 0].astype(np.int32),
        crowd=np.array(crowd if crowd is not None else [False] * len(rows), np.bool_),
        area_px=(xyxy[:, 2] - xyxy[:, 0]) * (xyxy[:, 3] - xyxy[:, 1]),
        found=Detections(boxes[:, 1:5], boxes[:, 5], boxes[:, 0].astype(np.int32), class_names(classes)),
    )


def class_names(count: int) -> tuple[str, ...]:
    return tuple(f"name {number}" for number in range(count))


def random_images(seed: int, *, classes: int = 4, images: int = 8, ties: bool = False) -> list[ImageBoxes]:
    """Images with overlapping objects, crowds, boxes of the wrong class, and boxes on nothing."""
    chance = np.random.default_rng(seed)
    made = []
    for _ in range(images):
        count = int(chance.integers(0, 12))
        corner = chance.uniform(0, 300, (count, 2))
        side = chance.choice([12.0, 32.0, 60.0, 96.0, 200.0], (count, 2))
        # The last class is never marked, only found.
        class_id = chance.integers(0, max(1, classes - 1), count)
        objects = np.concatenate([class_id[:, None], corner, corner + side], 1)
        repeats = np.repeat(objects, chance.integers(0, 4, count), axis=0)
        repeats[:, 1:] += chance.normal(0, 5, (len(repeats), 4))
        other = chance.uniform(size=len(repeats)) < 0.25
        repeats[other, 0] = chance.integers(0, classes, int(other.sum()))
        noise = np.empty((15, 5))
        noise[:, 0] = chance.integers(0, classes, len(noise))
        noise[:, 1:3] = chance.uniform(0, 400, (len(noise), 2))
        noise[:, 3:] = noise[:, 1:3] + chance.uniform(1, 150, (len(noise), 2))
        boxes = np.concatenate([repeats, noise])
        boxes[:, 3:] = np.maximum(boxes[:, 3:], boxes[:, 1:3] + 1)
        confidence = np.concatenate([chance.beta(4, 2, len(repeats)), chance.beta(1, 6, len(noise))])
        if ties:
            confidence = np.round(confidence, 1)
        found = np.concatenate([boxes, confidence[:, None]], 1)[np.argsort(-confidence, kind="stable")]
        crowd = (chance.uniform(size=count) < 0.15).tolist()
        made.append(make_image(objects.tolist(), found.tolist(), crowd, classes))
    return made


def overlap_of(box: list[float], other: list[float], crowd: bool) -> float:
    """IoU of two boxes; of a box and a crowd the share of the box that lies in it."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    area = (box[2] - box[0]) * (box[3] - box[1])
    union = area + (other[2] - other[0]) * (other[3] - other[1]) - width * height
    return width * height / (area if crowd else union)
