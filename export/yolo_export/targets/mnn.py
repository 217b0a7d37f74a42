"""MNN's own form, by way of the converter in its Python package."""

from __future__ import annotations

import hashlib
import importlib.metadata
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any, Callable, ClassVar

from yolo_edge.c_stdout import catch_c_stdout
from yolo_edge.packages import require_mnn
from yolo_export.errors import ConversionError
from yolo_export.targets.base import Target, TargetResult, register_target
from yolo_export.targets.intermediate import INPUT_NAME, Intermediate

__all__ = ["MnnTarget"]

_INSTALL = "pip install 'yolo-edge[mnn]'"
# What the package's command mnnconvert calls. The command itself and everything in MNN.tools is left alone:
# before and after a conversion it tries to install a package and to report the conversion to MNN's makers.
_CONVERT = "import sys, _tools; _tools.mnnconvert(['mnnconvert', *sys.argv[1:]])"
_TIMEOUT_S = 1800
_TAIL_LINES = 15


@register_target("mnn")
class MnnTarget(Target):
    """Writes ``model.mnn``, float32 weights."""

    engine: ClassVar[str] = "mnn"

    def _convert(
        self, intermediate: Intermediate, folder: Path, progress: Callable[[str], None]
    ) -> TargetResult:
        mnn = require_mnn("the mnn target", _INSTALL)
        onnx_model = intermediate.model(progress)
        progress("converting to MNN")
        with tempfile.TemporaryDirectory() as workshop:
            written = _run_converter(onnx_model, Path(workshop))
            names = _tensor_names(mnn, written)
            model = _with_fixed_uuid(mnn, written, onnx_model)
        wanted = [INPUT_NAME, *intermediate.output_names]
        if sorted(names) != sorted(wanted):
            raise ConversionError(f"MNN wrote a graph with the tensors {sorted(names)}; expected {wanted}")
        files = {"model": "model.mnn"}
        (folder / files["model"]).write_bytes(model)
        entry = self._entry(intermediate, files, INPUT_NAME, "nchw", intermediate.output_names)
        return TargetResult(entry, {**intermediate.versions, "mnn": importlib.metadata.version("MNN")})


def _run_converter(model: bytes, workshop: Path) -> Path:
    """Converts in a process of its own, for the converter prints to stdout.

    Raises:
        ConversionError: It failed. It does so with exit code 0, so its file is looked at.
    """
    (workshop / "model.onnx").write_bytes(model)
    files = ["--modelFile", "model.onnx", "--MNNModel", "model.mnn"]
    command = [sys.executable, "-c", _CONVERT, "-f", "ONNX", *files, "--bizCode", "yolo-edge"]
    try:
        done = subprocess.run(
            command,
            cwd=workshop,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT_S,
            check=False,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired as error:
        raise ConversionError(f"MNN's converter did not finish within {_TIMEOUT_S} s") from error
    written = workshop / "model.mnn"
    if done.returncode or not written.is_file() or not written.stat().st_size:
        tail = "\n".join(done.stdout.splitlines()[-_TAIL_LINES:])
        raise ConversionError(
            f"MNN's converter ended with exit code {done.returncode} and without a usable model.mnn; it said "
            f"last:\n{tail}"
        )
    return written


def _tensor_names(mnn: Any, path: Path) -> list[str]:
    """The model's inputs and outputs."""
    try:
        with catch_c_stdout() as said:
            net = mnn.Interpreter(str(path))
            session = net.createSession({"backend": "CPU", "numThread": 1, "precision": "high"})
    except Exception as error:
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
