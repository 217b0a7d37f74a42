"""What the loss is made of, under the names of YOLOv5's hyper-parameters."""

from __future__ import annotations

from dataclasses import dataclass

from yolo_train.anchors.options import ANCHOR_THRESHOLD

__all__ = ["LossOptions"]


@dataclass(frozen=True)
class LossOptions:
    """Weights of the parts of the loss; the defaults are those of YOLOv5's ``hyp.scratch-low``."""

    box: float = 0.05
    """Weight of the boxes' part, for three heads; with more, each head counts less."""

    cls: float = 0.5
    """Weight of the classes' part, for 80 classes; with fewer it shrinks in proportion."""

    cls_pw: float = 1.0
    """Weight of what is a class against what is not."""

    obj: float = 1.0
    """Weight of objectness at 640 px; it grows and shrinks with the area of the network's input."""

    obj_pw: float = 1.0
    """Weight of cells with an object against those without."""

    anchor_t: float = ANCHOR_THRESHOLD
    """Largest ratio of an object's side to that of an anchor that is responsible for it."""

    fl_gamma: float = 0.0
    """Exponent of the focal loss (Lin et al. 2017) for objectness and classes; 0 is plain cross entropy."""

    label_smoothing: float = 0.0
    """How far class targets stay away from 0 and 1 together, 0..1."""
