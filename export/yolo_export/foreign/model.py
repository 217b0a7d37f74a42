"""Another tool's ONNX file as a source of exports: its raw heads, found in the graph and proven."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from yolo_edge.bundle import ModelInput, sha256_of
from yolo_edge.importing.draft import Draft, draft_import
from yolo_edge.importing.forms import HeadForm, RowsForm
from yolo_edge.importing.options import ImportOptions
from yolo_edge.importing.pictures import PROBE_SIZES, probe_tensors
from yolo_edge.options import PAD_VALUE
from yolo_edge.packages import require
from yolo_export.errors import ExportError
from yolo_export.foreign.focus import fold_focus
from yolo_export.foreign.graph import ForeignGraph
from yolo_export.foreign.proof import Anchors, difference, find_anchors, find_order
from yolo_export.source import FloatArray, SizeHW
from yolo_export.targets.intermediate import Intermediate

__all__ = ["ForeignModel", "open_foreign"]

_TOLERANCE = 1e-4
"""Largest difference between the outputs of a file and those computed from its raw heads, in float32."""

_ADVICE = "export the checkpoint itself, or the ONNX file with raw heads"


@dataclass(frozen=True)
class _Head:
    """A tensor of the graph that is a raw head."""

    tensor: str
    channels: int
    stride: int
    anchors_px: Anchors = ()


@dataclass(frozen=True, eq=False)
class ForeignModel:
    """An ONNX file whose raw heads are known; see `Source`."""

    draft: Draft
    graph: ForeignGraph
    runner: Runner
    heads: tuple[_Head, ...]
    sha256: str
    notes: list[str] = field(default_factory=list)

    kind: ClassVar[str] = "file"
    family: ClassVar[str] = "yolov5"
    """It does not change how a model runs, and these files do not tell."""

    @property
    def path(self) -> Path:
        """The file."""
        return self.draft.path

    @property
    def names(self) -> Sequence[str]:
        """Class names."""
        return self.draft.facts.names

    @property
    def strides(self) -> Sequence[int]:
        """Stride of each head in px."""
        return [head.stride for head in self.heads]

    @property
    def anchors_px(self) -> Sequence[Anchors]:
        """Width and height in px of the anchors of each head."""
        return [head.anchors_px for head in self.heads]

    @property
    def size_hw(self) -> SizeHW | None:
        """What its metadata or the user says."""
        return self.draft.size_hw

    @property
    def fixed_hw(self) -> SizeHW | None:
        """The only size that it takes."""
        return None if self.draft.shapes == "dynamic" else self.draft.shapes[0]

    @property
    def provenance(self) -> dict[str, Any]:
        """As that of ``yolo-edge import``: there is no checkpoint to compare with."""
        return {
            "source": "imported",
            "file": self.path.name,
            "file_sha256": self.sha256,
            "form": self.draft.form.describe(),
        }

    def model_input(self, size_hw: SizeHW) -> ModelInput:
        """As the user says that images become tensors."""
        options = self.draft.options
        return ModelInput(
            channels=options.channels,
            mean=options.mean,
            scale=options.scale,
            pad_value=PAD_VALUE,
            letterbox="rect",
            size_hw=size_hw,
            stride=self.draft.facts.stride,
        )

    def compute_heads(self, tensor: FloatArray) -> tuple[FloatArray, ...]:
        """What the file's own graph holds at the heads, in onnxruntime; its outputs must follow from it.

        Raises:
            ExportError: They do not.
        """
        outputs, heads = self.runner.run(tensor, [head.tensor for head in self.heads])
        self.check(outputs, heads, (tensor.shape[2], tensor.shape[3]))
        return tuple(heads)

    def check(self, outputs: Mapping[str, FloatArray], heads: list[FloatArray], tensor_hw: SizeHW) -> None:
        """Compare the file's outputs with those computed from its heads.

        Raises:
            ExportError: They differ.
        """
        worst = difference(self.draft.form, outputs, heads, self.strides, self.anchors_px, tensor_hw)
        if not worst <= _TOLERANCE:
            raise ExportError(
                f"{self.path}: its detection convolutions, decoded as YOLOv5 does, do not give its outputs "
                f"({self.draft.form.describe()}): they differ by up to {worst:.2g}; {_ADVICE}"
            )

    def intermediate(self, opset: int | None) -> Intermediate:
        """The file's graph, cut off behind the heads.

        Raises:
            ValueError: Another operator set than the file's.
        """
        if opset not in (None, self.graph.opset):
            raise ValueError(
                f"opset is {opset}; the ONNX file {self.path} keeps its own, {self.graph.opset}: leave "
                "--opset out"
            )
        return _ForeignIntermediate(self)


def open_foreign(path: Path, options: ImportOptions) -> ForeignModel:
    """Reads another tool's ONNX file.

    Names, strides and anchors are found as ``yolo-edge import`` finds them. Where the file's outputs are not
    raw heads, the convolutions behind them are; the file's outputs, computed from these, have to be the same.

    Args:
        path: ``.onnx``.
        options: What the file does not say.

    Raises:
        BundleError: It cannot be imported; everything that is wrong or missing is listed at once.
        ExportError: It can, but its raw heads cannot be found.
        MissingExtraError: onnxruntime or onnx is not installed.
    """
    draft = draft_import(path, options)
    graph = ForeignGraph(path)
    form, facts = draft.form, draft.facts
    direct = form.rows is None and all(
        (head.layout, head.activation) == ("c,h,w", "none") for head in form.heads
    )
    used = [form.rows.name] if form.rows else [head.name for head in form.heads]
    tensors = used if direct else graph.convolutions_behind(used)
    runner = Runner(draft, graph.showing(tensors), tensors)
    sizes = PROBE_SIZES if draft.shapes == "dynamic" else draft.shapes
    runs = [(size, *runner.run(tensor)) for size in sizes for tensor in probe_tensors(size)]
    tensor_hw, outputs, found = runs[0]
    heads = _heads(path, tensors, found, tensor_hw)
    if form.rows:
        heads = _in_order_of_rows(path, draft, form.rows, outputs, found, heads)
    else:
        heads = _in_order_of_outputs(path, form.heads, heads)
        heads = [_Head(h.tensor, h.channels, h.stride, f.anchors_px) for h, f in zip(heads, facts.heads)]
    notes = list(draft.notes)
    if form.rows and form.rows.activation == "decoded":
        listed = "/".join(",".join(f"{w:g},{h:g}" for w, h in head.anchors_px) for head in heads)
        notes.append(f"the anchors were computed from the decoded boxes: {listed}")
    model = ForeignModel(draft, graph, runner, tuple(heads), sha256_of(path), notes)
    places = [tensors.index(head.tensor) for head in heads]
    for size, outputs, found in runs:
        model.check(outputs, [found[place] for place in places], size)
    return model


def _heads(path: Path, tensors: list[str], found: list[FloatArray], tensor_hw: SizeHW) -> list[_Head]:
    heads = []
    for tensor, head in zip(tensors, found):
        channels, ny, nx = head.shape if head.ndim == 3 else (0, 0, 0)
        stride = tensor_hw[0] // ny if ny else 0
        if not channels or (ny * stride, nx * stride) != tensor_hw:
            raise ExportError(f"{path}: the convolution {tensor} behind its outputs is no head; {_ADVICE}")
        heads.append(_Head(tensor, channels, stride))
    return heads


def _in_order_of_outputs(path: Path, forms: tuple[HeadForm, ...], heads: list[_Head]) -> list[_Head]:
    by_stride = {head.stride: head for head in heads}
    wanted = [(form.stride, form.channels) for form in forms]
    ordered = [by_stride[stride] for stride, _ in wanted if stride in by_stride]
    if len(heads) != len(forms) or [(head.stride, head.channels) for head in ordered] != wanted:
        raise ExportError(
            f"{path}: behind its {len(forms)} outputs lie {_listed(heads)}, not the detection convolutions; "
            f"{_ADVICE}"
        )
    return ordered


def _in_order_of_rows(
    path: Path,
    draft: Draft,
    form: RowsForm,
    outputs: Mapping[str, FloatArray],
    found: list[FloatArray],
    heads: list[_Head],
) -> list[_Head]:
    """The heads as one output holds them, with anchors: the user's, or for decoded boxes computed ones."""
    rows = outputs[form.name]
    # Six factorial orders are still tried in no time; no network has more heads.
    order = find_order(form, rows, found) if len(heads) <= 6 else None
    if order is None:
        raise ExportError(
            f"{path}: behind its output {form.name} lie {_listed(heads)}, whose scores are not those of the "
            f"output; {_ADVICE}"
        )
    ordered = [heads[i] for i in order]
    if form.activation != "decoded":
        stated = [head.stride for head in draft.facts.heads]
        seen = [head.stride for head in ordered]
        if stated != seen:
            text, other = (",".join(map(str, strides)) for strides in (seen, stated))
            raise ExportError(
                f"{path}: its rows are of the strides {text} in this order, not {other}; "
                f"give --strides {text}, and --anchors in the same order"
            )
        anchors_px = [head.anchors_px for head in draft.facts.heads]
    else:
        computed = find_anchors(rows, [found[i] for i in order])
        if computed is None:
            raise ExportError(
                f"{path}: its boxes are not decoded from its heads as YOLOv5 does, with one anchor for all "
                f"cells; {_ADVICE}"
            )
        anchors_px = computed
    return [_Head(h.tensor, h.channels, h.stride, anchors) for h, anchors in zip(ordered, anchors_px)]


