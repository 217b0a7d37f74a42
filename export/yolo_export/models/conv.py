"""Convolutions with batch norm and activation, the bricks of every YOLOv5."""

from __future__ import annotations

import math
from typing import Union

import torch
from torch import nn

from yolo_export.models.registry import Block, block

__all__ = ["Conv", "DWConv", "Focus", "FunnelReLU", "Size", "same_padding"]


#: A size in px: of a square, or vertical and horizontal.
Size = Union[int, tuple[int, int]]


def same_padding(kernel: Size, dilation: int = 1) -> Size:
    """Padding that keeps the size at stride 1, for an odd kernel."""
    if isinstance(kernel, int):
        return dilation * (kernel - 1) // 2
    return dilation * (kernel[0] - 1) // 2, dilation * (kernel[1] - 1) // 2


@block("models.common.Conv", children=("conv", "act"), optional={"bn": nn.Identity})
class Conv(Block):
    """Convolution, batch norm, activation. One that was saved after fusing has no batch norm left.

    Args:
        c1: Input channels.
        c2: Output channels.
        k: Kernel size in px.
        s: Stride in px.
        p: Padding in px; None keeps the size at stride 1.
        g: Groups.
        d: Dilation in px.
        act: True for SiLU, False for none, or a module.
    """

    def __init__(
        self,
        c1: int,
        c2: int,
        k: Size = 1,
        s: Size = 1,
        p: Size | None = None,
        g: int = 1,
        d: int = 1,
        act: bool | nn.Module = True,
    ) -> None:
        super().__init__()
        padding = same_padding(k, d) if p is None else p
        self.conv = nn.Conv2d(c1, c2, k, s, padding, groups=g, dilation=d, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(c2, eps=1e-3, momentum=0.03)
        self.act = act if isinstance(act, nn.Module) else nn.SiLU() if act else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c1, H, W) to (N, c2, H/s, W/s)."""
        y: torch.Tensor = self.act(self.bn(self.conv(x)))
        return y


@block("models.common.DWConv", children=("conv", "act"), optional={"bn": nn.Identity})
class DWConv(Conv):
    """Depth-wise `Conv`: as many groups as both channel numbers allow."""

    def __init__(
        self, c1: int, c2: int, k: int = 1, s: int = 1, d: int = 1, act: bool | nn.Module = True
    ) -> None:
        super().__init__(c1, c2, k, s, g=math.gcd(c1, c2), d=d, act=act)


@block("models.common.Focus", children=("conv",))
class Focus(Block):
    """Moves 2x2 px patches into channels (even rows and columns first), then a `Conv` at half the size."""

    def __init__(
        self,
        c1: int,
        c2: int,
        k: int = 1,
        s: int = 1,
        p: int | None = None,
        g: int = 1,
        act: bool | nn.Module = True,
    ) -> None:
        super().__init__()
        self.conv = Conv(4 * c1, c2, k, s, p, g, act=act)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c1, H, W) to (N, c2, H/2, W/2)."""
        corners = (x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2])
        y: torch.Tensor = self.conv(torch.cat(corners, 1))
        return y


@block("utils.activations.FReLU", children=("conv", "bn"))
class FunnelReLU(Block):
    """The larger of the input and of a depth-wise convolution of it (Ma et al. 2020).

    Args:
        c1: Channels.
        k: Kernel size in px.
    """

    def __init__(self, c1: int, k: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c1, c1, k, 1, 1, groups=c1, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(c1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to the same shape."""
        return torch.maximum(x, self.bn(self.conv(x)))
