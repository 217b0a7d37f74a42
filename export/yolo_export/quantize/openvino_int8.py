"""OpenVINO models with int8 weights and 8-bit maps, quantised by NNCF."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Sequence
from typing import Any

from yolo_edge.packages import require, require_openvino
from yolo_export.errors import ConversionError
from yolo_export.quantize.calibration import Calibration
from yolo_export.quantize.onnx_int8 import check_layers

__all__ = ["quantize_openvino"]

_INSTALL = "pip install 'yolo-edge[openvino,quantize]'"


def quantize_openvino(
    model: bytes,
    calibration: Calibration,
    keep_float: Sequence[str] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> Any:
    """Quantise a network with raw heads by NNCF's post-training quantisation.

    NNCF chooses the ranges itself, so there is no method to name. The heads leave the graph in float.

    Args:
        model: An ONNX file with constants folded, in the form ``shuffle-free``.
        calibration: Images that the ranges of the maps are measured on.
        keep_float: Names of convolutions that stay in float; from `quantized_layers`.
        progress: Gets a short line before each long step.

    Returns:
        An ``openvino.Model``; `openvino.save_model` writes it.

    Raises:
        ValueError: An unknown layer.
        CalibrationError: An image does not decode.
        ConversionError: OpenVINO or NNCF refuses the network.
        MissingExtraError: A package of the extra ``quantize`` is not installed.
    """
    check_layers(model, keep_float)
    openvino = require_openvino("quantising for OpenVINO", _INSTALL)
    nncf = require("nncf", "quantising for OpenVINO", _INSTALL)
    nncf.set_log_level(logging.ERROR)
    try:
        network = openvino.Core().read_model(io.BytesIO(model))
    except RuntimeError as error:
        raise ConversionError(f"OpenVINO cannot convert the network: {error}") from error
    # A convolution with a bias becomes two operators.
    present = {operator.get_friendly_name() for operator in network.get_ops()}
    kept = [f"{name}/WithoutBiases" if f"{name}/WithoutBiases" in present else name for name in keep_float]
    progress("quantising with NNCF")
    # A list, for NNCF goes through it several times.
    images = list(calibration.tensors(progress))
    return nncf.quantize(
        network,
        nncf.Dataset(images),
        subset_size=len(images),
        preset=nncf.QuantizationPreset.MIXED,
        ignored_scope=nncf.IgnoredScope(names=kept) if kept else None,
    )
