"""MNN's own form, by way of the converter in its Python package."""

from __future__ import annotations

import hashlib
import importlib.metadata
import sys
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable, ClassVar

from yolo_edge.c_stdout import catch_c_stdout
from yolo_edge.packages import require_mnn
from yolo_export.errors import ConversionError
from yolo_export.targets.base import Target, TargetResult, file_name, register_target
from yolo_export.targets.converter_process import run_converter
from yolo_export.targets.intermediate import INPUT_NAME, Intermediate

__all__ = ["MnnTarget"]

_INSTALL = "pip install 'yolo-edge[mnn]'"
# What the package's command mnnconvert calls. The command itself and everything in MNN.tools is left alone:
# before and after a conversion it tries to install a package and to report the conversion to MNN's makers.
_CONVERT = "import sys, _tools; _tools.mnnconvert(['mnnconvert', *sys.argv[1:]])"

_STORED_AS: Mapping[str, tuple[str, ...]] = {
    "fp16": ("--fp16",),
    "int8-weights": ("--weightQuantBits", "8", "--hqq"),
}
"""The converter's arguments for weights that are not float32. Half-quadratic quantisation (hqq) takes the
heads of v5lite-e from 39 to 41 dB, at the same size."""


@register_target("mnn")
class MnnTarget(Target):
    """Writes ``model.mnn``."""

    engine: ClassVar[str] = "mnn"
    weights: ClassVar[tuple[str, ...]] = ("fp32", "fp16", "int8-weights")

    def _convert(
        self, intermediate: Intermediate, folder: Path, weights: str, progress: Callable[[str], None]
    ) -> TargetResult:
        mnn = require_mnn("the mnn target", _INSTALL)
        onnx_model = intermediate.model(progress)
        progress("converting to MNN")
        with tempfile.TemporaryDirectory() as workshop:
            written = Path(workshop) / "model.mnn"
            (Path(workshop) / "model.onnx").write_bytes(onnx_model)
            # In a process of its own, for it prints to stdout.
            command = [sys.executable, "-c", _CONVERT, "-f", "ONNX", "--bizCode", "yolo-edge"]
            command += ["--modelFile", "model.onnx", "--MNNModel", written.name]
            command += _STORED_AS.get(weights, ())
            run_converter("MNN's converter", "MNN", command, Path(workshop), [written.name])
            names = _tensor_names(mnn, written)
            model = _with_fixed_uuid(mnn, written, onnx_model)
        wanted = [INPUT_NAME, *intermediate.output_names]
        if sorted(names) != sorted(wanted):
            raise ConversionError(f"MNN wrote a graph with the tensors {sorted(names)}; expected {wanted}")
        files = {"model": file_name("model.mnn", weights)}
        (folder / files["model"]).write_bytes(model)
        entry = self._entry(intermediate, files, weights, INPUT_NAME, "nchw", intermediate.output_names)
        return TargetResult(entry, {**intermediate.versions, "mnn": importlib.metadata.version("MNN")})


def _tensor_names(mnn: Any, path: Path) -> list[str]:
    """The model's inputs and outputs."""
    try:
        with catch_c_stdout() as said:
            net = mnn.Interpreter(str(path))
            session = net.createSession({"backend": "CPU", "numThread": 1, "precision": "high"})
    except Exception as error:  # MNN's errors have no common base
        raise ConversionError(f"MNN cannot read what it converted: {said.text or error}") from error
    return [*net.getSessionInputAll(session), *net.getSessionOutputAll(session)]


def _with_fixed_uuid(mnn: Any, path: Path, source: bytes) -> bytes:
    """The model with a UUID that comes from its source: one network gives one file."""
    with catch_c_stdout():
        drawn = mnn.get_model_uuid(str(path)).encode()
    model = path.read_bytes()
    if len(drawn) != len(str(uuid.UUID(int=0))) or model.count(drawn) != 1:
        raise ConversionError(f"MNN wrote a model whose UUID {drawn.decode()!r} cannot be replaced")
    return model.replace(drawn, str(uuid.UUID(bytes=hashlib.sha256(source).digest()[:16])).encode())
