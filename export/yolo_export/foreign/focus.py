"""Replaces Focus, four strided slices of the image before a convolution, which pnnx cannot convert.

A convolution of k x k over the four half-size images is one of 2k x 2k with stride 2 over the image itself,
with the same numbers in other places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["fold_focus"]

_ROWS, _COLUMNS = 2, 3


@dataclass(frozen=True)
class _Part:
    """Every second row and column of a tensor, from an offset of 0 or 1."""

    tensor: str
    row: int
    column: int


def fold_focus(onnx: Any, model: Any) -> None:
    """Changes every Focus of a simplified graph in place; the graph computes the same.

    Args:
        onnx: The package.
        model: ``ModelProto`` whose constants are folded.
    """
    graph = model.graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            constants[node.output[0]] = onnx.numpy_helper.to_array(node.attribute[0].t)
    makers = {name: node for node in graph.node for name in node.output}
    readers: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
    for node in graph.node:
        if node.op_type != "Conv" or readers.get(node.input[0]) != 1 or node.input[1] not in constants:
            continue
        parts = _parts(makers.get(node.input[0]), makers, constants)
        weight = constants[node.input[1]]
        if parts and _is_plain(node) and weight.shape[1] % len(parts) == 0:
            name = f"{node.input[1]}_focus"
            graph.initializer.append(onnx.numpy_helper.from_array(_spread(weight, parts), name))
            node.input[0], node.input[1] = parts[0].tensor, name
            _double(node)
    _drop_unread(graph)
    del graph.value_info[:]


def _parts(node: Any, makers: dict[str, Any], constants: dict[str, Any]) -> list[_Part]:
    """What a Concat along the channels joins, if that is four parts of one tensor; else nothing."""
    if node is None or node.op_type != "Concat" or [a.i for a in node.attribute if a.name == "axis"] != [1]:
        return []
    parts = []
    for name in node.input:
        offsets: dict[int, int] = {}
        while name in makers and makers[name].op_type == "Slice":
            found = _strided(makers[name], constants)
            if not found or found.keys() & offsets.keys():
                return []
            offsets.update(found)
            name = makers[name].input[0]
        if offsets.keys() != {_ROWS, _COLUMNS}:
            return []
        parts.append(_Part(name, offsets[_ROWS], offsets[_COLUMNS]))
    places = {(part.row, part.column) for part in parts}
    one_tensor = len({part.tensor for part in parts}) == 1
    return parts if one_tensor and len(parts) == 4 and len(places) == 4 else []


def _strided(node: Any, constants: dict[str, Any]) -> dict[int, int]:
    """Offset by axis of a slice that takes every second row or column to the end; else nothing."""
    names = list(node.input[1:])
    if len(names) != 4 or any(name not in constants for name in names):
        return {}
    starts, ends, axes, steps = (constants[name].reshape(-1).tolist() for name in names)
    # The end of an open side is written as a huge number, that of a fixed one as its length.
    if any(step != 2 for step in steps) or any(start not in (0, 1) for start in starts):
        return {}
    if any(axis not in (_ROWS, _COLUMNS) for axis in axes) or any(end < 1 << 30 for end in ends):
        return {}
    return dict(zip(axes, starts))


def _is_plain(node: Any) -> bool:
    """Whether a convolution has neither groups nor dilation nor automatic padding."""
    for attribute in node.attribute:
        if attribute.name == "group" and attribute.i != 1:
            return False
        if attribute.name == "dilations" and any(step != 1 for step in attribute.ints):
            return False
        if attribute.name == "auto_pad" and attribute.s not in (b"", b"NOTSET"):
            return False
    return {"pads", "strides", "kernel_shape"} <= {attribute.name for attribute in node.attribute}


def _spread(weight: npt.NDArray[np.float32], parts: list[_Part]) -> npt.NDArray[np.float32]:
    """The weights (out, in, 2k, 2k) for the whole tensor, of those (out, 4*in, k, k) for its parts."""
    outputs, channels, height, width = weight.shape
    each = channels // len(parts)
    spread = np.zeros((outputs, each, 2 * height, 2 * width), weight.dtype)
    for i, part in enumerate(parts):
        spread[:, :, part.row :: 2, part.column :: 2] = weight[:, i * each : (i + 1) * each]
    return spread


def _double(node: Any) -> None:
    for attribute in node.attribute:
        if attribute.name in ("pads", "strides", "kernel_shape"):
            attribute.ints[:] = [2 * number for number in attribute.ints]


def _drop_unread(graph: Any) -> None:
    """Removes nodes and constants that nothing reads any more."""
    while True:
        read = {name for node in graph.node for name in node.input} | {o.name for o in graph.output}
        kept = [node for node in graph.node if read.intersection(node.output)]
        if len(kept) == len(graph.node):
            break
        del graph.node[:]
        graph.node.extend(kept)
    constants = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(constants)
