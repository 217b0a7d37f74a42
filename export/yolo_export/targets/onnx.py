"""ONNX files for onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, ClassVar

from yolo_export.targets.base import Target, TargetResult, file_name, register_target
from yolo_export.targets.intermediate import INPUT_NAME, Intermediate
from yolo_export.targets.onnx_half import half_weights

__all__ = ["OnnxTarget"]


@register_target("onnx")
class OnnxTarget(Target):
    """Writes ``model.onnx``."""

    engine: ClassVar[str] = "onnxruntime"
    form: ClassVar[str] = "shuffle-free"

    def _convert(
        self, intermediate: Intermediate, folder: Path, weights: str, progress: Callable[[str], None]
    ) -> TargetResult:
        files = {"model": file_name("model.onnx", weights)}
        model = intermediate.model(progress)
        if weights == "fp16":
            model = half_weights(model)
        (folder / files["model"]).write_bytes(model)
        entry = self._entry(intermediate, files, weights, INPUT_NAME, "nchw", intermediate.output_names)
        return TargetResult(entry, intermediate.versions)
