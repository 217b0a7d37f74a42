"""What the training framework makes of raw heads, restated plainly in numpy.

Slow and independent of the C++ core on purpose: golden results and verification compare the core with it.
The formulas are those of YOLOv5 v5.0 and later (``Detect.forward``, ``non_max_suppression``,
``scale_boxes``); they hold for all releases since v1.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Boxes:
    """Boxes, the most confident first: xyxy (n, 4), scores of all classes (n, nc)."""

    xyxy: Array
    scores: Array

    @property
    def confidence(self) -> Array:
        """(n,): the best score."""
        confidence: Array = self.scores.max(axis=1)
        return confidence

    @property
    def class_id(self) -> npt.NDArray[np.int64]:
        """(n,): the class of the best score."""
        class_id: npt.NDArray[np.int64] = self.scores.argmax(axis=1)
        return class_id

    def __getitem__(self, index: npt.NDArray[np.generic]) -> Boxes:
        return Boxes(self.xyxy[index], self.scores[index])


def decode(
    heads: Sequence[npt.NDArray[np.float32]],
    strides: Sequence[int],
    anchors_px: Sequence[Sequence[tuple[float, float]]],
) -> Boxes:
    """Decodes raw heads to one box per anchor and cell with its best class, in pixels of the tensor.

    Args:
        heads: float32 (na*(nc+5), ny, nx) each: x, y, w, h, objectness and classes per anchor, no sigmoid.
        strides: Of each head.
        anchors_px: (width, height) of each anchor of each head.
    """
    parts = [_decode_head(*head) for head in zip(heads, strides, anchors_px)]
    boxes = Boxes(*(np.concatenate(columns) for columns in zip(*parts)))
    return boxes[np.argsort(-boxes.confidence, kind="stable")]


def threshold_between(confidence: Array, fewest: int = 100, most: int = 300) -> float:
    """A confidence threshold that leaves 100 to 300 boxes before NMS, and far from the confidence of any box.

    Rounding differences between engines then cannot move a box across it.

    Args:
        confidence: (n,), descending.
        fewest: Lowest number of boxes to leave.
        most: Highest number.
    """
    ranked = np.maximum(confidence[fewest - 1 : most + 1], 1e-9)
    if len(ranked) < 2:
        return 0.0
    gap = int(np.argmax(ranked[:-1] / ranked[1:]))
    return float(np.sqrt(ranked[gap] * ranked[gap + 1]))


def non_max_suppression(boxes: Boxes, conf: float, iou: float) -> Boxes:
    """Drops boxes of at most ``conf``, and of two of one class that overlap more than ``iou`` the weaker."""
    boxes = boxes[boxes.confidence > conf]
    overlaps, class_id = iou_matrix(boxes.xyxy, boxes.xyxy), boxes.class_id
    kept: list[int] = []
    for i in range(len(class_id)):
        if all(class_id[j] != class_id[i] or overlaps[i, j] <= iou for j in kept):
            kept.append(i)
    return boxes[np.array(kept, np.intp)]


def scale_boxes(xyxy: Array, tensor_hw: tuple[int, int], source_hw: tuple[int, int]) -> Array:
    """Moves boxes from pixels of the tensor to pixels of the source image, clipped to it."""
    (tensor_h, tensor_w), (height, width) = tensor_hw, source_hw
    gain = min(tensor_h / height, tensor_w / width)
    pad = np.array([(tensor_w - width * gain) / 2, (tensor_h - height * gain) / 2] * 2)
    limit = np.array([width, height] * 2, np.float64)
    boxes: Array = np.clip((xyxy - pad) / gain, 0.0, limit)
    return boxes


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x)."""
    # The two forms never overflow, each on its half of the axis.
    small = np.exp(-np.abs(x))
    result: Array = np.where(x >= 0, 1 / (1 + small), small / (1 + small))
    return result


def _decode_head(
    head: npt.NDArray[np.float32], stride: int, anchors_px: Sequence[tuple[float, float]]
) -> tuple[Array, Array]:
    na = len(anchors_px)
    channels, ny, nx = head.shape
    values = sigmoid(head.reshape(na, channels // na, ny, nx).astype(np.float64))
    rows, columns = np.mgrid[0:ny, 0:nx]
    center_x = (2 * values[:, 0] - 0.5 + columns) * stride
    center_y = (2 * values[:, 1] - 0.5 + rows) * stride
    anchors = np.array(anchors_px).reshape(na, 2, 1, 1)
    width = (2 * values[:, 2]) ** 2 * anchors[:, 0]
    height = (2 * values[:, 3]) ** 2 * anchors[:, 1]
    xyxy = np.stack(
        [center_x - width / 2, center_y - height / 2, center_x + width / 2, center_y + height / 2], axis=-1
    )
    scores = values[:, 4:5] * values[:, 5:]
    return xyxy.reshape(-1, 4), scores.transpose(0, 2, 3, 1).reshape(-1, scores.shape[1])


def iou_matrix(a: Array, b: Array) -> Array:
    """IoU of every box of one list, xyxy (n, 4), with every box of another, (m, 4): (n, m)."""
    a, b = a[:, None], b[None]
    sides = np.maximum(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0)
    shared = sides[..., 0] * sides[..., 1]
    areas = [(each[..., 2] - each[..., 0]) * (each[..., 3] - each[..., 1]) for each in (a, b)]
    whole = areas[0] + areas[1] - shared
    ratio: Array = np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)
    return ratio
