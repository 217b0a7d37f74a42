"""Removes channel shuffles by putting the channels of convolutions in the order in which they are read.

A unit of ShuffleNetV2 lets one half of its channels pass, computes the other half anew, and shuffles both. Each
channel waits until some later unit computes with it. A convolution can put out its channels in any order and
take them in any order; that only moves its weights. So every convolution puts out what is read by one unit side
by side; one Split behind it, and one Concat before each unit, remain.

The graph computes the same products; a convolution adds them up in another order, which float32 shows in the
last digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from yolo_export.onnx_lower.channels import Bundle, ChannelMap, Read, is_depthwise

__all__ = ["free_of_shuffles"]


def free_of_shuffles(onnx: Any, model: Any, *, block: int | None = None) -> Any:
    """A graph without the channel shuffles that convolutions can absorb.

    A shuffled map that is an output, or that another operator reads than convolutions, activations and
    poolings, keeps its shuffle, and so do the units that feed it.

    Args:
        onnx: The package.
        model: ``ModelProto`` whose constants are folded, for one image. It is not changed.
        block: None leaves one Split behind a convolution whose channels are read by several. A number makes
            it a convolution for each reader instead, with channels of zeros up to a multiple of the block, so
            that an engine that keeps channels in such blocks never has to take one apart.
    """
    inferred = onnx.shape_inference.infer_shapes(model)
    channel_map = ChannelMap(onnx, inferred.graph)
    if not channel_map.shuffles:
        return model
    made = onnx.ModelProto()
    made.CopyFrom(model)
    _Rewrite(onnx, made.graph, channel_map, block).run()
    return made


class _Rewrite:
    """Rewrites one graph, in place."""

    def __init__(self, onnx: Any, graph: Any, channel_map: ChannelMap, block: int | None) -> None:
        self._onnx = onnx
        self._block = block
        self._graph = graph
        self._map = channel_map
        self._reads = list(channel_map.reads.values())
        self._nodes: list[Any] = []
        self._keep_order_where_it_is_needed()
        #: Of each bundle, by its first base: the channels that the same reads take, side by side.
        self._runs: dict[str, list[list[int]]] = {}
        self._torn: set[str] = set()
        self._cut: set[str] = set()
        for read in self._reads:
            if not read.fixed:
                self._torn.update(base for base in read.bases if self._is_part(read, base))
        for base in channel_map.bases:
            bundle = channel_map.bundle_of(base)
            if bundle.bases[0] == base:
                self._runs[base] = self._runs_of(bundle)
        if block is not None:
            self._cut = self._bundles_to_cut()

    def run(self) -> None:
        """Rewrite the graph."""
        readers = {n: read for read in self._reads if not read.fixed for n in read.nodes}
        joined: dict[str, tuple[str, list[int]]] = {}
        for number, node in enumerate(self._graph.node):
            columns = None
            output = node.output[0]
            if number in readers:
                read = readers[number]
                if read.tensor not in joined:
                    joined[read.tensor] = self._join(read)
                node.input[0], columns = joined[read.tensor]
            if self._map.is_base(output):
                bundle = self._map.bundle_of(output)
                if bundle.follows == output and columns is not None:
                    self._runs[bundle.bases[0]] = [columns]
            if self._is_cut(output):
                self._nodes += self._cut_node(node, columns)
                continue
            if self._map.is_base(output) and node.op_type == "Conv":
                self._move_weights(node, columns)
            self._nodes.append(node)
            if output in self._torn:
                self._nodes.append(self._split(output))
        self._write()

    def _is_cut(self, base: str) -> bool:
        return self._map.is_base(base) and self._map.bundle_of(base).bases[0] in self._cut

    def _bundles_to_cut(self) -> set[str]:
        """The bundles, by their first base, that are made in pieces of whole blocks from the start."""
        joined = {
            base for read in self._reads for base in read.bases if not read.fixed and len(read.bases) > 1
        }
        makers = {node.output[0]: node for node in self._graph.node}
        cut = set()
        for base in self._torn | joined:
            bundle = self._map.bundle_of(base)
            first, *others = bundle.bases
            runs = self._runs[first]
            aligned = len(runs) == 1 and bundle.size % self._block == 0
            if aligned or bundle.fixed or bundle.follows is not None or first not in makers:
                continue
            maps = [
                [name for name in makers[other].input if name and name not in self._map.constants]
                for other in others
            ]
            plain = [makers[other].op_type != "Conv" for other in others]
            if makers[first].op_type == "Conv" and all(plain):
                cut.add(first)
        for first in cut:
            packed: list[list[int]] = []
            for run in self._runs[first]:
                if packed and len(packed[-1]) + len(run) <= self._block:
                    packed[-1] = packed[-1] + run
                else:
                    packed.append(list(run))
            self._runs[first] = [run + [-1] * (-len(run) % self._block) for run in packed]
        return cut

    def _cut_node(self, node: Any, columns: list[int] | None) -> list[Any]:
        """An operator of a bundle that is made in pieces, once for each piece."""
        made = []
        for number, run in enumerate(self._runs_in(node.output[0])):
            part = type(node).FromString(node.SerializeToString())
            part.name = f"{node.name}_piece{number}"
            part.output[0] = _piece(node.output[0], number)
            if node.op_type == "Conv":
                self._move_weights(part, columns, run)
            else:
                part.input[:] = [_piece(name, number) if self._is_cut(name) else name for name in part.input]
            made.append(part)
        return made

    def _keep_order_where_it_is_needed(self) -> None:
        """Fix every read and bundle that something fixed depends on."""
        changed = True
        while changed:
            changed = False
            for read in self._reads:
                bundles = [(base, self._map.bundle_of(base)) for base in read.bases]
                if not read.fixed and any(b.fixed and self._is_part(read, base) for base, b in bundles):
                    read.fixed = changed = True
                outputs = [self._graph.node[n].output[0] for n in read.nodes]
                made = [self._map.bundle_of(name) for name in outputs if self._map.is_base(name)]
                if not read.fixed and any(b.fixed and b.follows in outputs for b in made):
                    read.fixed = changed = True
                if read.fixed and not all(bundle.fixed for _, bundle in bundles):
                    changed = True
                    for _, bundle in bundles:
                        bundle.fixed = True

    def _is_part(self, read: Read, base: str) -> bool:
        return len(read.part(base)) != self._map.bundle_of(base).size

    def _runs_of(self, bundle: Bundle) -> list[list[int]]:
        """The channels of a bundle by who reads them, the first reader first; all in one run if all read all."""
        readers: list[list[int]] = [[] for _ in range(bundle.size)]
        for number, read in enumerate(self._reads):
            for base in bundle.bases:
                if not read.fixed and base in read.bases and self._is_part(read, base):
                    for index in read.part(base):
                        readers[index].append(number)
        runs: dict[tuple[int, ...], list[int]] = {}
        for index, numbers in enumerate(readers):
            runs.setdefault(tuple(numbers), []).append(index)
        return [runs[numbers] for numbers in sorted(runs)]

    def _runs_in(self, base: str) -> list[list[int]]:
        return self._runs[self._map.bundle_of(base).bases[0]]

    def _join(self, read: Read) -> tuple[str, list[int]]:
        """A map with the channels of a read, and which place each had before."""
        places = {channel: place for place, channel in enumerate(read.channels)}
        parts, columns = [], []
        for base in read.bases:
            runs = self._runs_in(base)
            whole = len(read.part(base)) == self._map.bundle_of(base).size and not self._is_cut(base)
            taken = [number for number, run in enumerate(runs) if any((base, index) in places for index in run)]
            parts += [base] if whole else [_piece(base, number) for number in taken]
            columns += [places.get((base, index), -1) for number in taken for index in runs[number]]
        if len(parts) == 1:
            return parts[0], columns
        name = f"{read.tensor}_joined"
        self._nodes.append(self._onnx.helper.make_node("Concat", parts, [name], name=name, axis=1))
        return name, columns

    def _split(self, base: str) -> Any:
        runs = self._runs_in(base)
        sizes = f"{base}_sizes"
        self._add_constant(sizes, np.array([len(run) for run in runs], np.int64))
        pieces = [_piece(base, number) for number in range(len(runs))]
        return self._onnx.helper.make_node("Split", [base, sizes], pieces, name=f"{base}_split", axis=1)

    def _move_weights(self, node: Any, columns: list[int] | None, rows: list[int] | None = None) -> None:
        """Bring a convolution's weights into the order of its output and of its input."""
        if rows is None:
            rows = [index for run in self._runs_in(node.output[0]) for index in run]
        weight = self._map.constants[node.input[1]]
        depthwise = is_depthwise(node, weight)
        moved = _taken(weight, rows, 0)
        if columns is not None and not depthwise:
            moved = _taken(moved, columns, 1)
        if depthwise:
            for attribute in node.attribute:
                if attribute.name == "group":
                    attribute.i = len(rows)
        if not np.array_equal(moved, weight):
            node.input[1] = self._add_constant(f"{node.output[0]}_weight", moved)
        if len(node.input) > 2 and node.input[2]:
            bias = self._map.constants[node.input[2]]
            node.input[2] = self._add_constant(f"{node.output[0]}_bias", _taken(bias, rows, 0))

    def _add_constant(self, name: str, values: npt.NDArray[Any]) -> str:
        self._graph.initializer.append(
            self._onnx.numpy_helper.from_array(np.ascontiguousarray(values), name)
        )
        return name

    def _write(self) -> None:
        """Put the operators that an output needs, and their constants, into the graph."""
        needed = {output.name for output in self._graph.output}
        kept = []
        for node in reversed(self._nodes):
            if needed.intersection(node.output):
                kept.append(node)
                needed.update(node.input)
        constants = [tensor for tensor in self._graph.initializer if tensor.name in needed]
        for part, items in ((self._graph.node, kept[::-1]), (self._graph.initializer, constants)):
            copies = [type(item).FromString(item.SerializeToString()) for item in items]
            del part[:]
            part.extend(copies)
        del self._graph.value_info[:]


def _piece(base: str, number: int) -> str:
    return f"{base}_piece{number}"


def _taken(values: npt.NDArray[Any], places: list[int], axis: int) -> npt.NDArray[Any]:
    """Rows or columns in another order; zeros where the place is -1."""
    moved = np.take(values, places, axis)
    np.moveaxis(moved, axis, 0)[[place < 0 for place in places]] = 0
    return moved
