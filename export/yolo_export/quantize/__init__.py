"""Post-training quantisation of the ONNX intermediate. Importing the package imports no numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yolo_edge.lazy_names import lazy_names

if TYPE_CHECKING:
    from yolo_export.quantize.calibration import Calibration, CalibrationError, open_calibration
    from yolo_export.quantize.float_layers import (
        AutomaticResult,
        fewest_float_layers,
        noisiest_first,
        with_gains,
    )
    from yolo_export.quantize.onnx_int8 import quantize_onnx, quantized_layers
    from yolo_export.quantize.openvino_int8 import quantize_openvino
    from yolo_export.quantize.ranges import METHODS
    from yolo_export.quantize.sensitivity import LayerNoise, layer_noise
    from yolo_export.quantize.sensitivity_report import draw_sensitivity, sensitivity_rows, sensitivity_table

__all__ = [
    "METHODS",
    "AutomaticResult",
    "Calibration",
    "CalibrationError",
    "LayerNoise",
    "draw_sensitivity",
    "fewest_float_layers",
    "layer_noise",
    "noisiest_first",
    "open_calibration",
    "quantize_onnx",
    "quantize_openvino",
    "quantized_layers",
    "sensitivity_rows",
    "sensitivity_table",
    "with_gains",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "METHODS": "ranges",
        "AutomaticResult": "float_layers",
        "fewest_float_layers": "float_layers",
        "noisiest_first": "float_layers",
        "with_gains": "float_layers",
        "LayerNoise": "sensitivity",
        "layer_noise": "sensitivity",
        "draw_sensitivity": "sensitivity_report",
        "sensitivity_rows": "sensitivity_report",
        "sensitivity_table": "sensitivity_report",
        "quantize_openvino": "openvino_int8",
        "Calibration": "calibration",
        "CalibrationError": "calibration",
        "open_calibration": "calibration",
        "quantize_onnx": "onnx_int8",
        "quantized_layers": "onnx_int8",
    },
)
