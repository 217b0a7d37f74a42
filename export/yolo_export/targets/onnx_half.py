"""Weights of an ONNX file in half precision; the arithmetic stays float32."""

from __future__ import annotations

import numpy as np

from yolo_edge.packages import require
from yolo_export.targets.intermediate import INSTALL

__all__ = ["half_weights"]

#: Operators whose constant inputs are weights. Those of others, such as sizes, are small, and some readers
#: want them as they are.
_WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


def half_weights(model: bytes) -> bytes:
    """Store weights as float16, each with a ``Cast`` to float32 behind it.

    The cast is exact, and onnxruntime does it once, when it loads the file: the network computes in float32
    with rounded weights, as fast as before. Weights that float16 cannot hold (beyond 65504) stay as they are.

    Args:
        model: An ONNX file with float32 weights.

    Returns:
        The file with half of the bytes.
    """
    onnx = require("onnx", "exporting to ONNX", INSTALL)
    graph = onnx.load_from_string(model)
    readers: dict[str, set[str]] = {}
    for node in graph.graph.node:
        for name in node.input:
            readers.setdefault(name, set()).add(node.op_type)
    casts = []
    for tensor in graph.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or not readers.get(tensor.name, set()) <= _WEIGHTED:
            continue
        values = onnx.numpy_helper.to_array(tensor)
        # An overflow is infinite, which is looked at.
        with np.errstate(over="ignore"):
            halves = values.astype(np.float16)
        if not np.isfinite(halves).all():
            continue
        name = f"{tensor.name}_fp16"
        casts.append(
            onnx.helper.make_node(
                "Cast", [name], [tensor.name], name=f"{name}_cast", to=onnx.TensorProto.FLOAT
            )
        )
        tensor.CopyFrom(onnx.numpy_helper.from_array(halves, name))
    nodes = [*casts, *graph.graph.node]
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    onnx.checker.check_model(graph)
    data: bytes = graph.SerializeToString(deterministic=True)
    return data
