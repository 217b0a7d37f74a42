"""OpenVINO's own form (IR)."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any, Callable, ClassVar

from yolo_edge.packages import require_openvino
from yolo_export.errors import ConversionError
from yolo_export.openvino_ir import read_network, save_network
from yolo_export.quantize import quantize_openvino
from yolo_export.targets.base import Quantization, Target, TargetResult, file_name, register_target
from yolo_export.targets.intermediate import INPUT_NAME, Intermediate

__all__ = ["OpenVinoTarget"]

_INSTALL = "pip install 'yolo-edge[openvino]'"


@register_target("openvino")
class OpenVinoTarget(Target):
    """Writes ``model.xml`` and ``model.bin``."""

    engine: ClassVar[str] = "openvino"
    form: ClassVar[str] = "shuffle-free"
    weights: ClassVar[tuple[str, ...]] = ("fp32", "fp16", "int8")

    def _convert(
        self, intermediate: Intermediate, folder: Path, weights: str, progress: Callable[[str], None]
    ) -> TargetResult:
        openvino = require_openvino("the openvino target", _INSTALL)
        onnx_model = intermediate.model(progress)
        progress("converting to OpenVINO")
        return self._save(openvino, read_network(openvino, onnx_model), intermediate, folder, weights)

    def _quantize(
        self, intermediate: Intermediate, folder: Path, how: Quantization, progress: Callable[[str], None]
    ) -> TargetResult:
        openvino = require_openvino("the openvino target", _INSTALL)
        model = quantize_openvino(intermediate.model(progress), how.calibration, how.keep_float, progress)
        result = self._save(openvino, model, intermediate, folder, "int8")
        return TargetResult(result.entry, {**result.versions, "nncf": importlib.metadata.version("nncf")})

    def _save(
        self, openvino: Any, model: Any, intermediate: Intermediate, folder: Path, weights: str
    ) -> TargetResult:
        files = {"model": file_name("model.xml", weights), "weights": file_name("model.bin", weights)}
        save_network(openvino, model, folder / files["model"], half=weights == "fp16")
        names = [port.get_any_name() for port in (*model.inputs, *model.outputs)]
        wanted = [INPUT_NAME, *intermediate.output_names]
        if sorted(names) != sorted(wanted):
            raise ConversionError(f"OpenVINO wrote a graph with the tensors {names}; expected {wanted}")
        version = openvino.__version__.split("-")[0]
        entry = self._entry(intermediate, files, weights, INPUT_NAME, "nchw", intermediate.output_names)
        return TargetResult(entry, {**intermediate.versions, "openvino": version})
