"""How well two sets of boxes agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from yolo_edge.bundle import Bundle
from yolo_edge.checking import reference
from yolo_edge.detections import Detections
from yolo_edge.options import DetectOptions

MIN_IOU = 0.95
MAX_CONFIDENCE_DIFFERENCE = 0.02
_MOST_ALIKE = 100
"""Candidates that are looked at for one box."""

_LEAST_SLACK = 1e-4
"""What float32 may move a score by in decoding, whatever the engine."""

_MOST_SLACK = 1.0
"""Beyond it, rounding would explain any result of NMS."""

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


def nms_agreement(
    found: Detections,
    candidates: reference.Boxes,
    *,
    tensor_hw: tuple[int, int],
    source_hw: tuple[int, int],
    conf: float,
    iou: float,
    slack: float,
) -> float:
    """How far boxes are a result that NMS may give for some candidates, if rounding moves their scores.

    Where many candidates are about equally confident, rounding decides which of them comes first, and with it
    which boxes are left at all; :func:`box_agreement` then compares two of many right results. A result is
    right when every box is a candidate, no two boxes of a class overlap too much, and every other candidate
    overlaps a box that is no less confident.

    Args:
        found: Boxes, in pixels of the source image.
        candidates: What the right heads decode to, in pixels of the tensor.
        tensor_hw: Size of the tensor.
        source_hw: Size of the source image.
        conf: Threshold of confidence.
        iou: Threshold of NMS.
        slack: How much rounding may move a logit, and so at most a score.

    Returns:
        Share of the boxes that are right, or of the candidates that are accounted for, whichever is less.
    """
    candidates = candidates[candidates.confidence > conf - slack]
    wanted = candidates[candidates.confidence > conf + slack]
    if not len(found) or not len(candidates.scores):
        return float(len(found) == 0 and len(wanted.scores) == 0)
    # A side moves by twice the slack at most, and an overlap by a few times that.
    iou_slack = 10 * slack
    in_source = reference.scale_boxes(candidates.xyxy, tensor_hw, source_hw)
    places = _places(found, candidates, in_source, iou + iou_slack, slack)
    kept = candidates[np.array(list(places.values()), np.intp)]
    class_id = found.class_id[list(places)]
    # Of each candidate and each box: may this box be it, or have suppressed it?
    confidence = wanted.confidence[:, None]
    same_class = wanted.scores[:, class_id] >= confidence - slack
    not_after = kept.confidence[None] >= confidence - slack
    overlapping = reference.iou_matrix(wanted.xyxy, kept.xyxy) >= iou - iou_slack
    accounted = int(np.count_nonzero(np.any(same_class & not_after & overlapping, axis=1)))
    return min(len(places) / len(found), accounted / len(confidence) if len(confidence) else 1.0)


def agreement_with_heads(
    found: Detections,
    expected: Detections,
    bundle: Bundle,
    heads: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.float32]]],
    *,
    tensor_hw: tuple[int, int],
    source_hw: tuple[int, int],
    options: DetectOptions,
    head_tolerance: float,
) -> float:
    """Share of equal boxes; those between which rounding chose in NMS count as equal.

    Args:
        found: Boxes of a target.
        expected: What the plain reference found.
        bundle: For strides and anchors.
        heads: The right raw heads, (na*no, ny, nx), in the bundle's order.
        tensor_hw: Size of the tensor.
        source_hw: Size of the source image.
        options: Thresholds of ``found``.
        head_tolerance: How far the target's heads may be from the right ones.
    """
    share = box_agreement(found, expected)
    if share == 1.0 or head_tolerance > _MOST_SLACK:
        return share
    candidates = reference.decode(
        heads, [head.stride for head in bundle.heads], [head.anchors_px for head in bundle.heads]
    )
    # Both have to be results that NMS may give; otherwise one of them is wrong.
    shares = [
        nms_agreement(
            boxes,
            candidates,
            tensor_hw=tensor_hw,
            source_hw=source_hw,
            conf=options.conf,
            iou=options.iou,
            slack=max(head_tolerance, _LEAST_SLACK),
        )
        for boxes in (found, expected)
    ]
    return max(share, min(shares))


def _places(
    found: Detections,
    candidates: reference.Boxes,
    in_source: npt.NDArray[np.float64],
    most_overlap: float,
    slack: float,
) -> dict[int, int]:
    """By box, which candidate it is; boxes that are none, or that NMS had to drop, are missing.

    Clipped to the image several candidates may be one box: then one that NMS could have left.
    """
    places: dict[int, int] = {}
    for i in range(len(found)):
        scores = candidates.scores[:, found.class_id[i]]
        alike = np.flatnonzero(np.abs(scores - float(found.confidence[i])) <= slack)
        distances = np.abs(in_source[alike] - found.xyxy[i]).max(axis=1, initial=0.0)
        rivals = [place for j, place in places.items() if found.class_id[j] == found.class_id[i]]
        for nearest in np.argsort(distances, kind="stable")[:_MOST_ALIKE].tolist():
            place = int(alike[nearest])
            overlaps = reference.iou_matrix(candidates.xyxy[[place]], candidates.xyxy[rivals])
            same = _iou(found.xyxy[i].tolist(), in_source[place].tolist()) >= MIN_IOU
            if same and not (overlaps > most_overlap).any():
                places[i] = place
                break
    return places


def _iou(a: list[float], b: list[float]) -> float:
    if all(abs(p - q) <= SAME_CORNERS_PX for p, q in zip(a, b)):
        return 1.0
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)