def _listed(heads: list[_Head]) -> str:
    if not heads:
        return "no convolutions"
    return "convolutions of " + ", ".join(
        f"{head.channels} channels at stride {head.stride}" for head in heads
    )


class Runner:
    """Runs a file in onnxruntime and gives inner tensors beside its outputs.

    Args:
        draft: What is known of the file.
        model: The file, with those tensors among its outputs.
        tensors: Their names.
    """

    def __init__(self, draft: Draft, model: bytes, tensors: list[str]) -> None:
        ort = require("onnxruntime", "exporting an ONNX file", "pip install onnxruntime")
        options = ort.SessionOptions()
        options.log_severity_level = 4
        self._session = ort.InferenceSession(model, sess_options=options, providers=["CPUExecutionProvider"])
        self._input = draft.probe.input_name
        form = draft.form
        self._outputs = [form.rows.name] if form.rows else [head.name for head in form.heads]
        self._tensors = tensors

    def run(
        self, tensor: FloatArray, tensors: list[str] | None = None
    ) -> tuple[dict[str, FloatArray], list[FloatArray]]:
        """The file's outputs by name, and inner tensors (all by default), without batch dimension."""
        names = self._tensors if tensors is None else tensors
        wanted = list(dict.fromkeys([*self._outputs, *names]))
        values = dict(zip(wanted, self._session.run(wanted, {self._input: tensor})))
        heads = [np.asarray(values[name]) for name in names]
        heads = [head[0] if head.ndim == 4 and len(head) == 1 else head for head in heads]
        return {name: np.asarray(values[name]) for name in self._outputs}, heads


class _ForeignIntermediate(Intermediate):
    """The graph of a file, cut off behind its heads."""

    def __init__(self, model: ForeignModel) -> None:
        super().__init__(model)
        self._foreign = model

    @property
    def versions(self) -> dict[str, str]:
        """As the base says."""
        return {
            package: importlib.metadata.version(package) for package in ("onnx", "onnxruntime", "onnxsim")
        }

    def _graph(self, onnx: Any, progress: Callable[[str], None]) -> Any:
        progress("cutting the graph behind its heads")
        model = self._foreign
        heads = [(head.tensor, head.channels) for head in model.heads]
        return model.graph.cut(model.draft.probe.input_name, heads, self.output_names, model.fixed_hw)

    def _rewritten(self, onnx: Any, model: Any) -> Any:
        fold_focus(onnx, model)
        return model
