"""ONNX files with int8 weights and 8-bit maps for onnxruntime, as QuantizeLinear and DequantizeLinear pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from yolo_edge.packages import require
from yolo_export.errors import ConversionError
from yolo_export.quantize.calibration import Calibration
from yolo_export.quantize.ranges import DEFAULT_METHOD, Distribution, measure, range_of

__all__ = ["float_layers", "quantize_onnx", "quantized_layers"]

_INSTALL = "pip install 'yolo-edge[export]'"
_OPERATORS = ("Add", "Concat", "Conv", "MaxPool", "Mul", "Relu", "Resize", "Sigmoid", "Split")
"""What onnxruntime computes on 8-bit maps."""


def quantize_onnx(
    model: bytes,
    calibration: Calibration,
    method: str = DEFAULT_METHOD,
    keep_float: Sequence[str] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> bytes:
    """Quantise a network with raw heads: int8 weights for each output channel, 8-bit maps.

    The heads leave the graph as the convolutions compute them, in float: 256 levels would be too few for scores.

    Args:
        model: An ONNX file with constants folded; for onnxruntime in the form ``shuffle-free``.
        calibration: Images that the ranges of the maps are measured on.
        method: How a range follows from the values: see `yolo_export.quantize.ranges.METHODS`.
        keep_float: Names of convolutions that stay in float, with their activations; from `quantized_layers`.
        progress: Gets a short line before each long step.

    Raises:
        ValueError: An unknown method or layer.
        CalibrationError: An image does not decode.
        ConversionError: The network computes what is not finite.
        MissingExtraError: A package of the extra ``export`` is not installed.
    """
    onnx = require("onnx", "quantising for onnxruntime", _INSTALL)
    loaded = onnx.load_from_string(model)
    unknown = sorted(set(keep_float) - set(quantized_layers(model)))
    if unknown:
        raise ValueError(f"no convolution is called {', '.join(unknown)}; known: {quantized_layers(model)}")
    distributions = measure(model, calibration, progress)
    progress("quantising")
    ranges = {name: range_of(each, method) for name, each in distributions.items()}
    kept = float_layers(loaded.graph, keep_float)
    quantised = _with_pairs(onnx, loaded, ranges, kept)
    _heads_in_float(onnx, quantised, [output.name for output in loaded.graph.output])
    quantised.ir_version = loaded.ir_version
    onnx.checker.check_model(quantised)
    data: bytes = quantised.SerializeToString(deterministic=True)
    return data


def quantized_layers(model: bytes) -> list[str]:
    """Names of the convolutions of a graph, in its order: what can be left in float."""
    onnx = require("onnx", "quantising for onnxruntime", _INSTALL)
    return [node.name for node in onnx.load_from_string(model).graph.node if node.op_type == "Conv"]


def float_layers(graph: Any, names: Sequence[str]) -> set[str]:
    """Convolutions with the activations behind them.

    Args:
        graph: ``GraphProto``.
        names: Of the convolutions.
    """
    wanted = set(names)
    kept: set[str] = set()
    maps: set[str] = set()
    for node in graph.node:
        follows = node.op_type in ("Relu", "Sigmoid", "Mul") and maps.issuperset(node.input)
        if node.name in wanted or follows:
            kept.add(node.name)
            maps.update(node.output)
    return kept


def _with_pairs(onnx: Any, model: Any, ranges: dict[str, tuple[float, float]], kept: set[str]) -> Any:
    """The graph with a pair at each 8-bit map."""
    require("onnxruntime", "quantising for onnxruntime", _INSTALL)
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorData, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    data = {
        name: TensorData(lowest=np.float32(low), highest=np.float32(high))
        for name, (low, high) in ranges.items()
    }
    quantizer = QDQQuantizer(
        onnx.shape_inference.infer_shapes(model),
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, data),
        nodes_to_quantize=[],
        nodes_to_exclude=sorted(kept),
        op_types_to_quantize=list(_OPERATORS),
        extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    return quantizer.model.model


def _heads_in_float(onnx: Any, model: Any, names: Sequence[str]) -> None:
    """Take the pairs between the detection convolutions and the outputs away."""
    graph = model.graph
    makers = {output: node for node in graph.node for output in node.output}
    readers: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
    for name in names:
        last = makers[name]
        if last.op_type != "DequantizeLinear":
            continue
        quantise = makers[last.input[0]]
        maker = makers[quantise.input[0]]
        if readers[quantise.input[0]] > 1 or readers[quantise.output[0]] > 1:
            raise ConversionError(f"the head {name} is read inside of the network too")
        maker.output[list(maker.output).index(quantise.input[0])] = name
        graph.node.remove(last)
        graph.node.remove(quantise)
    used = {name for node in graph.node for name in node.input}
    constants = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(constants)
