"""What a checkpoint says beside the weights: names, strides, anchors, how it was trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Union

import torch

from yolo_export.checkpoint.records import Instance, TensorRef, clip
from yolo_export.checkpoint.weights import Weights
from yolo_export.errors import CheckpointError
from yolo_export.models import Network

__all__ = ["Anchors", "HeadFacts", "head_facts", "head_shapes", "read_names", "training_facts"]

#: Width and height in px of each anchor of one head.
Anchors = list[tuple[float, float]]
Fact = Union[str, int, float, bool]

#: Probe size (height, width) in px: different sides, multiples of every stride up to 128.
_PROBE_HW = (256, 384)
#: Largest feature map that the probe may meet, in elements per px of the probe image. Real networks stay
#: below 64.
_MAX_ELEMENTS_PER_PX = 1024
_TRAINING_KEYS = ("epoch", "best_fitness", "date", "version", "license", "updates")


@dataclass
class HeadFacts:
    """Facts about the heads, in the order of the checkpoint."""

    strides: list[int]
    anchors_px: list[Anchors]
    notes: list[str] = field(default_factory=list)


def head_shapes(network: Network) -> list[tuple[int, int]]:
    """Run a network that has no memory yet, and see what comes out.

    Args:
        network: On the ``meta`` device.

    Returns:
        Channels and stride in px of each head.

    Raises:
        CheckpointError: It cannot run, or a feature map is absurdly large.
    """
    height, width = _PROBE_HW
    limit = height * width * _MAX_ELEMENTS_PER_PX

    def check(_: Any, __: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor) and output.numel() > limit:
            raise CheckpointError(
                f"has a layer that makes {output.numel()} numbers of a {width}x{height} image"
            )

    hooks = [module.register_forward_hook(check) for module in network.modules()]
    try:
        with torch.no_grad():
            heads = network(torch.empty(1, 3, height, width, device="meta"))
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError, NotImplementedError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"has a network that cannot run: {clip(str(error), 300)}") from error
    finally:
        for hook in hooks:
            hook.remove()
    shapes = []
    for index, head in enumerate(heads):
        _, channels, rows, columns = head.shape
        stride = height // max(rows, 1)
        if rows == 0 or rows * stride != height or columns * stride != width:
            raise CheckpointError(
                f"has a head {index} of {columns}x{rows} cells for an image of {width}x{height}"
            )
        shapes.append((channels, stride))
    return shapes


def head_facts(network: Network, detect: Instance, strides_seen: list[int], weights: Weights) -> HeadFacts:
    """Strides and anchors.

    Args:
        network: The network.
        detect: Record of its last layer.
        strides_seen: Strides that a run of the network showed.
        weights: For the anchors' numbers.

    Raises:
        CheckpointError: What the checkpoint says contradicts itself or the network.
    """
    facts = HeadFacts(strides_seen, [])
    state = detect.state
    stated = state.get("stride")
    if isinstance(stated, TensorRef):
        strides = [round(stride) for stride in weights.read(stated).flatten().tolist()[:64]]
        if strides != strides_seen:
            raise CheckpointError(f"says that its strides are {strides}, but its network has {strides_seen}")
    else:
        facts.notes.append(f"the checkpoint states no strides; its network has {strides_seen}")
    heads, anchors = len(strides_seen), network.detect.na
    in_px, in_cells = (state.get("_buffers", {}).get(name) for name in ("anchor_grid", "anchors"))
    if isinstance(in_px, TensorRef):
        table = _anchor_table(in_px, heads, anchors, weights)
    elif isinstance(in_cells, TensorRef):
        table = _anchor_table(in_cells, heads, anchors, weights) * torch.tensor(strides_seen).view(-1, 1, 1)
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
    if type(found) not in (list, tuple) or not all(isinstance(name, (str, int)) for name in found):
        raise CheckpointError("has class names that are neither a list nor a dict numbered from 0")
    if len(found) != classes:
        raise CheckpointError(f"has {len(found)} class names, but its heads have {classes} classes")
    names = [str(name) for name in found]
    shown = ["".join(_printable(character) for character in name) for name in names]
    if shown != names:
        return shown, ["class names hold control characters; they are written as escapes"]
    return names, []


def training_facts(checkpoint: Mapping[Any, Any]) -> dict[str, Fact]:
    """Plain values that tell where a checkpoint comes from."""
    facts = {key: checkpoint.get(key) for key in _TRAINING_KEYS}
    return {key: value for key, value in facts.items() if isinstance(value, (str, int, float))}


def _printable(character: str) -> str:
    """A character as it is, or its escape: a name ends up on terminals."""
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
