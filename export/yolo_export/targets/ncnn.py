"""ncnn graphs, by way of pnnx."""

from __future__ import annotations

import importlib.metadata
import tempfile
from pathlib import Path
from typing import Any, Callable, ClassVar

from yolo_edge.packages import require
from yolo_export.errors import ConversionError
from yolo_export.targets.base import Target, TargetResult, file_name, register_target
from yolo_export.targets.converter_process import run_converter
from yolo_export.targets.intermediate import INSTALL, Intermediate
from yolo_export.targets.ncnn_fuse import fuse_channel_shuffle, fuse_swish
from yolo_export.targets.ncnn_param import check_layers, format_param, parse_param

__all__ = ["NcnnTarget"]

# As pnnx calls them.
_PARAM = "model.ncnn.param"
_BIN = "model.ncnn.bin"


@register_target("ncnn")
class NcnnTarget(Target):
    """Writes ``model.ncnn.param`` and ``model.ncnn.bin``."""

    engine: ClassVar[str] = "ncnn"

    def _convert(
        self, intermediate: Intermediate, folder: Path, weights: str, progress: Callable[[str], None]
    ) -> TargetResult:
        pnnx = require("pnnx", "the ncnn target", INSTALL)
        model = intermediate.model(progress)
        progress("converting to ncnn with pnnx")
        with tempfile.TemporaryDirectory() as workshop:
            _run_pnnx(pnnx, model, Path(workshop), intermediate, weights)
            layers = parse_param((Path(workshop) / _PARAM).read_text(encoding="ascii"))
            stored = (Path(workshop) / _BIN).read_bytes()
        check_layers(layers)
        layers = fuse_swish(fuse_channel_shuffle(layers))
        inputs = [layer.outputs[0] for layer in layers if layer.kind == "Input"]
        outputs = [f"out{head}" for head in range(len(intermediate.output_names))]
        made = {blob for layer in layers for blob in layer.outputs}
        if inputs != ["in0"] or not made.issuperset(outputs):
            raise ConversionError(
                f"pnnx wrote a graph with the inputs {inputs} and without some of {outputs}"
            )
        files = {"param": file_name(_PARAM, weights), "bin": file_name(_BIN, weights)}
        (folder / files["param"]).write_text(format_param(layers), encoding="ascii")
        (folder / files["bin"]).write_bytes(stored)
        versions = {**intermediate.versions, "pnnx": importlib.metadata.version("pnnx")}
        return TargetResult(self._entry(intermediate, files, weights, inputs[0], "chw", outputs), versions)


def _run_pnnx(pnnx: Any, model: bytes, workshop: Path, intermediate: Intermediate, weights: str) -> None:
    """Run pnnx in a folder; the names of its files come from ``model.onnx``.

    Raises:
        ConversionError: It failed.
    """
    (workshop / "model.onnx").write_bytes(model)
    stride, fixed_hw = intermediate.stride, intermediate.fixed_hw
    # Two shapes that differ in height and width tell pnnx that both are open.
    sizes = [fixed_hw] if fixed_hw else [(4 * stride, 6 * stride), (6 * stride, 8 * stride)]
    shapes = [f"inputshape{number}=[1,3,{h},{w}]" for number, (h, w) in zip(("", "2"), sizes)]
    command = [pnnx.EXEC_PATH, "model.onnx", *shapes, f"fp16={int(weights == 'fp16')}"]
    run_converter("pnnx", "pnnx", command, workshop, [_PARAM, _BIN])
