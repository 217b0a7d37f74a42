"""ONNX files with 8-bit weights and maps: QuantizeLinear and DequantizeLinear pairs for onnxruntime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from yolo_edge.packages import require
from yolo_export.errors import ConversionError
from yolo_export.gate_options import DEFAULT_METHOD
from yolo_export.quantize.calibration import Calibration
from yolo_export.quantize.compact import compact
from yolo_export.quantize.onnx_weights import correct_biases, weight_scales
from yolo_export.quantize.ranges import (
    Activation,
    Distribution,
    MapRange,
    check_method,
    measure,
    range_of,
)

__all__ = [
    "Ranges",
    "check_layers",
    "float_layers",
    "map_ranges",
    "quantize_onnx",
    "quantize_with_ranges",
    "quantized_layers",
]

#: The range of each map, by its name.
Ranges = dict[str, MapRange]

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
    """Quantise a network with raw heads: 8-bit maps, 8-bit weights with a step for each output channel.

    The heads leave the graph as the convolutions compute them, in float: 256 levels are too few for scores.

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
    check_layers(model, keep_float)
    return quantize_with_ranges(model, map_ranges(model, calibration, method, progress), keep_float, progress)


def map_ranges(
    model: bytes,
    calibration: Calibration,
    method: str = DEFAULT_METHOD,
    progress: Callable[[str], None] = lambda _: None,
) -> Ranges:
    """The range of each map, by name; the arguments are those of `quantize_onnx`."""
    onnx = require("onnx", "quantising for onnxruntime", _INSTALL)
    check_method(method)
    distributions = measure(model, calibration, progress)
    progress(f"choosing ranges by {method}")
    return _ranges(onnx.load_from_string(model).graph, distributions, method)


def quantize_with_ranges(
    model: bytes,
    ranges: Ranges,
    keep_float: Sequence[str] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> bytes:
    """The same as `quantize_onnx` with ranges that are known already, from `map_ranges`."""
    onnx = require("onnx", "quantising for onnxruntime", _INSTALL)
    check_layers(model, keep_float)
    progress("quantising")
    loaded = onnx.load_from_string(model)
    quantised = _with_pairs(onnx, loaded, ranges, float_layers(loaded.graph, keep_float))
    _heads_in_float(quantised, [output.name for output in loaded.graph.output])
    compact(quantised)
    quantised.ir_version = loaded.ir_version
    onnx.checker.check_model(quantised)
    data: bytes = quantised.SerializeToString(deterministic=True)
    return data


def quantized_layers(model: bytes) -> list[str]:
    """Names of the convolutions of a graph, in its order: what can be left in float."""
    onnx = require("onnx", "quantising for onnxruntime", _INSTALL)
    return [node.name for node in onnx.load_from_string(model).graph.node if node.op_type == "Conv"]


def check_layers(model: bytes, names: Sequence[str]) -> None:
    """Refuse names that are no convolution's of a graph.

    Raises:
        ValueError: Lists them, and what there is.
    """
    known = quantized_layers(model)
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(f"the network has no convolution {', '.join(unknown)}; it has: {', '.join(known)}")


def float_layers(graph: Any, names: Sequence[str]) -> set[str]:
    """Convolutions with the operators around them that then stay in float too.

    Another operator has 8-bit maps only between quantised convolutions: where one feeds it, directly or
    through other operators, and one reads what it makes.

    Args:
        graph: ``GraphProto``.
        names: Of the convolutions.
    """
    wanted = set(names)
    fed: set[str] = set()
    for node in graph.node:
        if node.name not in wanted if node.op_type == "Conv" else fed.intersection(node.input):
            fed.update(node.output)
    read: set[str] = set()
    for node in reversed(graph.node):
        if node.name not in wanted if node.op_type == "Conv" else read.intersection(node.output):
            read.update(node.input)
    between = {
        node.name for node in graph.node if fed.intersection(node.input) and read.intersection(node.output)
    }
    return {
        node.name
        for node in graph.node
        if (node.name in wanted if node.op_type == "Conv" else node.name not in between)
    }


def _ranges(graph: Any, distributions: dict[str, Distribution], method: str) -> Ranges:
    """The range of every map, with a view to the activation behind it."""
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    ranges = {}
    for name, distribution in distributions.items():
        behind = sorted(node.op_type for node in readers.get(name, []))
        low, high = range_of(distribution, method, _ACTIVATIONS.get(tuple(behind), lambda values: values))
        ranges[name] = MapRange(low, high, distribution.means)
    return ranges


def _silu(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    result: npt.NDArray[np.float64] = values / (1 + np.exp(-values))
    return result


def _relu(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.maximum(values, 0)


#: What a map goes through next, by the operators that read it.
_ACTIVATIONS: dict[tuple[str, ...], Activation] = {("Mul", "Sigmoid"): _silu, ("Relu",): _relu}


def _with_pairs(onnx: Any, model: Any, ranges: Ranges, kept: set[str]) -> Any:
    """The graph with a pair at each 8-bit map; the model that is given is changed."""
    require("onnxruntime", "quantising for onnxruntime", _INSTALL)
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorData, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    data = {
        name: TensorData(lowest=np.float32(each.low), highest=np.float32(each.high))
        for name, each in ranges.items()
    }
    scales = weight_scales(onnx, model.graph, ranges)
    correct_biases(onnx, model.graph, ranges, scales, kept)
    zero = np.array(0, np.int8)
    overrides = {
        name: [
            {"quant_type": QuantType.QInt8, "scale": np.array(step), "zero_point": zero}
            | ({"axis": 0} if number == 0 else {})
            for number, step in enumerate(steps)
        ]
        for name, steps in scales.items()
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
        extra_options={
            "ActivationSymmetric": False,
            "WeightSymmetric": True,
            "TensorQuantOverrides": overrides,
        },
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    return quantizer.model.model


def _heads_in_float(model: Any, names: Sequence[str]) -> None:
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
