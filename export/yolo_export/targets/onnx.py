"""ONNX files for onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, ClassVar

from yolo_export.targets.base import Target, TargetResult, register_target
from yolo_export.targets.intermediate import INPUT_NAME, Intermediate

__all__ = ["OnnxTarget"]


@register_target("onnx")
class OnnxTarget(Target):
    """Writes ``model.onnx``."""

    engine: ClassVar[str] = "onnxruntime"
    form: ClassVar[str] = "shuffle-free"

    def _convert(
        self, intermediate: Intermediate, folder: Path, progress: Callable[[str], None]
    ) -> TargetResult:
        file_name = "model.onnx"
        (folder / file_name).write_bytes(intermediate.model(progress))
        entry = self._entry(intermediate, {"model": file_name}, INPUT_NAME, "nchw", intermediate.output_names)
        return TargetResult(entry, intermediate.versions)
