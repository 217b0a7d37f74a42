"""Removes channel shuffles by putting the channels of convolutions in the order in which they are read.

A unit of ShuffleNetV2 lets one half of its channels pass, computes the other half anew, and shuffles both.
Each channel waits until some later unit computes with it. A convolution can put out its channels in any order
and take them in any order; that only moves its weights. So every convolution puts out what is read by one
unit side by side; one Split behind it, and one Concat before each unit, remain.

The graph computes the same products; a convolution adds them up in another order, which float32 shows in the
last digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from yolo_export.onnx_lower.channels import Bundle, ChannelMap, Read, is_depthwise

__all__ = ["free_of_shuffles"]


def free_of_shuffles(onnx: Any, model: Any) -> Any:
    """A graph without the channel shuffles that convolutions can absorb.

    A shuffled map that is an output, or that another operator reads than convolutions, activations and
    poolings, keeps its shuffle, and so do the units that feed it.

    Args:
        onnx: The package.
        model: ``ModelProto`` whose constants are folded, for one image. It is not changed.
    """
    return _ShuffleFree(onnx, model).run()


class _ShuffleFree:
    """One graph on its way to `free_of_shuffles`.

    Args:
        onnx: The package.
        model: As there.
    """

    def __init__(self, onnx: Any, model: Any) -> None:
        self._onnx = onnx
        self._model = onnx.ModelProto()
        self._model.CopyFrom(model)
        self._graph = self._model.graph
        self._map = ChannelMap(onnx, onnx.shape_inference.infer_shapes(model).graph)
        self._reads = list(self._map.reads.values())
        self._nodes: list[Any] = []
        self._keep_order_where_it_is_needed()
        #: Of each bundle, by its first base: the channels that the same reads take, side by side.
        self._runs: dict[str, list[list[int]]] = {}
        #: Bases that some read takes a part of.
        self._torn: set[str] = set()
        for read in self._reads:
            if not read.fixed:
                self._torn.update(base for base in read.bases if self._is_part(read, base))
        for base in self._map.bases:
            bundle = self._map.bundle_of(base)
            if bundle.bases[0] == base:
                self._runs[base] = self._runs_of(bundle)

    def run(self) -> Any:
        """The rewritten model; a graph without shuffles stays as it is."""
        if not self._map.shuffles:
            return self._model
        readers = {number: read for read in self._reads if not read.fixed for number in read.nodes}
        joined: dict[str, tuple[str, list[int]]] = {}
        for number, node in enumerate(self._graph.node):
            columns = None
            output = node.output[0]
            if number in readers:
                read = readers[number]
                if read.tensor not in joined:
                    joined[read.tensor] = self._join(read)
                node.input[0], columns = joined[read.tensor]
                if self._map.is_base(output) and self._map.bundle_of(output).follows == output:
                    self._runs[self._map.bundle_of(output).bases[0]] = [columns]
            self._place(node, columns)
        self._write()
        return self._model

    def _place(self, node: Any, columns: list[int] | None) -> None:
        """Write an operator, whose input has the channels ``columns`` of before if it was joined anew."""
        output = node.output[0]
        if node.op_type == "Conv" and self._map.is_base(output):
            self._move_weights(node, columns)
        self._nodes.append(node)
        if output in self._torn:
            self._nodes.append(self._split(output))

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
        """The channels of a bundle by who reads them, the first reader first."""
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

    def _order_of(self, base: str) -> list[int]:
        return [index for run in self._runs_in(base) for index in run]

    def _join(self, read: Read) -> tuple[str, list[int]]:
        """A map with the channels of a read, and which place each had before."""
        places = {channel: place for place, channel in enumerate(read.channels)}
        parts, columns = [], []
        for base in read.bases:
            wanted = set(read.part(base))
            runs = self._runs_in(base)
            taken = [number for number, run in enumerate(runs) if run[0] in wanted]
            whole = len(wanted) == self._map.bundle_of(base).size
            parts += [base] if whole else [_piece(base, number) for number in taken]
            columns += [places[base, index] for number in taken for index in runs[number]]
        return self._concat(parts, f"{read.tensor}_joined"), columns

    def _concat(self, parts: list[str], name: str) -> str:
        if len(parts) == 1:
            return parts[0]
        self._nodes.append(self._onnx.helper.make_node("Concat", parts, [name], name=name, axis=1))
        return name

    def _split(self, base: str) -> Any:
        runs = self._runs_in(base)
        sizes = f"{base}_sizes"
        self._add_constant(sizes, np.array([len(run) for run in runs], np.int64))
        pieces = [_piece(base, number) for number in range(len(runs))]
        return self._onnx.helper.make_node("Split", [base, sizes], pieces, name=f"{base}_split", axis=1)

    def _move_weights(self, node: Any, columns: list[int] | None) -> None:
        """Bring a convolution's weights into the order of its output and of its input."""
        rows = self._order_of(node.output[0])
        weight = self._map.constants[node.input[1]]
        moved = weight[rows]
        if columns is not None and not is_depthwise(node, weight):
            moved = moved[:, columns]
        if not np.array_equal(moved, weight):
            node.input[1] = self._add_constant(f"{node.output[0]}_weight", moved)
        if len(node.input) > 2 and node.input[2]:
            bias = self._map.constants[node.input[2]]
            if not np.array_equal(bias[rows], bias):
                node.input[2] = self._add_constant(f"{node.output[0]}_bias", bias[rows])

    def _add_constant(self, name: str, values: npt.NDArray[Any]) -> str:
        self._graph.initializer.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(values), name))
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
