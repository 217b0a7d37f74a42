"""Takes out of a quantised ONNX graph what only costs bytes: long names, repeated constants, noted shapes.

Pairs triple the number of operators and constants of a small network, and every name is in the file twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["compact"]

_PAIR = ("QuantizeLinear", "DequantizeLinear")


def compact(model: Any) -> None:
    """Shorten a graph in place; what it computes stays the same.

    Inputs, outputs and operators other than pairs keep their names.

    Args:
        model: ``ModelProto`` without subgraphs.
    """
    graph = model.graph
    del graph.value_info[:]
    names: dict[str, str] = {"": ""}
    constants: dict[bytes, str] = {}
    kept = []
    read = {name for node in graph.node for name in node.input}
    for tensor in graph.initializer:
        if tensor.name not in read:
            continue
        bare = type(tensor)()
        bare.CopyFrom(tensor)
        bare.ClearField("name")
        content = bare.SerializeToString(deterministic=True)
        if content in constants:
            names[tensor.name] = constants[content]
        else:
            names[tensor.name] = constants[content] = tensor.name
            kept.append(type(tensor).FromString(tensor.SerializeToString()))
    del graph.initializer[:]
    graph.initializer.extend(kept)

    fixed = {value.name for value in (*graph.input, *graph.output)}
    short = _short_names(fixed)
    shortened: dict[str, str] = {name: name for name in fixed}

    def renamed(name: str) -> str:
        first = names.get(name, name)
        if first and first not in shortened:
            shortened[first] = next(short)
        return shortened.get(first, "")

    for tensor in graph.initializer:
        tensor.name = renamed(tensor.name)
    for node in graph.node:
        for part in (node.input, node.output):
            changed = [renamed(name) for name in part]
            del part[:]
            part.extend(changed)
        if node.op_type in _PAIR:
            node.ClearField("name")


def _short_names(taken: set[str]) -> Iterator[str]:
    number = 0
    while True:
        name = f"{number:x}"
        number += 1
        if name not in taken:
            yield name
