"""The checkpoints of ``yolo-train``: tensors and plain data, no objects of any class.

``best.pt`` is a dict, which ``torch.load(weights_only=True)`` reads too:

====================  ==================================================================================
``format``            `FORMAT`
``format_version``    `FORMAT_VERSION`
``network``           the layers, see `yolo_export.models.describe_network`
``weights``           its tensors by name, as a state dict of YOLOv5 calls them: ``model.0.conv.weight``
``names``             class names
``strides``           of each head in px
``anchors_px``        for each head a list of [width, height]
``epoch``, ``opt``    and other facts about the training, under the names that YOLOv5's checkpoints have
====================  ==================================================================================

``last.pt`` also has ``resume``, which is not looked at here. The description goes the way of a pickled
network: the same blocks, the same checks.
"""

from __future__ import annotations

from typing import Any

from yolo_export.checkpoint.records import Instance, TensorRef, clip
from yolo_export.errors import CheckpointError
from yolo_export.models import CONTAINERS, MAX_MODULES

__all__ = ["FORMAT", "FORMAT_VERSION", "WEIGHTS_PREFIX", "is_trained", "stated_heads", "trained_record"]

FORMAT = "yolo-edge training"
FORMAT_VERSION = 1
WEIGHTS_PREFIX = "model."

_NETWORK = "models.yolo.Model"
_MAX_DEPTH = 24
_MAX_PART_NAME = 100
_MAX_HEADS = 16
_MAX_ANCHORS = 64
_MAX_SIDE_PX = 1e6


def is_trained(content: Any) -> bool:
    """Whether a file says that ``yolo-train`` wrote it."""
    return type(content) is dict and type(content.get("format")) is str and content["format"] == FORMAT


def trained_record(content: dict[Any, Any]) -> Instance:
    """The network as the record that a pickle would have given.

    Raises:
        CheckpointError: The file is of a newer version, or the description is damaged.
    """
    version = content.get("format_version")
    if type(version) is not int or version < 1:
        raise CheckpointError("is a checkpoint of yolo-train without a version")
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"is a checkpoint of yolo-train in form {clip(str(version))}; this version of yolo-edge reads up "
            f"to {FORMAT_VERSION}: update it"
        )
    layers, weights = content.get("network"), content.get("weights")
    if type(layers) is not list or not layers:
        raise CheckpointError("has no list of layers under 'network'")
    if type(weights) is not dict or not all(type(key) is str for key in weights):
        raise CheckpointError("has no tensors by name under 'weights'")
    records = _Records(weights)
    children = {}
    for index, layer in enumerate(layers):
        name = str(index)
        record = records.record(layer, f"{WEIGHTS_PREFIX}{name}", 0)
        record.state["f"] = layer.get("from")
        children[name] = record
    sequence = Instance(CONTAINERS[1], state={"_modules": children}, built=True)
    return Instance(_NETWORK, state={"_modules": {"model": sequence}}, built=True)


def stated_heads(content: dict[Any, Any]) -> tuple[list[int], list[list[tuple[float, float]]]]:
    """Strides and anchors in px as the file states them.

    Raises:
        CheckpointError: They are missing or are no positive numbers.
    """
    strides, anchors = content.get("strides"), content.get("anchors_px")
    if (
        type(strides) is not list
        or not 1 <= len(strides) <= _MAX_HEADS
        or not all(type(stride) is int and 0 < stride < _MAX_SIDE_PX for stride in strides)
    ):
        raise CheckpointError("does not state the strides of its heads in px")
    if type(anchors) is not list or len(anchors) != len(strides):
        raise CheckpointError("does not state the anchors of each head in px")
    heads = []
    for head in anchors:
        if type(head) is not list or not 1 <= len(head) <= _MAX_ANCHORS:
            raise CheckpointError("does not state the anchors of each head in px")
        heads.append([_anchor(pair) for pair in head])
    return list(strides), heads


def _anchor(pair: Any) -> tuple[float, float]:
    if (
        type(pair) is not list
        or len(pair) != 2
        or not all(type(side) in (int, float) and 0 < side < _MAX_SIDE_PX for side in pair)
    ):
        raise CheckpointError("has anchors that are not pairs of positive numbers")
    return float(pair[0]), float(pair[1])


class _Records:
    """Turns descriptions into records, each once: a pickle can mention one dict in many places."""

    def __init__(self, weights: dict[str, Any]) -> None:
        self._tensors: dict[str, dict[str, TensorRef]] = {}
        for key, value in weights.items():
            if not isinstance(value, TensorRef):
                raise CheckpointError(f"has something that is not a tensor under 'weights': {clip(key)}")
            module, _, name = key.rpartition(".")
            self._tensors.setdefault(module, {})[name] = value
        self._seen: set[int] = set()

    def record(self, described: Any, place: str, depth: int) -> Instance:
        """A module and its parts."""
        if depth > _MAX_DEPTH:
            raise CheckpointError(f"nests modules more than {_MAX_DEPTH} deep")
        if type(described) is not dict:
            raise CheckpointError(f"has something that is not a module at {clip(place)}")
        if id(described) in self._seen:
            raise CheckpointError(f"uses one module in several places: {clip(place)}")
        self._seen.add(id(described))
        if len(self._seen) > MAX_MODULES:
            raise CheckpointError(f"has more than {MAX_MODULES} modules")
        path, fields, parts = (described.get(key) for key in ("class", "fields", "parts"))
        if type(path) is not str or type(fields) is not dict or type(parts) is not dict:
            raise CheckpointError(f"does not say class, fields and parts of {clip(place)}")
        state: dict[str, Any] = {key: value for key, value in fields.items() if type(key) is str}
        for name in parts:
            if type(name) is not str or len(name) > _MAX_PART_NAME:
                raise CheckpointError(f"has a part without a proper name in {clip(place)}")
        state["_modules"] = {
            name: self.record(part, f"{place}.{name}", depth + 1) for name, part in parts.items()
        }
        state["_parameters"] = self._tensors.get(place, {})
        state["_buffers"] = {}
        return Instance(path, state=state, built=True)
