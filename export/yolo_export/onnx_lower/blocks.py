"""Removes channel shuffles for engines that keep channels in blocks, such as onnxruntime.

To split or join maps anywhere else than between blocks, such an engine has to take the blocks apart, which costs
more than the shuffles did. So a convolution whose channels are read by several becomes one for each reader, with
channels of zeros up to a whole block; few channels of several readers share a block, and every reader takes all
of it, with weights of zero for what is not its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from yolo_export.onnx_lower.channels import Read
from yolo_export.onnx_lower.shuffle_free import ShuffleFree, piece_name

__all__ = ["in_blocks"]

#: Products for each pixel that cost as much time as starting an operator, about, on maps of 24 x 40.
_START = 600


def in_blocks(onnx: Any, model: Any, block: int) -> Any:
    """As `free_of_shuffles`, but every map that is joined has a multiple of ``block`` channels.

    Args:
        onnx: The package.
        model: As there.
        block: Number of channels.
    """
    return _InBlocks(onnx, model, block).run()


class _InBlocks(ShuffleFree):
    """One graph on its way to `in_blocks`."""

    def __init__(self, onnx: Any, model: Any, block: int) -> None:
        super().__init__(onnx, model)
        self._block = block
        self._gathers: dict[tuple[tuple[str, tuple[bool, ...]], ...], str] = {}
        self._cut = self._bundles_to_cut()
        for first in self._cut:
            self._runs[first] = self._in_blocks(self._runs[first])

    def _bundles_to_cut(self) -> set[str]:
        """The bundles, by their first base, that are computed in pieces from the start."""
        makers = {node.output[0]: node for node in self._graph.node}
        wanted = self._torn | {
            base for read in self._reads if not read.fixed and len(read.bases) > 1 for base in read.bases
        }
        cut = set()
        for base in wanted:
            bundle = self._map.bundle_of(base)
            first, *others = bundle.bases
            if bundle.fixed or bundle.follows is not None or makers[first].op_type != "Conv":
                continue
            aligned = len(self._runs[first]) == 1 and bundle.size % self._block == 0
            if not aligned and all(makers[other].op_type != "Conv" for other in others):
                cut.add(first)
        return cut

    def _in_blocks(self, runs: list[list[int]]) -> list[list[int]]:
        packed: list[list[int]] = []
        for run in runs:
            if packed and len(packed[-1]) + len(run) <= self._block:
                packed[-1] = packed[-1] + run
            else:
                packed.append(run)
        return [run + [-1] * self._missing(len(run)) for run in packed]

    def _missing(self, channels: int) -> int:
        return -channels % self._block

    def _is_cut(self, base: str) -> bool:
        return self._map.is_base(base) and self._map.bundle_of(base).bases[0] in self._cut

    def _place(self, node: Any, columns: list[int] | None) -> None:
        if not self._is_cut(node.output[0]):
            super()._place(node, columns)
            return
        for number, run in enumerate(self._runs_in(node.output[0])):
            part = type(node).FromString(node.SerializeToString())
            part.name = piece_name(node.name, number)
            part.output[0] = piece_name(node.output[0], number)
            if node.op_type == "Conv":
                self._move_weights(part, columns, run)
            else:
                part.input[:] = [
                    piece_name(name, number) if self._is_cut(name) else name for name in part.input
                ]
            self._nodes.append(part)

    def _join(self, read: Read) -> tuple[str, list[int]]:
        places = {channel: place for place, channel in enumerate(read.channels)}
        parts: list[tuple[str, list[int]]] = []
        for base in read.bases:
            whole = not self._is_cut(base) and not self._is_part(read, base)
            if whole:
                parts.append((base, [places.get((base, index), -1) for index in self._order_of(base)]))
                continue
            for number, run in enumerate(self._runs_in(base)):
                columns = [places.get((base, index), -1) for index in run]
                if max(columns) >= 0:
                    parts.append((piece_name(base, number), columns))
        loose = self._loose_parts(read, parts)
        if loose:
            parts = [part for part in parts if part not in loose] + [self._gathered(read, loose)]
        name = self._concat([name for name, _ in parts], f"{read.tensor}_joined")
        return name, [place for _, columns in parts for place in columns]

    def _loose_parts(
        self, read: Read, parts: list[tuple[str, list[int]]]
    ) -> list[tuple[str, list[int]]]:
        """The parts to be gathered into fewer blocks, because little of them is of use."""
        outputs = self._products_behind(read)
        ranked = sorted(parts, key=lambda part: sum(place >= 0 for place in part[1]) / len(part[1]))
        best, saved = 0, 0
        size = used = 0
        for count, (_, columns) in enumerate(ranked, 1):
            size += len(columns)
            used += sum(place >= 0 for place in columns)
            dense = used + self._missing(used)
            gain = (size - dense) * outputs - size * dense - _START
            if gain > saved:
                best, saved = count, gain
        return ranked[:best]

    def _products_behind(self, read: Read) -> int:
        """Products for each pixel that one more channel of a read costs."""
        products = 0
        for number in read.nodes:
            node = self._graph.node[number]
            if node.op_type == "Conv":
                products += self._map.constants[node.input[1]][:, 0].size
            if self._map.is_base(node.output[0]) and self._map.bundle_of(node.output[0]).follows:
                products += sum(
                    self._products_behind(other)
                    for other in self._reads
                    if other is not read and node.output[0] in other.bases
                )
        return products

    def _gathered(self, read: Read, parts: list[tuple[str, list[int]]]) -> tuple[str, list[int]]:
        """Channels of several parts side by side, copied by a convolution, which stays in blocks."""
        columns = [place for _, part in parts for place in part]
        used = [number for number, place in enumerate(columns) if place >= 0]
        size = len(used) + self._missing(len(used))
        key = tuple((name, tuple(place >= 0 for place in part)) for name, part in parts)
        if key not in self._gathers:
            name = self._gathers[key] = f"{read.tensor}_gathered"
            loose = self._concat([name for name, _ in parts], f"{read.tensor}_loose")
            weight = np.zeros((size, len(columns), 1, 1), np.float32)
            weight[np.arange(len(used)), used] = 1
            inputs = [loose, self._add_constant(f"{name}_weight", weight)]
            self._nodes.append(self._onnx.helper.make_node("Conv", inputs, [name], name=name))
        return self._gathers[key], [columns[number] for number in used] + [-1] * (size - len(used))
