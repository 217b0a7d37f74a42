"""Finds the detection convolutions in an ONNX graph, and cuts off whatever lies behind them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from yolo_edge.packages import require
from yolo_export.errors import ExportError
from yolo_export.source import SizeHW

__all__ = ["ForeignGraph"]

_INSTALL = "pip install 'yolo-edge[export]'"


class ForeignGraph:
    """The graph of an ONNX file that onnxruntime has run already.

    Args:
        path: The file.

    Raises:
        ExportError: The file is not one that can be taken apart.
        MissingExtraError: onnx is not installed.
    """

    def __init__(self, path: Path) -> None:
        onnx = require("onnx", "exporting an ONNX file", _INSTALL)
        self._onnx = onnx
        self._path = path
        try:
            self._model = onnx.load(str(path))
        except Exception as error:
            # Its reader raises errors of protobuf, of the system and its own.
            raise ExportError(f"{path}: onnx cannot read it: {' '.join(str(error).split())[:300]}") from None
        self._makers = {name: node for node in self._model.graph.node for name in node.output if name}
        inner = [
            node.op_type
            for node in self._model.graph.node
            if any(a.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for a in node.attribute)
        ]
        if inner:
            raise ExportError(
                f"{path}: has control flow ({', '.join(sorted(set(inner)))}), which the targets have not; "
                "export the checkpoint itself, or the ONNX file without NMS"
            )

    @property
    def opset(self) -> int:
        """Its operator set."""
        return max((entry.version for entry in self._model.opset_import if not entry.domain), default=1)

    def convolutions_behind(self, outputs: Iterable[str]) -> list[str]:
        """Outputs of the last convolutions on every way to some outputs, in the order of the graph."""
        found: set[str] = set()
        seen: set[str] = set()
        waiting = list(outputs)
        while waiting:
            name = waiting.pop()
            if name in seen or name not in self._makers:
                continue
            seen.add(name)
            node = self._makers[name]
            if node.op_type == "Conv":
                found.add(name)
            else:
                waiting.extend(node.input)
        return [name for node in self._model.graph.node for name in node.output if name in found]

    def showing(self, tensors: Sequence[str]) -> bytes:
        """The file with further outputs."""
        shown = self._copy()
        for output in shown.graph.output:
            # Exporters may give the sides of all heads one name, which onnxruntime takes for equal sides.
            output.type.tensor_type.ClearField("shape")
        present = {output.name for output in shown.graph.output}
        for name in tensors:
            if name not in present:
                shown.graph.output.append(
                    self._onnx.helper.make_tensor_value_info(name, self._onnx.TensorProto.FLOAT, None)
                )
        data: bytes = shown.SerializeToString()
        return data

    def cut(
        self, input_name: str, heads: Sequence[tuple[str, int]], names: Sequence[str], fixed_hw: SizeHW | None
    ) -> Any:
        """What computes some tensors, and nothing else.

        Args:
            input_name: Name of the image in the file.
            heads: Each tensor and its number of channels.
            names: What the tensors are called afterwards; the input is ``images``.
            fixed_hw: Height and width; None leaves both open.
        """
        from yolo_export.targets.intermediate import INPUT_NAME

        part = self._copy()
        graph = part.graph
        needed = self._needed([name for name, _ in heads])
        nodes = [node for node in graph.node if needed.intersection(node.output)]
        renamed = {input_name: INPUT_NAME, **{old: new for (old, _), new in zip(heads, names)}}
        taken = {name for node in nodes for name in (*node.input, *node.output)} - set(renamed)
        for name in set(renamed.values()) & taken:
            renamed[name] = next(
                other for i in range(len(taken) + 1) if (other := f"{name}_inner{i}") not in taken
            )
        for node in nodes:
            node.input[:] = [renamed.get(name, name) for name in node.input]
            node.output[:] = [renamed.get(name, name) for name in node.output]
        constants = [tensor for tensor in graph.initializer if tensor.name in needed]
        for tensor in constants:
            tensor.name = renamed.get(tensor.name, tensor.name)
        height, width = fixed_hw or ("height", "width")
        describe = self._onnx.helper.make_tensor_value_info
        kind = self._onnx.TensorProto.FLOAT
        image = describe(INPUT_NAME, kind, [1, 3, height, width])
        # Of open sides the rows and columns are named; of fixed ones the simplifier finds them.
        outputs = [
            describe(new, kind, [1, channels, f"{new}_height", f"{new}_width"])
            for (_, channels), new in zip(heads, names)
        ]
        part.graph.CopyFrom(
            self._onnx.helper.make_graph(nodes, "detector", [image], outputs, initializer=constants)
        )
        del part.metadata_props[:]
        return part

    def _needed(self, tensors: Sequence[str]) -> set[str]:
        """Every tensor that some tensors are computed from, and they themselves."""
        needed: set[str] = set()
        waiting = list(tensors)
        while waiting:
            name = waiting.pop()
            if name and name not in needed:
                needed.add(name)
                if name in self._makers:
                    waiting.extend(self._makers[name].input)
                    needed.update(self._makers[name].output)
        return needed

    def _copy(self) -> Any:
        model = self._onnx.ModelProto()
        model.CopyFrom(self._model)
        return model
