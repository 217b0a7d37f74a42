"""Draws boxes into an image."""

from __future__ import annotations

import colorsys

import numpy as np
import numpy.typing as npt

from yolo_edge.detections import Detections
from yolo_edge.packages import require_cv2

_GOLDEN_RATIO = 0.618033988749895


def draw_detections(image: npt.NDArray[np.uint8], detections: Detections) -> npt.NDArray[np.uint8]:
    """Returns a copy of an image with boxes, class names and confidences.

    Args:
        image: uint8 (height, width, 3), BGR.
        detections: Boxes in pixels of ``image``.
    """
    cv2 = require_cv2("drawing boxes")
    canvas = np.ascontiguousarray(image).copy()
    height, width = canvas.shape[:2]
    line = max(1, round((height + width) / 2 * 0.003))
    scale = max(0.4, line / 4)
    # The most confident is drawn last, on top of the others.
    for i in reversed(range(len(detections))):
        color = class_color(int(detections.class_id[i]))
        x0, y0, x1, y1 = (round(side) for side in detections.xyxy[i].tolist())
        cv2.rectangle(canvas, (x0, y0), (x1, y1), color, line, cv2.LINE_AA)
        text = f"{detections.names[detections.class_id[i]]} {detections.confidence[i]:.2f}"
        (text_width, text_height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        tall = text_height + base + 2
        top = y0 - tall if y0 >= tall else min(y0, height - tall)
        left = max(0, min(x0, width - text_width - 2))
        cv2.rectangle(canvas, (left, top), (left + text_width + 2, top + tall), color, cv2.FILLED)
        ink = (0, 0, 0) if 0.114 * color[0] + 0.587 * color[1] + 0.299 * color[2] > 128 else (255, 255, 255)
        where = (left + 1, top + text_height + 1)
        cv2.putText(canvas, text, where, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, 1, cv2.LINE_AA)
    return canvas


def class_color(class_id: int) -> tuple[int, int, int]:
    """A BGR colour for a class; neighbouring ids lie far apart on the colour circle."""
    red, green, blue = colorsys.hsv_to_rgb((class_id * _GOLDEN_RATIO) % 1.0, 0.85, 0.95)
    return round(blue * 255), round(green * 255), round(red * 255)
