"""What the checkpoints of yolo-train hold."""

from __future__ import annotations

from typing import Any

from checkpoints import ANCHORS_PX, STRIDES, yolov5

from yolo_export.checkpoint.trained import FORMAT, FORMAT_VERSION
from yolo_export.models import describe_network

__all__ = ["trained_content"]


def trained_content(classes: int = 3) -> dict[str, Any]:
    """What ``best.pt`` of a small network holds."""
    network = yolov5(classes)
    weights = {
        "model." + name[len("layers.") :]: tensor
        for name, tensor in network.state_dict().items()
        if tensor.is_floating_point()
    }
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "network": describe_network(network),
        "weights": weights,
        "names": [f"name{index}" for index in range(classes)],
        "strides": list(STRIDES),
        "anchors_px": [[list(pair) for pair in head] for head in ANCHORS_PX],
        "epoch": 7,
        "opt": {"imgsz": 320},
    }
