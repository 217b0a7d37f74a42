"""Post-training quantisation of the ONNX intermediate. Importing the package imports no numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yolo_edge.lazy_names import lazy_names

if TYPE_CHECKING:
    from yolo_export.quantize.calibration import Calibration, CalibrationError, open_calibration
    from yolo_export.quantize.onnx_int8 import quantize_onnx, quantized_layers
    from yolo_export.quantize.openvino_int8 import quantize_openvino
    from yolo_export.quantize.ranges import DEFAULT_METHOD, METHODS
    from yolo_export.quantize.sensitivity import (
        AutomaticResult,
        LayerNoise,
        draw_sensitivity,
        fewest_float_layers,
        layer_noise,
        sensitivity_table,
        with_gains,
    )

__all__ = [
    "DEFAULT_METHOD",
    "METHODS",
    "AutomaticResult",
    "Calibration",
    "CalibrationError",
    "LayerNoise",
    "draw_sensitivity",
    "fewest_float_layers",
    "layer_noise",
    "open_calibration",
    "quantize_onnx",
    "quantize_openvino",
    "quantized_layers",
    "sensitivity_table",
    "with_gains",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "DEFAULT_METHOD": "ranges",
        "METHODS": "ranges",
        "AutomaticResult": "sensitivity",
        "LayerNoise": "sensitivity",
        "draw_sensitivity": "sensitivity",
        "fewest_float_layers": "sensitivity",
        "layer_noise": "sensitivity",
        "sensitivity_table": "sensitivity",
        "with_gains": "sensitivity",
        "quantize_openvino": "openvino_int8",
        "Calibration": "calibration",
        "CalibrationError": "calibration",
        "open_calibration": "calibration",
        "quantize_onnx": "onnx_int8",
        "quantized_layers": "onnx_int8",
    },
)
