"""How well two sets of boxes agree."""

from __future__ import annotations

from yolo_edge.detections import Detections

MIN_IOU = 0.95
MAX_CONFIDENCE_DIFFERENCE = 0.02
SAME_CORNERS_PX = 0.1
"""Boxes whose corners differ by no more are the same: one that the border cut to a line has no IoU."""


def box_agreement(found: Detections, expected: Detections) -> float:
    """Share of boxes that have a partner, 0..1; 1 when both are empty.

    Boxes are matched one to one: same class, IoU of at least 0.95, confidence within 0.02. A box without
    a partner on either side counts against the share.
    """
    free = list(range(len(found)))
    matched = 0
    for i in range(len(expected)):
        best, best_iou = None, MIN_IOU
        for j in free:
            if found.class_id[j] != expected.class_id[i]:
                continue
            if abs(float(found.confidence[j]) - float(expected.confidence[i])) > MAX_CONFIDENCE_DIFFERENCE:
                continue
            iou = _iou(found.xyxy[j].tolist(), expected.xyxy[i].tolist())
            if iou >= best_iou:
                best, best_iou = j, iou
        if best is not None:
            free.remove(best)
            matched += 1
    total = len(expected) + len(free)
    return matched / total if total else 1.0


def _iou(a: list[float], b: list[float]) -> float:
    if all(abs(p - q) <= SAME_CORNERS_PX for p, q in zip(a, b)):
        return 1.0
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)
