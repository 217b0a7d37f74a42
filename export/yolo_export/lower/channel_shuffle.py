"""Channel shuffle in a form that keeps height and width open.

Written with the height and width of a traced tensor, a shuffle exports as a chain of Shape, Gather and Concat
that computes the shape anew for every image. ONNX can say "this dimension as it was" (a 0 in Reshape) without
computing anything, but only for dimensions that keep their place. So the shuffle is done in four dimensions,
with the groups in the place of the batch, which is 1:

    (1, C, H, W) -> (groups, C/groups, H, W) -> transposed (C/groups, groups, H, W) -> (1, C, H, W)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from yolo_export.models import ChannelShuffle

__all__ = ["OpenChannelShuffle", "open_channel_shuffle"]


class OpenChannelShuffle(nn.Module):
    """`ChannelShuffle` for a batch of one."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (1, C, H, W) to the same shape."""
        split: torch.Tensor = _KeepHeightAndWidth.apply(x, self.groups)  # type: ignore[no-untyped-call]
        return _KeepHeightAndWidth.apply(split.transpose(0, 1), 1)  # type: ignore[no-any-return, no-untyped-call]


def open_channel_shuffle(network: nn.Module) -> None:
    """Replace every `ChannelShuffle` by `OpenChannelShuffle`, in place."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, ChannelShuffle):
                setattr(module, name, OpenChannelShuffle(child.groups))


class _KeepHeightAndWidth(torch.autograd.Function):
    """Reshapes to (first, -1, H, W)."""

    @staticmethod
    def forward(_: Any, x: torch.Tensor, first: int) -> torch.Tensor:
        return x.reshape(first, -1, x.shape[2], x.shape[3])

    @staticmethod
    def symbolic(graph: Any, x: Any, first: int) -> Any:
        shape = graph.op("Constant", value_t=torch.tensor([first, -1, 0, 0]))
        return graph.op("Reshape", x, shape)
