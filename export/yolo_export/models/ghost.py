"""GhostNet blocks (Han et al. 2020): half of the channels follow cheaply from the other half."""

from __future__ import annotations

import torch
from torch import nn

from yolo_export.models.conv import Conv, DWConv
from yolo_export.models.csp import C3
from yolo_export.models.registry import Block, block

__all__ = ["C3Ghost", "GhostBottleneck", "GhostConv"]


@block("models.common.GhostConv", "models.experimental.GhostConv", children=("cv1", "cv2"))
class GhostConv(Block):
    """A `Conv` to half of the channels, and a 5x5 depth-wise one from those to the other half.

    Args:
        c1: Input channels.
        c2: Output channels.
        k: Kernel size of the first convolution in px.
        s: Its stride in px.
        g: Its groups.
        act: See `Conv`.
    """

    def __init__(
        self, c1: int, c2: int, k: int = 1, s: int = 1, g: int = 1, act: bool | nn.Module = True
    ) -> None:
        super().__init__()
        half = c2 // 2
        self.cv1 = Conv(c1, half, k, s, None, g, act=act)
        self.cv2 = Conv(half, half, 5, 1, None, half, act=act)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c1, H, W) to (N, c2, H/s, W/s)."""
        computed = self.cv1(x)
        return torch.cat((computed, self.cv2(computed)), 1)


@block("models.common.GhostBottleneck", "models.experimental.GhostBottleneck", children=("conv", "shortcut"))
class GhostBottleneck(Block):
    """Two `GhostConv` with a shortcut; at stride 2 a depth-wise convolution between them halves the size.

    Args:
        c1: Input channels.
        c2: Output channels.
        k: Kernel size of the depth-wise convolution in px.
        s: 1 (then ``c1 == c2``) or 2.
    """

    def __init__(self, c1: int, c2: int, k: int = 3, s: int = 1) -> None:
        super().__init__()
        hidden = c2 // 2
        smaller = s == 2
        self.conv = nn.Sequential(
            GhostConv(c1, hidden),
            DWConv(hidden, hidden, k, s, act=False) if smaller else nn.Identity(),
            GhostConv(hidden, c2, act=False),
        )
        self.shortcut: nn.Module = nn.Identity()
        if smaller:
            self.shortcut = nn.Sequential(DWConv(c1, c1, k, s, act=False), Conv(c1, c2, act=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c1, H, W) to (N, c2, H/s, W/s)."""
        y: torch.Tensor = self.conv(x) + self.shortcut(x)
        return y


@block("models.common.C3Ghost", children=("cv1", "cv2", "cv3", "m"))
class C3Ghost(C3):
    """`C3` made of `GhostBottleneck`."""

    def __init__(
        self, c1: int, c2: int, n: int = 1, shortcut: bool = True, g: int = 1, e: float = 0.5
    ) -> None:
        super().__init__(c1, c2, 0, shortcut, g, e)
        hidden = int(c2 * e)
        self.m = nn.Sequential(*(GhostBottleneck(hidden, hidden) for _ in range(n)))
