"""Where every channel of every map in an ONNX graph comes from.

Some operators compute channels, others only move them: Concat, Split and Slice along the channels, and the
Reshape, Transpose and Reshape of a channel shuffle. A *base* is a map that was computed; every other map is a
list of channels of bases. Bases that must keep their channels in one order (a convolution's output, its
activation, its depth-wise convolution, the other summand) form a *bundle*.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from yolo_export.onnx_lower.shuffle_pattern import find_shuffles

__all__ = ["Bundle", "Channel", "ChannelMap", "Read", "is_depthwise"]

#: A base and the number of a channel in it.
Channel = tuple[str, int]

#: Operators that compute each channel of their output from the same channel of their only map.
_UNARY = {
    "AveragePool",
    "Clip",
    "Elu",
    "Erf",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LeakyRelu",
    "MaxPool",
    "Mish",
    "Relu",
    "Sigmoid",
    "Softplus",
    "Tanh",
}
#: Operators that compute each channel from the same channels of two maps.
_BINARY = {"Add", "Div", "Max", "Min", "Mul", "Sub"}


@dataclass
class Bundle:
    """Bases in one order.

    Attributes:
        size: Number of channels.
        bases: In the order of the graph.
        follows: Output of the operator that takes a moved map, whose order the bundle then has.
        fixed: Whether something reads it that cannot be told of another order.
    """

    size: int
    bases: list[str]
    follows: str | None = None
    fixed: bool = False


@dataclass
class Read:
    """A map of moved or computed channels that operators read as a whole.

    Attributes:
        tensor: Its name.
        channels: What it is made of.
        nodes: Numbers of the operators, all of which take the channels in any order.
        fixed: Whether one takes them only in this order.
    """

    tensor: str
    channels: tuple[Channel, ...]
    nodes: list[int] = field(default_factory=list)
    fixed: bool = False

    @property
    def bases(self) -> list[str]:
        """The bases in it, in order of appearance."""
        return list(dict.fromkeys(base for base, _ in self.channels))

    def part(self, base: str) -> list[int]:
        """The channels of a base in it."""
        return [index for name, index in self.channels if name == base]


class ChannelMap:
    """The bundles of a graph and what reads them.

    Args:
        onnx: The package.
        graph: ``GraphProto`` with inferred shapes.
    """

    def __init__(self, onnx: Any, graph: Any) -> None:
        self._graph = graph
        self.constants: dict[str, npt.NDArray[Any]] = {
            tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer
        }
        for node in graph.node:
            if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
                self.constants[node.output[0]] = onnx.numpy_helper.to_array(node.attribute[0].t)
        self._shapes = {
            value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
            for value in (*graph.input, *graph.value_info, *graph.output)
        }
        self.shuffles, self._inside = find_shuffles(graph, self.constants, self._shapes)
        self._opaque: set[int] = set()
        self._trace()
        # The order of a bundle that follows a map is not free, so parts of it cannot be asked for.
        while torn := self._torn_followers():
            self._opaque |= torn
            self._trace()

    def bundle_of(self, base: str) -> Bundle:
        """The bundle that a base belongs to."""
        return self._bundle_of[base]

    def is_base(self, tensor: str) -> bool:
        """Whether a map was computed, and its channels are known."""
        return tensor in self._bundle_of

    @property
    def bases(self) -> list[str]:
        """Every base, in the order of the graph."""
        return list(self._bundle_of)

    def _trace(self) -> None:
        self._channels: dict[str, tuple[Channel, ...]] = {}
        self._bundle_of: dict[str, Bundle] = {}
        self.reads: dict[tuple[Channel, ...], Read] = {}
        for value in self._graph.input:
            self._add_fixed(value.name)
        for number, node in enumerate(self._graph.node):
            if node.op_type == "Constant" or number in self._inside:
                continue
            if number in self._opaque or not self._understood(number, node):
                for name in node.input:
                    self._read(name, None)
                for name in node.output:
                    self._add_fixed(name)
        for value in self._graph.output:
            self._read(value.name, None)

    def _torn_followers(self) -> set[int]:
        torn = set()
        for read in self.reads.values():
            for base in read.bases:
                bundle = self._bundle_of[base]
                if bundle.follows is not None and len(read.part(base)) != bundle.size:
                    torn.add(bundle.follows)
        numbers = {name: i for i, node in enumerate(self._graph.node) for name in node.output}
        return {numbers[name] for name in torn}

    def _understood(self, number: int, node: Any) -> bool:
        """Enter an operator into the map, if it is one of those that are known."""
        if number in self.shuffles:
            return self._shuffle(node, *self.shuffles[number])
        if node.op_type == "Conv":
            return self._conv(number, node)
        if node.op_type in ("Concat", "Slice", "Split"):
            return self._moves(node)
        maps = [name for name in node.input if name and name not in self.constants]
        others = [self.constants[name] for name in node.input if name in self.constants]
        if any(name not in self._channels for name in maps) or len(node.output) != 1:
            return False
        resized = node.op_type == "Resize" and _keeps_channels(node, self.constants)
        scalar = all(constant.size <= 1 for constant in others)
        if len(maps) == 1 and (resized or (scalar and node.op_type in _UNARY | _BINARY)):
            return self._follow(number, node, maps[0])
        if len(maps) == 2 and node.op_type in _BINARY and not others:
            return self._join(node, *maps)
        return False

    def _conv(self, number: int, node: Any) -> bool:
        weight = self.constants.get(node.input[1])
        read = self._channels.get(node.input[0])
        if weight is None or any(name and name not in self.constants for name in node.input[1:]):
            return False
        if is_depthwise(node, weight):
            return read is not None and len(read) == len(weight) and self._follow(number, node, node.input[0])
        if _groups(node) != 1 or read is None or len(read) != weight.shape[1]:
            return False
        self._read(node.input[0], number)
        self._add(node.output[0], Bundle(len(weight), []))
        return True

    def _follow(self, number: int, node: Any, tensor: str) -> bool:
        """An operator on each channel alone: in the bundle of a base, or behind a moved map."""
        bundle = self._whole(tensor)
        if bundle is None:
            self._read(tensor, number)
            bundle = Bundle(len(self._channels[tensor]), [], follows=node.output[0])
        self._add(node.output[0], bundle)
        return True

    def _join(self, node: Any, one: str, two: str) -> bool:
        """An operator on the same channels of two bases, whose bundles become one."""
        first, second = self._whole(one), self._whole(two)
        if first is None or second is None or first.size != second.size:
            return False
        if first is not second:
            if first.follows is not None and second.follows is not None:
                return False
            first.follows = first.follows if first.follows is not None else second.follows
            first.fixed |= second.fixed
            first.bases += second.bases
            for base in second.bases:
                self._bundle_of[base] = first
        self._add(node.output[0], first)
        return True

    def _moves(self, node: Any) -> bool:
        """Enter an operator that only moves channels."""
        inputs = [self._channels.get(name) for name in node.input if name not in self.constants]
        if not inputs or any(channels is None for channels in inputs):
            return False
        known = [channels for channels in inputs if channels is not None]
        axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
        if node.op_type == "Concat" and axis == 1:
            self._channels[node.output[0]] = tuple(channel for part in known for channel in part)
            return True
        if node.op_type == "Split" and axis == 1 and len(known) == 1:
            given = self.constants.get(node.input[1]) if len(node.input) > 1 else None
            each = -(-len(known[0]) // len(node.output))
            sizes = [each] * len(node.output) if given is None else given.tolist()
            starts = np.cumsum([0, *sizes]).tolist()
            for name, start, size in zip(node.output, starts, sizes):
                self._channels[name] = known[0][start : start + size]
            return True
        if node.op_type == "Slice" and len(known) == 1 and len(node.input) >= 4:
            numbers = [self.constants.get(name) for name in node.input[1:]]
            if any(value is None for value in numbers):
                return False
            starts, ends, axes, *steps = (
                value.reshape(-1).tolist() for value in numbers if value is not None
            )
            if axes == [1]:
                self._channels[node.output[0]] = known[0][
                    slice(starts[0], ends[0], *(step[0] for step in steps))
                ]
                return True
        return False

    def _shuffle(self, node: Any, tensor: str, groups: int) -> bool:
        channels = self._channels.get(tensor)
        if channels is None or len(channels) % groups:
            return False
        each = len(channels) // groups
        self._channels[node.output[0]] = tuple(
            channels[group * each + place] for place in range(each) for group in range(groups)
        )
        return True

    def _whole(self, tensor: str) -> Bundle | None:
        """The bundle of a base; None for a map that was moved."""
        return self._bundle_of.get(tensor)

    def _add(self, base: str, bundle: Bundle) -> None:
        bundle.bases.append(base)
        self._bundle_of[base] = bundle
        self._channels[base] = tuple((base, index) for index in range(bundle.size))

    def _add_fixed(self, tensor: str) -> None:
        """A base that keeps its order; nothing if its number of channels is not known."""
        shape = self._shapes.get(tensor, [])
        if tensor and len(shape) == 4 and shape[1] > 0:
            self._add(tensor, Bundle(shape[1], [], fixed=True))

    def _read(self, tensor: str, number: int | None) -> None:
        """Note that an operator reads a map, in any order; or something, only in this order."""
        channels = self._channels.get(tensor)
        if channels is None:
            return
        read = self.reads.setdefault(channels, Read(tensor, channels))
        if number is None or len(set(channels)) < len(channels):
            read.fixed = True
        if number is not None:
            read.nodes.append(number)


def is_depthwise(node: Any, weight: npt.NDArray[Any]) -> bool:
    """Whether a convolution computes each channel from the same one alone."""
    return weight.shape[1] == 1 and _groups(node) == len(weight)


def _groups(node: Any) -> int:
    return next((int(a.i) for a in node.attribute if a.name == "group"), 1)


def _keeps_channels(node: Any, constants: dict[str, npt.NDArray[Any]]) -> bool:
    """Whether a Resize changes height and width alone."""
    scales = constants.get(node.input[2]) if len(node.input) > 2 else None
    return len(node.input) <= 3 and scales is not None and scales[:2].tolist() == [1, 1]
