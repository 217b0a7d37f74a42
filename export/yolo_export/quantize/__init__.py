"""Post-training quantisation of the ONNX intermediate, calibrated on images. Importing it imports no numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yolo_edge.lazy_names import lazy_names

if TYPE_CHECKING:
    from yolo_export.quantize.calibration import Calibration, CalibrationError, open_calibration
    from yolo_export.quantize.onnx_int8 import quantize_onnx, quantized_layers
    from yolo_export.quantize.ranges import METHODS

__all__ = [
    "METHODS",
    "Calibration",
    "CalibrationError",
    "open_calibration",
    "quantize_onnx",
    "quantized_layers",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "METHODS": "ranges",
        "Calibration": "calibration",
        "CalibrationError": "calibration",
        "open_calibration": "calibration",
        "quantize_onnx": "onnx_int8",
        "quantized_layers": "onnx_int8",
    },
)
