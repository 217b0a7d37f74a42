"""Puts the numbers of a file into a network that was built without memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from yolo_export.checkpoint.records import TensorRef
from yolo_export.checkpoint.weights import Weights
from yolo_export.errors import CheckpointError
from yolo_export.models import Network

__all__ = ["IGNORED_TENSORS", "Placed", "load_placed", "not_finite"]

#: Counts training steps; inference never looks at it.
IGNORED_TENSORS = frozenset({"num_batches_tracked"})


class Placed(NamedTuple):
    """A tensor of the file and the place in the network that it belongs to.

    Attributes:
        module: The module.
        name: Its parameter or buffer.
        ref: The tensor, of the same size.
        place: The place in words.
    """

    module: nn.Module
    name: str
    ref: TensorRef
    place: str


def load_placed(network: Network, tensors: Iterable[Placed], weights: Weights) -> None:
    """Give every parameter and buffer its numbers.

    Raises:
        CheckpointError: One is left without.
    """
    for module, name, ref, _ in tensors:
        tensor = weights.read(ref)
        if name in module._parameters:
            setattr(module, name, nn.Parameter(tensor, requires_grad=False))
        else:
            setattr(module, name, tensor)
    for module in network.modules():
        for name in IGNORED_TENSORS & module._buffers.keys():
            setattr(module, name, torch.zeros((), dtype=torch.int64))
    for name, own in [*network.named_parameters(), *network.named_buffers()]:
        if own.is_meta:
            raise CheckpointError(f"lacks the tensor {name}")


def not_finite(tensors: Iterable[Placed]) -> list[str]:
    """Places of tensors that hold NaN or infinity, once they are loaded."""
    # By numpy: torch starts its threads for each, which takes longer than the work.
    return [each.place for each in tensors if not np.isfinite(getattr(each.module, each.name).numpy()).all()]
