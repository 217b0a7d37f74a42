"""What an evaluation asks of decoding and NMS."""

from __future__ import annotations

from yolo_edge.options import DetectOptions

EVALUATION_OPTIONS = DetectOptions(conf=0.001, iou=0.6, multi_label=True, max_detections=300)
"""Nearly every box, every class of it: average precision weighs the confidence itself.

The values are those with which YOLOv5 and YOLOv5-Lite publish their figures (``val.py``, ``test.py``).
"""
