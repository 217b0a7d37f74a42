"""The RepVGG backbone (Ding et al. 2021) of YOLOv5-Lite g."""

from __future__ import annotations

import torch
from torch import nn

from yolo_export.models.registry import Block, block

__all__ = ["Absent", "RepVGGBlock"]


class Absent(nn.Module):
    """Stands for a branch that a block does not have. It is not run."""


@block(
    "models.common.RepVGGBlock",
    children=("nonlinearity",),
    optional={
        "se": nn.Identity,
        "rbr_dense": Absent,
        "rbr_1x1": Absent,
        "rbr_identity": Absent,
        "rbr_reparam": Absent,
    },
    family="yolov5-lite",
)
class RepVGGBlock(Block):
    """The sum of a 3x3 convolution, a 1x1 convolution and the input, each with its batch norm.

    After training the branches can be added up into one 3x3 convolution, ``rbr_reparam``. A checkpoint has
    either.

    Args:
        c1: Input channels.
        c2: Output channels.
        kernel: Kernel size of the larger convolution in px.
        stride: In px.
    """

    def __init__(self, c1: int, c2: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.nonlinearity = nn.SiLU()
        self.se = nn.Identity()
        self.rbr_dense: nn.Module = _conv_norm(c1, c2, kernel, stride)
        self.rbr_1x1: nn.Module = _conv_norm(c1, c2, 1, stride)
        self.rbr_identity: nn.Module = nn.BatchNorm2d(c1) if c1 == c2 and stride == 1 else Absent()
        self.rbr_reparam: nn.Module = Absent()

    def branches(self) -> list[nn.Module]:
        """What is added up: the reparameterised convolution alone, or every branch there is."""
        if not isinstance(self.rbr_reparam, Absent):
            return [self.rbr_reparam]
        every = [self.rbr_dense, self.rbr_1x1, self.rbr_identity]
        return [branch for branch in every if not isinstance(branch, Absent)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c1, H, W) to (N, c2, H/stride, W/stride)."""
        first, *others = self.branches()
        total = first(x)
        for branch in others:
            total = total + branch(x)
        y: torch.Tensor = self.nonlinearity(self.se(total))
        return y


def _conv_norm(c1: int, c2: int, kernel: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(c1, c2, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(c2))
