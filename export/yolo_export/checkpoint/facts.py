"""What a checkpoint says beside the weights: names, strides, anchors, how it was trained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Union

import torch

from yolo_export.checkpoint.records import Instance, TensorRef, clip
from yolo_export.checkpoint.weights import Weights
from yolo_export.errors import CheckpointError
from yolo_export.models import Network
from yolo_export.source import SizeHW

__all__ = ["Anchors", "HeadFacts", "head_facts", "read_names", "trained_size", "training_facts"]

#: Width and height in px of each anchor of one head.
Anchors = list[tuple[float, float]]
Fact = Union[str, int, float, bool]

_MAX_NAME = 200
_MAX_TEXT = 400
_MAX_PARTS = 64
_TRAINING_KEYS = ("epoch", "best_fitness", "date", "version", "license", "updates")
#: Options of YOLOv5's train.py, and what they are called here; the image size has two names there.
_OPTIONS = {
    "imgsz": "imgsz",
    "img_size": "imgsz",
    "epochs": "epochs",
    "batch_size": "batch_size",
    "data": "data",
    "cfg": "cfg",
    "weights": "weights",
    "optimizer": "optimizer",
}


@dataclass
class HeadFacts:
    """Facts about the heads, in the order of the checkpoint."""

    strides: list[int]
    anchors_px: list[Anchors]
    notes: list[str] = field(default_factory=list)


def head_facts(
    network: Network,
    detect: Instance,
    strides_seen: list[int],
    weights: Weights,
    anchors_given: list[Anchors] | None = None,
) -> HeadFacts:
    """Strides and anchors.

    Args:
        network: The network.
        detect: Record of its last layer.
        strides_seen: Strides that a run of the network showed.
        weights: For the anchors' numbers.
        anchors_given: In px, where the checkpoint itself need not have any; then it need not state strides
            either.

    Raises:
        CheckpointError: What the checkpoint says contradicts itself or the network.
    """
    facts = HeadFacts(strides_seen, [])
    state = detect.state
    stated = state.get("stride")
    if isinstance(stated, TensorRef):
        strides = weights.read(stated).flatten().tolist()[:64] if stated.count <= 64 else []
        if strides != strides_seen:  # Whole numbers, which half precision holds as they are.
            shown = [int(stride) if stride == stride // 1 else stride for stride in strides]
            raise CheckpointError(f"says that its strides are {shown}, but its network has {strides_seen}")
    elif anchors_given is None:
        facts.notes.append(f"the checkpoint states no strides; its network has {strides_seen}")
    heads, anchors = len(strides_seen), network.detect.na
    buffers = state.get("_buffers", {})
    if type(buffers) is not dict:
        raise CheckpointError(f"has a {clip(detect.class_path)} whose tensors are not named")
    in_px, in_cells = (buffers.get(name) for name in ("anchor_grid", "anchors"))
    if isinstance(in_px, TensorRef):
        table = _anchor_table(in_px, heads, anchors, weights)
    elif isinstance(in_cells, TensorRef):
        table = _anchor_table(in_cells, heads, anchors, weights) * torch.tensor(strides_seen).view(-1, 1, 1)
    elif anchors_given is not None:
        facts.anchors_px = anchors_given
        return facts
    else:
        raise CheckpointError("has a Detect layer without anchors")
    if not bool((torch.isfinite(table) & (table > 0)).all()):
        raise CheckpointError("has anchors that are not positive numbers")
    facts.anchors_px = [[(float(w), float(h)) for w, h in head] for head in table.tolist()]
    return facts


def _anchor_table(ref: TensorRef, heads: int, anchors: int, weights: Weights) -> torch.Tensor:
    if ref.count != heads * anchors * 2:
        raise CheckpointError(
            f"has {ref.count // 2} anchors; {heads} heads of {anchors} need {heads * anchors}"
        )
    return weights.read(ref).reshape(heads, anchors, 2)


def read_names(found: Any, classes: int) -> tuple[list[str], list[str]]:
    """Names of the classes.

    Args:
        found: A list, a dict from class number to name, or None.
        classes: How many classes the heads have.

    Returns:
        The names, and notes for the user.

    Raises:
        CheckpointError: There are names, but not one for each class.
    """
    if found is None:
        return (
            [f"class{index}" for index in range(classes)],
            [f"the checkpoint has no class names; they are called class0 to class{classes - 1}"],
        )
    if type(found) is dict and set(found) == set(range(len(found))):
        found = [found[index] for index in range(len(found))]
    if type(found) not in (list, tuple) or not all(type(name) in (str, int) for name in found):
        raise CheckpointError("has class names that are neither a list nor a dict numbered from 0")
    if len(found) != classes:
        raise CheckpointError(f"has {len(found)} class names, but its heads have {classes} classes")
    names = [name if type(name) is str else str(name) for name in found]
    for index, name in enumerate(names):
        if len(name) > _MAX_NAME:
            raise CheckpointError(
                f"has a name of {len(name)} characters for class {index} ({clip(name, 40)}); "
                f"at most {_MAX_NAME} are allowed"
            )
    shown = [_printable(name) for name in names]
    if shown != names:
        return shown, ["class names hold control characters; they are written as escapes"]
    return names, []


def training_facts(checkpoint: Mapping[Any, Any]) -> dict[str, Fact]:
    """Plain values that tell where a checkpoint comes from and how it was trained."""
    found = {key: checkpoint.get(key) for key in _TRAINING_KEYS}
    options = checkpoint.get("opt")
    if isinstance(options, Instance) and options.class_path == "argparse.Namespace":
        options = options.state
    if type(options) is dict:
        for key, name in _OPTIONS.items():
            value = options.get(key)
            if type(value) in (list, tuple) and value:  # Older releases had a pair of image sizes.
                value = value[0]
            if isinstance(value, Instance) and value.class_path.startswith("pathlib."):
                # A pickle can mention one long text a million times: cut before joining.
                parts = [part[:_MAX_TEXT] for part in value.args[:_MAX_PARTS] if type(part) is str]
                value = "/".join(parts)
            if found.get(name) is None:
                found[name] = value
    return {key: fact for key, value in found.items() if (fact := _fact(value)) is not None}


def trained_size(training: Mapping[str, Fact], strides: Sequence[int]) -> SizeHW | None:
    """(height, width) in px that a network was trained at, if that is known and its strides divide it."""
    side, stride = training.get("imgsz"), max(strides)
    return (side, side) if type(side) is int and side >= stride and side % stride == 0 else None


def _fact(value: Any) -> Fact | None:
    """A value that a bundle and a terminal can hold."""
    if type(value) is str:
        return _printable(value[:_MAX_TEXT])
    if type(value) is float:
        return value if math.isfinite(value) else None
    if type(value) is int:
        return value if abs(value) < 1 << 53 else None
    return value if type(value) is bool else None


def _printable(text: str) -> str:
    """Text as it is, with escapes for what must not reach a terminal."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
