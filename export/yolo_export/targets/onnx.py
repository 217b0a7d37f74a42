"""ONNX files for onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, ClassVar

from yolo_export.quantize import quantize_onnx
from yolo_export.targets.base import Quantization, Target, TargetResult, file_name, register_target
from yolo_export.targets.intermediate import INPUT_NAME, Intermediate
from yolo_export.targets.onnx_half import half_weights

__all__ = ["OnnxTarget"]


@register_target("onnx")
class OnnxTarget(Target):
    """Writes ``model.onnx``."""

    engine: ClassVar[str] = "onnxruntime"
    form: ClassVar[str] = "shuffle-free"
    weights: ClassVar[tuple[str, ...]] = ("fp32", "fp16", "int8")

    def _convert(
        self, intermediate: Intermediate, folder: Path, weights: str, progress: Callable[[str], None]
    ) -> TargetResult:
        model = intermediate.model(progress)
        return self._write(half_weights(model) if weights == "fp16" else model, intermediate, folder, weights)

    def _quantize(
        self, intermediate: Intermediate, folder: Path, how: Quantization, progress: Callable[[str], None]
    ) -> TargetResult:
        model = quantize_onnx(
            intermediate.model(progress), how.calibration, how.method, how.keep_float, progress
        )
        return self._write(model, intermediate, folder, "int8")

    def _write(self, model: bytes, intermediate: Intermediate, folder: Path, weights: str) -> TargetResult:
        files = {"model": file_name("model.onnx", weights)}
        (folder / files["model"]).write_bytes(model)
        entry = self._entry(intermediate, files, weights, INPUT_NAME, "nchw", intermediate.output_names)
        return TargetResult(entry, intermediate.versions)
