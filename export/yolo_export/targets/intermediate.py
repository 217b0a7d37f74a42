"""The ONNX form of a network, from which every target starts."""

from __future__ import annotations

import copy
import importlib.metadata
import tempfile
import warnings
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from yolo_edge.packages import require
from yolo_export.errors import ConversionError
from yolo_export.onnx_lower import FORMS, apply_form

if TYPE_CHECKING:
    from yolo_export.checkpoint import Checkpoint
    from yolo_export.source import SizeHW, Source

__all__ = ["DEFAULT_OPSET", "INPUT_NAME", "INSTALL", "OPSETS", "Intermediate", "OnnxIntermediate"]

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


class Intermediate(ABC):
    """The ONNX form of a source, made when it is first asked for.

    The graph has the input ``images`` (1, 3, H, W), float32, and one output of raw numbers per head. H and W
    are open unless the source takes only one size.

    Args:
        source: What to export.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._form = "plain"
        self._models: dict[str, bytes] = {}

    @property
    def output_names(self) -> list[str]:
        """``head_<stride>`` for each head in the order of the source; numbered where strides repeat."""
        strides = self._source.strides
        if len(set(strides)) == len(strides):
            return [f"head_{stride}" for stride in strides]
        return [f"head_{stride}_{index}" for index, stride in enumerate(strides)]

    @property
    def stride(self) -> int:
        """The largest stride in px."""
        return max(self._source.strides)

    @property
    def fixed_hw(self) -> SizeHW | None:
        """The only height and width that the graph takes; None where they are open."""
        return self._source.fixed_hw

    @property
    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Versions of the packages that made the model."""

    def fits(self, source: Source, opset: int | None) -> bool:
        """Whether this is the intermediate of a source for an operator set."""
        return self._source is source

    def in_form(self, form: str) -> Intermediate:
        """The same source in another form of `yolo_export.onnx_lower`; both share what is made already.

        Raises:
            ValueError: The form is unknown.
        """
        if form not in FORMS:
            raise ValueError(f"unknown form {form!r}; known forms: {', '.join(sorted(FORMS))}")
        other = copy.copy(self)
        other._form = form
        return other

    def model(self, progress: Callable[[str], None] = lambda _: None) -> bytes:
        """The ONNX file.

        Args:
            progress: Gets a short line before each long step.

        Raises:
            MissingExtraError: onnx or onnxsim is not installed.
            ConversionError: The graph could not be made.
        """
        onnx = require("onnx", _PURPOSE, INSTALL)
        if "plain" not in self._models:
            onnxsim = require("onnxsim", _PURPOSE, INSTALL)
            graph = self._graph(onnx, progress)
            progress("simplifying the ONNX graph")
            simplified = self._rewritten(onnx, _simplify(onnx, onnxsim, graph))
            self._models["plain"] = _finish(onnx, simplified, self.output_names)
        if self._form not in self._models:
            model = apply_form(onnx, onnx.load_from_string(self._models["plain"]), self._form)
            self._models[self._form] = _finish(onnx, model, self.output_names)
        return self._models[self._form]

    @abstractmethod
    def _graph(self, onnx: Any, progress: Callable[[str], None]) -> Any:
        """The graph before it is simplified."""

    def _rewritten(self, onnx: Any, model: Any) -> Any:
        """The simplified graph, with what converters do not know replaced."""
        return model


class OnnxIntermediate(Intermediate):
    """The ONNX form of a checkpoint; the same checkpoint and package versions give the same bytes.

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
        super().__init__(checkpoint)
        self._checkpoint = checkpoint

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the packages that made the model."""
        return {package: importlib.metadata.version(package) for package in ("torch", "onnx", "onnxsim")}

    def fits(self, source: Source, opset: int | None) -> bool:
        """As the base says."""
        wanted = DEFAULT_OPSET if opset is None else opset
        return self._source is source and self._opset == wanted

    def _graph(self, onnx: Any, progress: Callable[[str], None]) -> Any:
        progress("tracing the network to ONNX")
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


def _simplify(onnx: Any, onnxsim: Any, graph: Any) -> Any:
    """Folds whatever is constant."""
    simplified, equal = onnxsim.simplify(graph)
    if not equal:
        raise ConversionError("onnxsim changed what the graph computes; try another version of onnxsim")
    # Readers refuse a file format newer than they are, so state the oldest that has these operators.
    simplified.ir_version = onnx.helper.find_min_ir_version_for(simplified.opset_import)
    return simplified


def _finish(onnx: Any, model: Any, output_names: list[str]) -> bytes:
    names = [output.name for output in model.graph.output]
    if names != output_names:
        raise ConversionError(f"the exported graph has the outputs {names}; expected {output_names}")
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString(deterministic=True)
    return data
