"""Recognises what a network's outputs are, from their shapes and from the numbers of two pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from yolo_edge.errors import BundleError
from yolo_edge.importing.probes import Outputs, SizeHW

Array = npt.NDArray[np.float32]

_LARGEST_STRIDE = 128
_MOST_ANCHORS = 16
_USUAL_ANCHORS = 3


@dataclass(frozen=True)
class HeadForm:
    """An output that holds one head.

    Attributes:
        anchors: Number of anchors; None where channels are anchors times numbers and either is unknown.
        numbers: 5 + classes; None likewise.
        channels: ``anchors * numbers``.
    """

    name: str
    layout: str
    activation: str
    stride: int
    anchors: int | None
    numbers: int | None
    channels: int


@dataclass(frozen=True)
class RowsForm:
    """The output that holds all heads."""

    name: str
    activation: str
    rows: int
    numbers: int


@dataclass(frozen=True)
class Form:
    """What the outputs are: heads, smallest stride first, or rows.

    Attributes:
        ignored: Outputs that are not needed.
    """

    heads: tuple[HeadForm, ...] = ()
    rows: RowsForm | None = None
    ignored: tuple[str, ...] = ()

    @property
    def kind(self) -> object:
        """Everything but the number of rows, to compare two image sizes."""
        rows = self.rows and (self.rows.name, self.rows.activation, self.rows.numbers)
        return self.heads, rows, self.ignored

    def describe(self) -> str:
        """One line for people."""
        if self.rows:
            what = {"none": "raw", "sigmoid": "sigmoided, not decoded", "decoded": "decoded boxes"}
            return f"one output of all heads, {what[self.rows.activation]}"
        strides = ", ".join(str(head.stride) for head in self.heads)
        kinds = " and ".join(sorted({f"{head.layout} {_SAID[head.activation]}" for head in self.heads}))
        return f"{len(self.heads)} heads of stride {strides}, {kinds}"


_SAID = {"none": "raw", "sigmoid": "sigmoided"}


def recognise(outputs: Outputs, tensor_hw: SizeHW, task: str | None) -> Form:
    """Finds the form of the outputs.

    Args:
        outputs: What the probe pictures gave.
        tensor_hw: Their size.
        task: What the file says it is for, if it does.

    Raises:
        BundleError: Not a form of a YOLOv5 detector; the message says what it looks like, without the file.
    """
    shapes = {name: _shape(arrays[0]) for name, arrays in outputs.items()}
    for name, arrays in outputs.items():
        if arrays[0].dtype != np.float32:
            raise BundleError(f"output {name} is {arrays[0].dtype}; only float32 can be imported")
        if not all(np.isfinite(array).all() for array in arrays):
            raise BundleError(f"output {name} has values that are not finite; the file is damaged")
    rows = [name for name, shape in shapes.items() if len(shape) == 2]
    heads = [name for name, shape in shapes.items() if len(shape) > 2]
    strides = {name: _head_shape(shapes[name], tensor_hw) for name in heads}
    _refuse_other_tasks(shapes, strides, tensor_hw, task)
    if len(rows) == 1 and all(strides[name] and len(shapes[name]) == 4 for name in heads):
        # YOLOv5 v6.0 and v6.1 hand out the raw heads beside the decoded boxes.
        form = _rows_form(rows[0], outputs[rows[0]], tensor_hw)
        return Form(rows=form, ignored=tuple(heads))
    found = [_head_form(name, outputs[name], strides[name]) for name in heads if strides[name]]
    distinct = {head.stride for head in found}
    if rows or not found or len(found) < len(heads) or len(distinct) < len(found):
        raise BundleError(_unknown(shapes, tensor_hw))
    return Form(heads=tuple(sorted(found, key=lambda head: head.stride)))


def possible_heads(rows: int, tensor_hw: SizeHW) -> list[tuple[int, tuple[int, ...]]]:
    """(anchors per head, strides) that give so many rows, the most usual first.

    Of two heads and more, whose strides double and divide the image.
    """
    found = []
    for count in range(2, 6):
        for first in (8, 4, 16, 32):
            strides = tuple(first << i for i in range(count))
            if any(side % stride for side in tensor_hw for stride in strides):
                continue
            cells = sum(prod(side // stride for side in tensor_hw) for stride in strides)
            anchors, rest = divmod(rows, cells)
            if rest == 0 and 1 <= anchors <= _MOST_ANCHORS and strides[-1] <= _LARGEST_STRIDE:
                found.append((anchors, strides))
    return sorted(found, key=lambda heads: (heads[0] != _USUAL_ANCHORS, abs(len(heads[1]) - 3), heads[0]))


def _shape(array: Array) -> tuple[int, ...]:
    shape = array.shape
    # ncnn's blobs of rows may have a third dimension of one.
    return shape[1:] if len(shape) == 3 and shape[0] == 1 else shape


def _head_shape(shape: tuple[int, ...], tensor_hw: SizeHW) -> tuple[str, int] | None:
    """(layout, stride) of a head of this shape."""
    height, width = tensor_hw
    for stride in range(2, _LARGEST_STRIDE + 1):
        if height % stride or width % stride:
            continue
        ny, nx = height // stride, width // stride
        if len(shape) == 4 and shape[1:3] == (ny, nx) and shape[3] >= 6:
            return "na,h,w,no", stride
        if len(shape) == 3 and shape[1:] == (ny, nx) and shape[0] >= 6:
            return "c,h,w", stride
        if len(shape) == 3 and shape[0] <= _MOST_ANCHORS and shape[1] == ny * nx and shape[2] >= 6:
            return "na,h*w,no", stride
    return None


def _refuse_other_tasks(
    shapes: dict[str, tuple[int, ...]],
    strides: dict[str, tuple[str, int] | None],
    tensor_hw: SizeHW,
    task: str | None,
) -> None:
    if task not in (None, "detect"):
        raise BundleError(
            f"it is a model for the task {task!r}, by its own metadata; only detection models run"
        )
    rows = [shape for shape in shapes.values() if len(shape) == 2]
    if all(len(shape) == 1 or (len(shape) == 2 and shape[0] == 1) for shape in shapes.values()):
        count = max(shape[-1] for shape in shapes.values()) if shapes else 0
        raise BundleError(
            f"it is a classification model ({count} scores for an image); only detection models run"
        )
    for name, shape in shapes.items():
        if rows and len(shape) == 3 and strides[name] == ("c,h,w", 4):
            raise BundleError(
                f"it is a segmentation model: output {name} {shape} holds mask prototypes; only detection "
                "models run"
            )
    for shape in rows:
        anchor_free = [heads for heads in possible_heads(shape[1], tensor_hw) if heads[0] == 1]
        if 4 < shape[0] < shape[1] and anchor_free and not possible_heads(shape[0], tensor_hw):
            raise BundleError(
                f"its output (1, {shape[0]}, {shape[1]}) is that of YOLOv8 and later (YOLOv5u, too): 4 "
                f"sides and {shape[0] - 4} classes for each cell, no anchors, no objectness; only YOLOv5 "
                "heads can be imported"
            )


def _rows_form(name: str, arrays: Sequence[Array], tensor_hw: SizeHW) -> RowsForm:
    values: list[Array] = [array.reshape(array.shape[-2:]) for array in arrays]
    count, numbers = (int(side) for side in arrays[0].shape[-2:])
    if numbers < 6 or not possible_heads(count, tensor_hw):
        raise BundleError(_unknown({name: (count, numbers)}, tensor_hw))
    _check_alive(name, arrays)
    boxes, scores = [v[:, :4] for v in values], [v[:, 4:] for v in values]
    if not _are_probabilities(scores):
        if _are_probabilities(boxes):
            raise BundleError(
                f"output {name} has boxes from 0 to 1 but scores that are not; such a form is unknown"
            )
        _check_logits(name, scores)
        return RowsForm(name, "none", count, numbers)
    if _show_grid(boxes, tensor_hw):
        return RowsForm(name, "decoded", count, numbers)
    if not _are_probabilities(boxes):
        raise BundleError(
            f"output {name} has sigmoided scores, but its boxes are neither sigmoided nor pixels of the "
            "image; such a form is unknown"
        )
    if all(_follow_cells(box, tensor_hw) for box in boxes):
        raise BundleError(
            f"output {name} has boxes as fractions of the image, as TensorFlow exports do; export it with "
            "boxes in pixels"
        )
    return RowsForm(name, "sigmoid", count, numbers)


def _head_form(name: str, arrays: Sequence[Array], shape: Any) -> HeadForm:
    _check_alive(name, arrays)
    layout, stride = shape
    channels = arrays[0].shape[0]
    anchors = numbers = None
    activation = "sigmoid" if _are_probabilities(arrays) else "none"
    if layout != "c,h,w":
        anchors, numbers = arrays[0].shape[0], arrays[0].shape[-1]
        channels = anchors * numbers
        if activation == "none" and _are_probabilities([array[..., 4:] for array in arrays]):
            raise BundleError(
                f"output {name} has sigmoided scores, but its boxes are not; such a form of a single "
                "head is unknown"
            )
    if activation == "none":
        _check_logits(name, arrays)
    return HeadForm(name, layout, activation, stride, anchors, numbers, channels)


def _check_alive(name: str, arrays: Sequence[Array]) -> None:
    if all(np.array_equal(arrays[0], array) for array in arrays[1:]):
        raise BundleError(f"output {name} does not depend on the image; the file is damaged")


def _check_logits(name: str, arrays: Sequence[Array]) -> None:
    if min(float(array.min()) for array in arrays) >= 0:
        raise BundleError(
            f"output {name} has numbers above 1 but none below 0: neither logits nor probabilities, perhaps "
            "the results of NMS inside the model; export it without NMS"
        )


def _are_probabilities(arrays: Sequence[Array]) -> bool:
    return all(float(array.min()) >= 0.0 and float(array.max()) <= 1.0 for array in arrays)


def _show_grid(boxes: Sequence[Array], tensor_hw: SizeHW) -> bool:
    """Whether centres are spread over the whole image, in pixels, whatever the picture shows.

    A centre lies at most one and a half strides from its cell's corner, so the outermost cells of the finest
    head reach the border. Nothing but the grid arithmetic brings logits or sigmoids that far.
    """
    height, width = tensor_hw
    for box in boxes:
        for centre, side in ((box[:, 0], width), (box[:, 1], height)):
            if not (float(centre.min()) < 0.2 * side and float(centre.max()) > 0.8 * side):
                return False
            if float(centre.min()) < -0.5 * side or float(centre.max()) > 1.5 * side:
                return False
        if float(box[:, 2:].min()) < 0:
            return False
    # The same cell's centre moves little from picture to picture.
    moved = max(float(np.abs(boxes[0][:, :2] - box[:, :2]).max()) for box in boxes)
    return max(tensor_hw) > 2.0 and moved <= 2 * _LARGEST_STRIDE


def _follow_cells(boxes: Array, tensor_hw: SizeHW) -> bool:
    """Whether the centres rise with the columns and rows of the cells, in whatever unit."""
    for anchors, strides in possible_heads(len(boxes), tensor_hw):
        places = []
        for stride in strides:
            rows, columns = np.mgrid[: -(-tensor_hw[0] // stride), : -(-tensor_hw[1] // stride)]
            cells = np.stack([columns.ravel(), rows.ravel()], 1) * float(stride)
            places.append(np.tile(cells, (anchors, 1)))
        expected = np.concatenate(places)
        if all(_correlation(boxes[:, axis], expected[:, axis]) > 0.9 for axis in (0, 1)):
            return True
    return False


def _correlation(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    if float(np.ptp(a)) == 0 or float(np.ptp(b)) == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _unknown(shapes: dict[str, tuple[int, ...]], tensor_hw: SizeHW) -> str:
    listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    return (
        f"its outputs are not those of a YOLOv5 detector: for an image of {tensor_hw[0]}x{tensor_hw[1]} "
        f"it gives {listed or 'nothing'}. What can be imported: per head (1, na*no, h, w), (1, na, h, w, no) "
        "or (na, h*w, no), or one tensor (1, n, no) of all heads, where no is 5 + classes; without NMS "
        "in the model"
    )
