"""The depth-wise separable convolution of the YOLOv5-Lite e head."""

from __future__ import annotations

import torch
from torch import nn

from yolo_export.models.registry import Block, block

__all__ = ["DepthwiseSeparable"]


@block(
    "models.common.DWConvblock",
    children=("conv1", "conv2"),
    optional={"bn1": nn.Identity, "bn2": nn.Identity, "act": nn.ReLU},
    family="yolov5-lite",
)
class DepthwiseSeparable(Block):
    """A depth-wise and a point-wise convolution, each with batch norm and ReLU.

    Args:
        c1: Input channels.
        c2: Output channels.
        k: Kernel size of the depth-wise convolution in px.
        s: Its stride in px.
    """

    def __init__(self, c1: int, c2: int, k: int, s: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c1, c1, k, s, k // 2, groups=c1, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(c1)
        self.conv2 = nn.Conv2d(c1, c2, 1, bias=False)
        self.bn2: nn.Module = nn.BatchNorm2d(c2)
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c1, H, W) to (N, c2, H/s, W/s)."""
        x = self.act(self.bn1(self.conv1(x)))
        y: torch.Tensor = self.act(self.bn2(self.conv2(x)))
        return y
