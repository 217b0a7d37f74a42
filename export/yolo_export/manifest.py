"""What a bundle says of its model."""

from __future__ import annotations

from typing import Any

from yolo_edge import __version__
from yolo_edge.bundle import SCHEMA, ModelInput
from yolo_export.source import Source

__all__ = ["make_manifest"]


def make_manifest(source: Source, model_input: ModelInput, versions: dict[str, str]) -> dict[str, Any]:
    """What ``bundle.json`` says of the model, without targets.

    Args:
        source: What is exported.
        model_input: How images become tensors.
        versions: Of the tools that take part, by package name.
    """
    return {
        "schema": SCHEMA,
        "requires": [],
        "model": {"family": source.family, "task": "detect", "names": list(source.names)},
        "input": {
            "channels": model_input.channels,
            "mean": list(model_input.mean),
            "scale": list(model_input.scale),
            "pad_value": model_input.pad_value,
            "letterbox": model_input.letterbox,
            "size_hw": list(model_input.size_hw),
            "stride": model_input.stride,
        },
        "heads": [
            {"stride": stride, "anchors_px": [list(anchor) for anchor in anchors]}
            for stride, anchors in zip(source.strides, source.anchors_px)
        ],
        "targets": [],
        "provenance": {
            **source.provenance,
            "versions": {"yolo_edge": __version__, **versions},
        },
        "verification": [],
    }
