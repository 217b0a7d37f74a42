"""The loss of raw heads against labelled boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from yolo_train.loss.iou import complete_iou
from yolo_train.loss.matching import Matches, match_targets
from yolo_train.loss.options import LossOptions

__all__ = ["DetectionLoss", "LossParts"]

#: What objectness of each head counts, by ascending stride: large maps have many more empty cells.
_BALANCE_OF_THREE = (4.0, 1.0, 0.4)
_BALANCE = (4.0, 1.0, 0.25, 0.06, 0.02)
#: Numbers of classes, heads and pixels that the weights of `LossOptions` are meant for.
_CLASSES, _HEADS, _SIDE_PX = 80, 3, 640
#: Share of what is there against what is not in the focal loss.
_FOCAL_ALPHA = 0.25
#: Place of objectness among the numbers of an anchor.
_OBJECTNESS = 4


class LossParts(NamedTuple):
    """The weighted parts, whose sum is the loss of an image; scalars."""

    box: torch.Tensor
    obj: torch.Tensor
    cls: torch.Tensor

    @property
    def total(self) -> torch.Tensor:
        """Their sum."""
        return self.box + self.obj + self.cls


class DetectionLoss:
    """Compares raw heads with labelled boxes: complete IoU, and cross entropy of objectness and classes.

    The target of objectness is the IoU of what is predicted there; where several objects claim an anchor, the
    best. With a single class its part is 0.

    Args:
        strides: Of each head in px, in any order.
        anchors_px: Width and height of the anchors of each head.
        classes: Number of classes.
        options: Weights.
        imgsz: Side of the network's input in px, which objectness is weighed by.
        class_weights: float32 (classes,): what each class counts in the classes' part; None for all the same.

    Raises:
        ValueError: There are more heads than there are weights for.
    """

    def __init__(
        self,
        strides: Sequence[int],
        anchors_px: Sequence[Sequence[tuple[float, float]]],
        classes: int,
        options: LossOptions,
        *,
        imgsz: int,
        class_weights: torch.Tensor | None = None,
    ) -> None:
        heads = len(strides)
        if heads > len(_BALANCE):
            raise ValueError(f"the network has {heads} heads; a loss is known for up to {len(_BALANCE)}")
        balance = _BALANCE_OF_THREE if heads == len(_BALANCE_OF_THREE) else _BALANCE
        ranks = sorted(range(heads), key=lambda head: strides[head])
        self._balance = [balance[ranks.index(head)] for head in range(heads)]
        self._anchors = [torch.tensor(list(px)) / stride for px, stride in zip(anchors_px, strides)]
        self._classes = classes
        self._options = options
        self._class_weights = class_weights
        per_head = _HEADS / heads
        self._box = options.box * per_head
        self._cls = options.cls * per_head * classes / _CLASSES
        self._obj = options.obj * per_head * (imgsz / _SIDE_PX) ** 2
        self._present = 1 - options.label_smoothing / 2
        self._absent = options.label_smoothing / 2
        self._obj_pw = torch.tensor([options.obj_pw])
        self._cls_pw = torch.tensor([options.cls_pw])

    def __call__(self, heads: Sequence[torch.Tensor], targets: torch.Tensor) -> LossParts:
        """The loss of an image, as a mean over the batch.

        Args:
            heads: (N, na*(nc+5), H, W) each, no sigmoid.
            targets: float32 (m, 6): index of the image in the batch, class id, centre, width and height as
                fractions of the network's input.
        """
        box = obj = cls = heads[0].new_zeros((), dtype=torch.float32)
        for head, anchors, balance in zip(heads, self._anchors, self._balance):
            count, _, height, width = head.shape
            maps = head.float().view(count, len(anchors), self._classes + 5, height, width)
            found = match_targets(targets, anchors, (height, width), self._options.anchor_t)
            objectness = torch.zeros(count, len(anchors), height, width)
            if len(found):
                numbers = maps[found.image, found.anchor, :, found.row, found.column]
                iou = complete_iou(_boxes(numbers, anchors[found.anchor]), found.boxes)
                box = box + (1 - iou).mean()
                _set_objectness(objectness, found, iou.detach().clamp(min=0))
                if self._classes > 1:
                    cls = cls + self._class_loss(numbers[:, 5:], found.class_id)
            obj = obj + balance * self._entropy(maps[:, :, _OBJECTNESS], objectness, self._obj_pw).mean()
        return LossParts(self._box * box, self._obj * obj, self._cls * cls)

    def _class_loss(self, logits: torch.Tensor, class_id: torch.Tensor) -> torch.Tensor:
        wanted = torch.full_like(logits, self._absent)
        wanted[torch.arange(len(wanted)), class_id] = self._present
        entropy = self._entropy(logits, wanted, self._cls_pw)
        if self._class_weights is not None:
            entropy = entropy * self._class_weights[class_id, None]
        return entropy.mean()

    def _entropy(self, logits: torch.Tensor, wanted: torch.Tensor, positive: torch.Tensor) -> torch.Tensor:
        entropy = binary_cross_entropy_with_logits(logits, wanted, pos_weight=positive, reduction="none")
        if self._options.fl_gamma == 0:
            return entropy
        probability = logits.sigmoid()
        miss = wanted * (1 - probability) + (1 - wanted) * probability
        alpha = wanted * _FOCAL_ALPHA + (1 - wanted) * (1 - _FOCAL_ALPHA)
        return entropy * alpha * miss**self._options.fl_gamma


def _boxes(numbers: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
    """Centre relative to the cell, width and height, in cells."""
    centre = numbers[:, :2].sigmoid() * 2 - 0.5
    size = (numbers[:, 2:4].sigmoid() * 2).square() * anchors
    return torch.cat([centre, size], 1)


def _set_objectness(objectness: torch.Tensor, found: Matches, iou: torch.Tensor) -> None:
    """Writes the best IoU of each anchor; the order of the rows does not matter."""
    _, anchors, height, width = objectness.shape
    place = ((found.image * anchors + found.anchor) * height + found.row) * width + found.column
    objectness.view(-1).scatter_reduce_(0, place, iou, "amax")
