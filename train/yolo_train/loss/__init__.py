"""The loss of the YOLOv5 family: which anchors are responsible for which objects, and how wrong they are."""

from __future__ import annotations

from yolo_train.loss.detection import DetectionLoss, LossParts
from yolo_train.loss.iou import complete_iou
from yolo_train.loss.matching import Matches, match_targets
from yolo_train.loss.options import LossOptions

__all__ = ["DetectionLoss", "LossOptions", "LossParts", "Matches", "complete_iou", "match_targets"]
