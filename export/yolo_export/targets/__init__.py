"""Export targets: one file per engine. Importing the package imports no torch."""

from __future__ import annotations

from yolo_export.targets import mnn as _mnn  # noqa: F401  (fills the registry)
from yolo_export.targets import ncnn as _ncnn  # noqa: F401
from yolo_export.targets import onnx as _onnx  # noqa: F401
from yolo_export.targets import openvino as _openvino  # noqa: F401
from yolo_export.targets.base import Quantization, Target, TargetResult, create_target, target_names
from yolo_export.targets.intermediate import DEFAULT_OPSET, OPSETS, Intermediate, OnnxIntermediate

__all__ = [
    "DEFAULT_OPSET",
    "OPSETS",
    "Intermediate",
    "OnnxIntermediate",
    "Quantization",
    "Target",
    "TargetResult",
    "create_target",
    "target_names",
]
