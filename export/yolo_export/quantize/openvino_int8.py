"""OpenVINO models with int8 weights and 8-bit maps, quantised by NNCF."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

from yolo_edge.packages import require, require_openvino
from yolo_export.errors import ConversionError
from yolo_export.openvino_ir import read_network
from yolo_export.quantize.calibration import Calibration
from yolo_export.quantize.onnx_int8 import check_layers

__all__ = ["quantize_openvino"]

_INSTALL = "pip install 'yolo-edge[quantize]'"


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
    nncf = _require_nncf()
    nncf.set_log_level(logging.ERROR)
    network = read_network(openvino, model)
    # A convolution with a bias becomes two operators.
    present = {operator.get_friendly_name() for operator in network.get_ops()}
    kept = [f"{name}/WithoutBiases" if f"{name}/WithoutBiases" in present else name for name in keep_float]
    progress("quantising with NNCF")
    # A list, for NNCF goes through it several times.
    images = list(calibration.tensors(progress))
    try:
        # It draws its own progress on stdout, which is for data.
        with contextlib.redirect_stdout(io.StringIO()):
            return nncf.quantize(
                network,
                nncf.Dataset(images),
                subset_size=len(images),
                preset=nncf.QuantizationPreset.MIXED,
                ignored_scope=nncf.IgnoredScope(names=kept) if kept else None,
            )
    except (nncf.InternalError, nncf.UnsupportedModelError, nncf.ValidationError) as error:
        raise ConversionError(f"NNCF cannot quantise the network: {error}") from error


def _require_nncf() -> Any:
    """NNCF without the telemetry of OpenVINO, which it would report each quantisation with."""
    telemetry = "openvino_telemetry"
    before = sys.modules.get(telemetry)
    sys.modules[telemetry] = None  # type: ignore[assignment]  # Python's way to say: cannot be imported
    try:
        return require("nncf", "quantising for OpenVINO", _INSTALL)
    finally:
        if before is None:
            del sys.modules[telemetry]
        else:
            sys.modules[telemetry] = before
