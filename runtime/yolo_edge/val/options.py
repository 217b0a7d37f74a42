"""What an evaluation asks of decoding and NMS, and where its confusion matrix is taken."""

from __future__ import annotations

from dataclasses import dataclass

from yolo_edge.finite import is_finite_number
from yolo_edge.options import DetectOptions

EVALUATION_OPTIONS = DetectOptions(conf=0.001, iou=0.6, multi_label=True, max_detections=300)
"""Nearly every box, every class of it: average precision weighs the confidence itself.

The values are those with which YOLOv5 and YOLOv5-Lite publish their figures (``val.py``, ``test.py``).
"""


@dataclass(frozen=True)
class ConfusionThresholds:
    """Which boxes enter a confusion matrix, and when a box and an object belong together.

    Raises:
        ValueError: A value outside its range; the message names it and the range.
    """

    conf: float = 0.25
    """Confidence threshold, 0..1: boxes at or below it are left out."""

    iou: float = 0.45
    """IoU, above 0 and up to 1, from which a box may belong to an object."""

    def __post_init__(self) -> None:
        for name, allowed in (("conf", "from 0 to 1"), ("iou", "above 0 and at most 1")):
            value = getattr(self, name)
            in_range = is_finite_number(value) and 0 <= value <= 1
            if not in_range or (name == "iou" and value == 0):
                raise ValueError(
                    f"{name} of the confusion matrix is {value!r}; it must be a number {allowed}"
                )
