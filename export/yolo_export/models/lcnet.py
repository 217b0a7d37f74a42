"""The PP-LCNet backbone (Cui et al. 2021) of YOLOv5-Lite c."""

from __future__ import annotations

import torch
from torch import nn

from yolo_export.models.registry import Attribute, Block, block

__all__ = ["ConvBnHardswish", "ConvExcite", "LCBlock", "LastConv"]


@block(
    "models.common.CBH", children=("conv", "hardswish"), optional={"bn": nn.Identity}, family="yolov5-lite"
)
class ConvBnHardswish(Block):
    """Convolution, batch norm, hard swish.

    Args:
        c1: Input channels.
        c2: Output channels.
        kernel: Kernel size in px.
        stride: In px.
        groups: Groups.
    """

    def __init__(self, c1: int, c2: int, kernel: int, stride: int, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c1, c2, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(c2)
        self.hardswish = nn.Hardswish()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c1, H, W) to (N, c2, H/stride, W/stride)."""
        y: torch.Tensor = self.hardswish(self.bn(self.conv(x)))
        return y


@block(
    "models.common.LC_SEModule",
    children=("avg_pool", "conv1", "relu", "conv2", "SiLU"),
    family="yolov5-lite",
)
class ConvExcite(Block):
    """Weighs the channels by what two 1x1 convolutions and a SiLU make of their averages.

    Args:
        channels: Input and output channels.
        reduction: Channels for each hidden one.
    """

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.conv1 = nn.Conv2d(channels, channels // reduction, 1)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(channels // reduction, channels, 1)
        self.SiLU = nn.SiLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to the same shape."""
        weights = self.SiLU(self.conv2(self.relu(self.conv1(self.avg_pool(x)))))
        y: torch.Tensor = x * weights
        return y


@block(
    "models.common.LC_Block",
    children=("dw_conv", "pw_conv"),
    optional={"se": nn.Identity},
    attributes={"use_se": Attribute(bool)},
    family="yolov5-lite",
)
class LCBlock(Block):
    """A depth-wise and a point-wise convolution, with the channels weighed between them on request.

    Args:
        c1: Input channels.
        c2: Output channels.
        stride: In px.
        kernel: Kernel size of the depth-wise convolution in px.
        use_se: Whether the channels are weighed.
    """

    def __init__(self, c1: int, c2: int, stride: int, kernel: int, use_se: bool = False) -> None:
        super().__init__()
        self.use_se = use_se
        self.dw_conv = ConvBnHardswish(c1, c1, kernel, stride, c1)
        self.se: nn.Module = ConvExcite(c1) if use_se else nn.Identity()
        self.pw_conv = ConvBnHardswish(c1, c2, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c1, H, W) to (N, c2, H/stride, W/stride)."""
        x = self.dw_conv(x)
        y: torch.Tensor = self.pw_conv(self.se(x) if self.use_se else x)
        return y


@block("models.common.Dense", children=("dense_conv", "hardswish", "dropout"), family="yolov5-lite")
class LastConv(Block):
    """The convolution that ends the backbone.

    Args:
        c1: Input channels.
        c2: Output channels.
        kernel: Kernel size in px.
    """

    def __init__(self, c1: int, c2: int, kernel: int = 1) -> None:
        super().__init__()
        self.dense_conv = nn.Conv2d(c1, c2, kernel, 1, kernel // 2, bias=False)
        self.hardswish = nn.Hardswish()
        self.dropout = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c1, H, W) to (N, c2, H, W)."""
        y: torch.Tensor = self.dropout(self.hardswish(self.dense_conv(x)))
        return y
