"""Finds channel shuffles in an ONNX graph: Reshape, Transpose, Reshape."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

__all__ = ["find_shuffles"]

#: Swaps groups and the channels of each in (1, groups, channels, H, W), and in (groups, channels, H, W).
_SWAPS = {5: [0, 2, 1, 3, 4], 4: [1, 0, 2, 3]}


def find_shuffles(
    graph: Any, constants: dict[str, npt.NDArray[Any]], shapes: dict[str, list[int]]
) -> tuple[dict[int, tuple[str, int]], set[int]]:
    """Find the channel shuffles of a graph for one image.

    Args:
        graph: ``GraphProto``.
        constants: By name.
        shapes: By name; 0 for a side that is open.

    Returns:
        For the number of the last operator of each shuffle the map that is shuffled and the number of groups;
        and the numbers of the operators before, which nothing else reads.
    """
    numbers = {name: number for number, node in enumerate(graph.node) for name in node.output}
    readers: dict[str, int] = {output.name: 1 for output in graph.output}
    for node in graph.node:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
    shuffles, inside = {}, set()
    for number, last in enumerate(graph.node):
        middle = graph.node[numbers.get(last.input[0], number)] if last.input else last
        first = graph.node[numbers.get(middle.input[0], number)] if middle.input else last
        if [node.op_type for node in (first, middle, last)] != ["Reshape", "Transpose", "Reshape"]:
            continue
        if readers[first.output[0]] != 1 or readers[middle.output[0]] != 1:
            continue
        groups = _groups(first, middle, last, constants, shapes)
        if groups:
            shuffles[number] = (first.input[0], groups)
            inside |= {numbers[first.output[0]], numbers[middle.output[0]]}
    return shuffles, inside


def _groups(
    first: Any, middle: Any, last: Any, constants: dict[str, npt.NDArray[Any]], shapes: dict[str, list[int]]
) -> int:
    """Number of groups if three operators are a channel shuffle of one image, else 0."""
    if first.input[1] not in constants or last.input[1] not in constants:
        return 0
    before = shapes.get(first.input[0], [])
    split, joined = constants[first.input[1]].tolist(), constants[last.input[1]].tolist()
    swap = next((list(a.ints) for a in middle.attribute if a.name == "perm"), [])
    if len(before) != 4 or before[0] != 1 or swap != _SWAPS.get(len(split)) or len(joined) != 4:
        return 0
    channels, sides = before[1], before[2:]
    groups, each = split[-4:-2]
    if len(split) == 5 and split[0] != 1:
        return 0
    # A side that stays is written as its length, or as 0 if it keeps its place.
    written = [sides] + ([[0, 0]] if len(split) == 4 else [])
    if (
        groups < 1
        or split[-2:] not in written
        or joined[2:] not in written
        or 0 in (*split[-2:], 1) * (len(split) == 5)
    ):
        return 0
    if each not in (-1, channels // groups) or channels % groups or joined[0] != 1:
        return 0
    return groups if joined[1] in (-1, channels) else 0
