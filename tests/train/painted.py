"""Small datasets whose objects are rectangles, each in a colour of its own."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from yolo_edge.datasets import LabelledImage, Objects

BACKGROUND = (128, 128, 128)


def color_of(number: int) -> tuple[int, int, int]:
    """A BGR colour; any two of the first 63, and the greys of background and border, are far apart."""
    levels = (0, 85, 170, 255)
    number += 1
    return levels[number % 4], levels[number // 4 % 4], levels[number // 16 % 4]


def labelled(path: Path, size_hw: tuple[int, int], boxes: np.ndarray, class_ids: list[int]) -> LabelledImage:
    """A sample with boxes in fractions of the image."""
    count = len(class_ids)
    objects = Objects(
        np.array(class_ids, np.int32),
        np.array(boxes, np.float64).reshape(-1, 4),
        np.zeros(count, np.bool_),
        np.full(count, np.nan),
    )
    return LabelledImage(path, objects, size_hw)


def paint(path: Path, size_hw: tuple[int, int], boxes_px: list[tuple[int, int, int, int]], first: int):
    """Writes an image with rectangles (left, top, right, bottom); their class ids are their colours."""
    height, width = size_hw
    image = np.full((height, width, 3), BACKGROUND, np.uint8)
    for number, (x0, y0, x1, y1) in enumerate(boxes_px, first):
        image[y0:y1, x0:x1] = color_of(number)
    assert cv2.imwrite(str(path), image)
    boxes = np.array(boxes_px, np.float64).reshape(-1, 4) / [width, height, width, height]
    return labelled(path, size_hw, boxes, list(range(first, first + len(boxes_px))))


def painted_dataset(folder: Path) -> tuple[LabelledImage, ...]:
    """Seven images of various shapes; the sixth shows no objects. Each class id stands once."""
    return (
        paint(folder / "a.png", (96, 128), [(8, 8, 56, 40), (70, 30, 120, 90)], 0),
        paint(folder / "b.png", (128, 80), [(0, 0, 30, 128), (40, 50, 70, 90)], 2),
        paint(folder / "c.png", (128, 128), [(0, 0, 128, 20), (10, 60, 60, 120), (80, 40, 120, 128)], 4),
        paint(folder / "d.png", (50, 60), [(5, 5, 55, 25), (10, 30, 40, 48)], 7),
        paint(folder / "e.png", (256, 192), [(20, 20, 100, 200), (120, 60, 180, 240)], 9),
        paint(folder / "f.png", (64, 128), [], 11),
        paint(folder / "g.png", (120, 90), [(0, 60, 45, 120), (50, 5, 85, 115)], 11),
    )


def box_of_color(image_bgr: np.ndarray, number: int, tolerance: int = 12):
    """The pixels of a colour: how many, and the box around them (left, top, right, bottom)."""
    difference = np.abs(image_bgr.astype(int) - color_of(number)).max(2)
    rows, columns = np.nonzero(difference <= tolerance)
    if not len(rows):
        return 0, (0, 0, 0, 0)
    return len(rows), (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def jpeg_dataset(folder: Path) -> tuple[LabelledImage, ...]:
    """Sixty JPEG files of 200x150 pixels with one object each."""
    random = np.random.default_rng(0)
    made = []
    for number in range(60):
        path = folder / f"{number}.jpg"
        cv2.imwrite(str(path), cv2.blur(random.integers(0, 256, (150, 200, 3), dtype=np.uint8), (5, 5)))
        made.append(labelled(path, (150, 200), np.array([[0.1, 0.2, 0.5, 0.6]]), [number % 3]))
    return tuple(made)
