"""Weights of convolutions in 8 bits: their steps, and biases that make up for the rounding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from yolo_export.quantize.ranges import Floats, MapRange

__all__ = ["correct_biases", "weight_scales", "weight_steps"]

_LARGEST = 127
"""Of a weight, in steps."""
_LARGEST_BIAS = 2**30
"""In steps; it is an int32, and the sums are added to it."""


def weight_steps(weight: npt.NDArray[np.float32]) -> Floats:
    """The smallest step of each output channel with which no sum in the network saturates.

    With AVX2 and no VNNI onnxruntime multiplies unsigned 8-bit maps by signed weights with VPMADDUBSW, which
    adds two products in 16 bits and saturates. The two weights are neighbours in the order height, width,
    input channel, the first of them at an even place. 255 times both must stay below 2^15, so weights of one
    sign may add up to 128, of which 1 is left for rounding. Where no two large weights meet, they keep all
    8 bits. Depthwise convolutions have a kernel of their own, which multiplies in 16 bits. (Unsigned weights
    do not saturate, but have no kernel that is faster than float's.)

    Args:
        weight: (output channels, input channels, height, width).

    Returns:
        (output channels,); 0 where all weights are 0.
    """
    rows = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1).astype(np.float64)
    largest: Floats = np.abs(rows).max(1)
    if weight.shape[1] > 1:
        pairs = np.pad(rows, ((0, 0), (0, rows.shape[1] % 2))).reshape(len(rows), -1, 2)
        largest = np.maximum(np.maximum(pairs, 0).sum(2), np.maximum(-pairs, 0).sum(2)).max(1)
    return largest / _LARGEST


def weight_scales(
    onnx: Any, graph: Any, ranges: Mapping[str, MapRange]
) -> dict[str, npt.NDArray[np.float32]]:
    """The step of each output channel, by name of the weights.

    A channel's bias is an int32 in steps of the weights' times the input's. Training leaves channels whose
    weights are next to nothing: their bias would not fit, so their weights get larger steps.

    Args:
        onnx: The package.
        graph: ``GraphProto``.
        ranges: Of the maps.
    """
    largest: dict[str, Floats] = {}
    for node, weight, bias in _convolutions(onnx, graph):
        steps = weight_steps(weight)
        span = ranges[node.input[0]].high - ranges[node.input[0]].low
        if span > 0:
            steps = np.maximum(steps, np.abs(bias) / (span / 255 * _LARGEST_BIAS))
        # Several convolutions may share weights, with a bias each.
        steps = np.maximum(steps, largest.get(node.input[1], 0.0))
        largest[node.input[1]] = steps
    return {name: np.where(steps > 0, steps, 1.0).astype(np.float32) for name, steps in largest.items()}


def correct_biases(
    onnx: Any,
    graph: Any,
    ranges: Mapping[str, MapRange],
    scales: Mapping[str, npt.NDArray[np.float32]],
    kept: set[str],
) -> None:
    """Add to each bias, in place, what rounded weights take from the mean of their channel.

    The rounding errors of a channel's weights do not cancel out, for a map's values are not zero on average
    (Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, section 4.2; the
    means here are measured).

    Args:
        onnx: The package.
        graph: ``GraphProto``.
        ranges: Of the maps, with the means of their channels.
        scales: From `weight_scales`.
        kept: Convolutions that stay in float.
    """
    added = []
    for node, weight, bias in _convolutions(onnx, graph):
        means = ranges[node.input[0]].means
        if node.name in kept or not means.size:
            continue
        exact = weight.astype(np.float64)
        steps = scales[node.input[1]].astype(np.float64)[:, None, None, None]
        lost = (exact - np.clip(np.rint(exact / steps), -_LARGEST - 1, _LARGEST) * steps).sum((2, 3))
        # A group of output channels reads as many input channels as the weights have.
        groups = len(means) // lost.shape[1]
        shift = np.einsum("goi,gi->go", lost.reshape(groups, -1, lost.shape[1]), means.reshape(groups, -1))
        name = f"{node.output[0]}/corrected"
        added.append(onnx.numpy_helper.from_array((bias + shift.reshape(-1)).astype(np.float32), name))
        del node.input[2:]
        node.input.append(name)
    graph.initializer.extend(added)


def _convolutions(onnx: Any, graph: Any) -> Iterator[tuple[Any, npt.NDArray[np.float32], Floats]]:
    """Those of constant weights, with weights and bias; a bias that is missing is 0."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type != "Conv" or node.input[1] not in constants:
            continue
        weight = onnx.numpy_helper.to_array(constants[node.input[1]])
        if len(node.input) < 3:
            yield node, weight, np.zeros(len(weight))
        elif node.input[2] in constants:
            yield node, weight, onnx.numpy_helper.to_array(constants[node.input[2]]).astype(np.float64)
