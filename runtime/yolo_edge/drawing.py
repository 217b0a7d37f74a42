"""Draws boxes into an image."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from yolo_edge.detections import Detections
from yolo_edge.packages import require_cv2

Color = tuple[int, int, int]
"""Blue, green, red; 0..255."""

_GOLDEN_RATIO = 0.618033988749895
_SHADES = ((0.85, 0.95), (0.55, 1.0), (0.9, 0.8))
"""Saturation and brightness that successive classes take in turn."""

_BLACK: Color = (0, 0, 0)
_WHITE: Color = (255, 255, 255)


def draw_detections(image: npt.NDArray[np.uint8], detections: Detections) -> npt.NDArray[np.uint8]:
    """Returns a copy of an image with boxes, class names and confidences.

    Lines and letters grow with the image. A label that would cover another moves to a free side of its box.

    Args:
        image: uint8 (height, width, 3), BGR.
        detections: Boxes in pixels of ``image``.
    """
    labels = [
        f"{name} {confidence:.2f}"
        for name, confidence in zip(detections.class_names, detections.confidence.tolist())
    ]
    return draw_boxes(image, detections.xyxy, detections.class_id, labels)


def draw_boxes(
    image: npt.NDArray[np.uint8],
    xyxy: npt.NDArray[np.floating[Any]],
    class_id: npt.NDArray[np.integer[Any]],
    labels: Sequence[str],
) -> npt.NDArray[np.uint8]:
    """Returns a copy of an image with boxes and a text at each.

    Args:
        image: uint8 (height, width, 3), BGR.
        xyxy: (n, 4), boxes in pixels of ``image``, the most important first.
        class_id: (n,), which says the colour.
        labels: The texts.
    """
    cv2 = require_cv2("drawing boxes")
    canvas = np.ascontiguousarray(image).copy()
    if not len(xyxy):
        return canvas
    height, width = canvas.shape[:2]
    side = (height + width) / 2
    line = max(1, round(side * 0.003))
    # Far outside is as good as outside, and OpenCV's coordinates are 32-bit.
    limits = np.array([width, height, width, height]) + 2 * line
    boxes = np.clip(xyxy, -2 * line, limits).round().astype(int).tolist()
    colors = [class_color(number) for number in class_id.tolist()]
    # The first is drawn last, on top of the others. The dark edge keeps a box apart from a
    # background of its own colour.
    for (x0, y0, x1, y1), color in zip(reversed(boxes), reversed(colors)):
        cv2.rectangle(canvas, (x0, y0), (x1, y1), _BLACK, line + 2)
        cv2.rectangle(canvas, (x0, y0), (x1, y1), color, line)
    scale = max(0.45, side * 0.0005)
    taken = np.zeros((height, width), np.bool_)
    for box, color, text in zip(boxes, colors, labels):
        label = _label(text, color, scale)[:height, :width]
        left, top = _free_place(taken, box, label.shape[0], label.shape[1], line)
        area = (slice(top, top + label.shape[0]), slice(left, left + label.shape[1]))
        free = ~taken[area]
        canvas[area][free] = label[free]
        taken[area] = True
    return canvas


def class_color(class_id: int) -> Color:
    """A BGR colour for a class; neighbouring ids lie far apart on the colour circle."""
    saturation, brightness = _SHADES[class_id % len(_SHADES)]
    red, green, blue = colorsys.hsv_to_rgb((class_id * _GOLDEN_RATIO) % 1.0, saturation, brightness)
    return round(blue * 255), round(green * 255), round(red * 255)


def _free_place(
    taken: npt.NDArray[np.bool_], box: list[int], tall: int, wide: int, line: int
) -> tuple[int, int]:
    """Left and top of a label: of the places at its box the first that no other label covers.

    Where all are covered, the one that is covered least.
    """
    height, width = taken.shape
    x0, y0, x1, y1 = box
    edge = (line + 1) // 2
    places = (
        (x0 - edge, y0 - tall - edge),
        (x0 - edge, y1 + edge),
        (x1 + edge - wide, y0 - tall - edge),
        (x0 + edge, y0 + edge),
        (x1 + edge - wide, y1 + edge),
        (x0 + edge, y1 - tall - edge),
    )
    best, least = (0, 0), tall * wide + 1
    for x, y in places:
        if not (-tall < y < height):
            continue
        left, top = max(0, min(x, width - wide)), max(0, min(y, height - tall))
        covered = int(np.count_nonzero(taken[top : top + tall, left : left + wide]))
        if not covered:
            return left, top
        if covered < least:
            best, least = (left, top), covered
    return best


@lru_cache(maxsize=256)
def _label(text: str, color: Color, scale: float) -> npt.NDArray[np.uint8]:
    """A text on its colour. In a video most come again: drawing the letters is what takes the time."""
    cv2 = require_cv2("drawing boxes")
    font, thickness = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(scale * 1.5))
    # All labels of an image are as tall as the tallest letters.
    (_, tall), base = cv2.getTextSize("Ag|", font, scale, thickness)
    (wide, _), _ = cv2.getTextSize(text, font, scale, thickness)
    margin = max(2, round(scale * 5))
    label = np.empty((tall + base + margin, wide + 2 * margin, 3), np.uint8)
    label[:] = color
    bright = 0.114 * color[0] + 0.587 * color[1] + 0.299 * color[2] > 128
    where = (margin, tall + margin // 2)
    cv2.putText(label, text, where, font, scale, _BLACK if bright else _WHITE, thickness, cv2.LINE_AA)
    label.setflags(write=False)
    return label
