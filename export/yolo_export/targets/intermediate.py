"""The ONNX form of a network, from which every target starts."""

from __future__ import annotations

import importlib.metadata
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from yolo_edge.packages import require
from yolo_export.errors import ConversionError

if TYPE_CHECKING:
    from yolo_export.checkpoint import Checkpoint

__all__ = ["DEFAULT_OPSET", "INPUT_NAME", "INSTALL", "OPSETS", "OnnxIntermediate"]

#: onnxruntime reads it since 1.12. Newer sets have nothing that these networks use, and older readers refuse
#: them.
DEFAULT_OPSET = 17
#: Operator sets that the exporter can write.
OPSETS = range(13, 21)
#: Command that brings the packages of this wing.
INSTALL = "pip install 'yolo-edge[export]'"
#: Name of the input of the exported graph.
INPUT_NAME = "images"

_PURPOSE = "exporting to ONNX"


class OnnxIntermediate:
    """Makes the ONNX form of a checkpoint once, when it is first asked for.

    The graph has the input ``images`` (1, 3, H, W), float32, 0 to 1, and one output of raw numbers per head.
    H and W are open. The same checkpoint and package versions give the same bytes.

    Args:
        checkpoint: What to export.
        opset: ONNX operator set; None for `DEFAULT_OPSET`.

    Raises:
        ValueError: The operator set is not one that the exporter can write.
    """

    def __init__(self, checkpoint: Checkpoint, *, opset: int | None = None) -> None:
        self._opset = DEFAULT_OPSET if opset is None else opset
        if self._opset not in OPSETS:
            raise ValueError(f"opset is {opset}; allowed: {OPSETS[0]} to {OPSETS[-1]}")
        self._checkpoint = checkpoint
        self._model: bytes | None = None

    @property
    def output_names(self) -> list[str]:
        """``head_<stride>`` for each head in the order of the checkpoint; numbered where strides repeat."""
        strides = self._checkpoint.strides
        if len(set(strides)) == len(strides):
            return [f"head_{stride}" for stride in strides]
        return [f"head_{stride}_{index}" for index, stride in enumerate(strides)]

    @property
    def stride(self) -> int:
        """The largest stride in px."""
        return max(self._checkpoint.strides)

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the packages that made the model."""
        return {package: importlib.metadata.version(package) for package in ("torch", "onnx", "onnxsim")}

    def fits(self, checkpoint: Checkpoint, opset: int | None) -> bool:
        """Whether this is the intermediate of a checkpoint for an operator set."""
        wanted = DEFAULT_OPSET if opset is None else opset
        return self._checkpoint is checkpoint and self._opset == wanted

    def model(self, progress: Callable[[str], None] = lambda _: None) -> bytes:
        """The ONNX file.

        Args:
            progress: Gets a short line before each long step.

        Raises:
            MissingExtraError: onnx or onnxsim is not installed.
            ConversionError: The graph could not be made.
        """
        if self._model is None:
            onnx = require("onnx", _PURPOSE, INSTALL)
            onnxsim = require("onnxsim", _PURPOSE, INSTALL)
            progress("tracing the network to ONNX")
            traced = self._trace(onnx)
            progress("simplifying the ONNX graph")
            self._model = self._simplify(onnx, onnxsim, traced)
        return self._model

    def _trace(self, onnx: Any) -> Any:
        import torch

        from yolo_export.lower import lower

        network = lower(self._checkpoint.network, "onnx")
        # Any size serves, since none is kept. This one has two different sides that every stride divides.
        image = torch.zeros(1, 3, 4 * self.stride, 6 * self.stride)
        open_axes = {
            name: {2: f"{name}_height", 3: f"{name}_width"} for name in (INPUT_NAME, *self.output_names)
        }
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            # The exporter says that it is old. It is pinned on purpose: the newer one needs onnxscript.
            warnings.simplefilter("ignore", DeprecationWarning)
            path = Path(folder) / "traced.onnx"
            torch.onnx.export(
                network,
                (image,),
                str(path),
                dynamo=False,
                opset_version=self._opset,
                input_names=[INPUT_NAME],
                output_names=self.output_names,
                dynamic_axes=open_axes,
            )
            return onnx.load(str(path))

    def _simplify(self, onnx: Any, onnxsim: Any, traced: Any) -> bytes:
        simplified, equal = onnxsim.simplify(traced)
        if not equal:
            raise ConversionError("onnxsim changed what the graph computes; try another version of onnxsim")
        # Readers refuse a file format newer than they are, so state the oldest that has these operators.
        simplified.ir_version = onnx.helper.find_min_ir_version_for(simplified.opset_import)
        names = [output.name for output in simplified.graph.output]
        if names != self.output_names:
            raise ConversionError(f"the exported graph has the outputs {names}; expected {self.output_names}")
        onnx.checker.check_model(simplified)
        model: bytes = simplified.SerializeToString(deterministic=True)
        return model
