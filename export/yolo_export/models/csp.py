"""Bottlenecks and the cross-stage-partial blocks made of them (CSPNet, Wang et al. 2019)."""

from __future__ import annotations

import torch
from torch import nn

from yolo_export.models.conv import Conv
from yolo_export.models.registry import Attribute, Block, block

__all__ = ["C3", "Bottleneck", "BottleneckCSP", "C3Sum"]


@block("models.common.Bottleneck", children=("cv1", "cv2"), attributes={"add": Attribute(bool)})
class Bottleneck(Block):
    """A 1x1 and a 3x3 `Conv`, with a shortcut where the channels allow it.

    Args:
        c1: Input channels.
        c2: Output channels.
        shortcut: Whether a shortcut is wanted.
        g: Groups of the 3x3 convolution.
        e: Hidden channels as a share of ``c2``.
    """

    def __init__(self, c1: int, c2: int, shortcut: bool = True, g: int = 1, e: float = 0.5) -> None:
        super().__init__()
        hidden = int(c2 * e)
        self.cv1 = Conv(c1, hidden, 1)
        self.cv2 = Conv(hidden, c2, 3, g=g)
        self.add = shortcut and c1 == c2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c1, H, W) to (N, c2, H, W)."""
        y: torch.Tensor = self.cv2(self.cv1(x))
        return x + y if self.add else y


@block("models.common.C3", children=("cv1", "cv2", "cv3", "m"))
class C3(Block):
    """CSP block with three convolutions: ``n`` bottlenecks on one half, a 1x1 `Conv` on the other.

    Args:
        c1: Input channels.
        c2: Output channels.
        n: Number of bottlenecks.
        shortcut: Whether the bottlenecks have shortcuts.
        g: Groups of their 3x3 convolutions.
        e: Hidden channels as a share of ``c2``.
    """

    def __init__(
        self, c1: int, c2: int, n: int = 1, shortcut: bool = True, g: int = 1, e: float = 0.5
    ) -> None:
        super().__init__()
        hidden = int(c2 * e)
        self.cv1 = Conv(c1, hidden, 1)
        self.cv2 = Conv(c1, hidden, 1)
        self.cv3 = Conv(2 * hidden, c2, 1)
        self.m: nn.Module = _bottlenecks(n, hidden, shortcut, g)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c1, H, W) to (N, c2, H, W)."""
        y: torch.Tensor = self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))
        return y


@block("models.common.LC3", children=("cv1", "cv2", "cv3", "m"), family="yolov5-lite")
class C3Sum(C3):
    """`C3` that adds its halves instead of joining them: its ``cv3`` has half the input channels."""

    def __init__(
        self, c1: int, c2: int, n: int = 1, shortcut: bool = True, g: int = 1, e: float = 0.5
    ) -> None:
        super().__init__(c1, c2, n, shortcut, g, e)
        self.cv3 = Conv(int(c2 * e), c2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c1, H, W) to (N, c2, H, W)."""
        y: torch.Tensor = self.cv3(self.m(self.cv1(x)) + self.cv2(x))
        return y


@block("models.common.BottleneckCSP", children=("cv1", "cv2", "cv3", "cv4", "bn", "act", "m"))
class BottleneckCSP(Block):
    """The CSP block of YOLOv5 v1.0 to v3.1: two plain 1x1 convolutions, batch norm after joining.

    Args: as those of `C3`.
    """

    def __init__(
        self, c1: int, c2: int, n: int = 1, shortcut: bool = True, g: int = 1, e: float = 0.5
    ) -> None:
        super().__init__()
        hidden = int(c2 * e)
        self.cv1 = Conv(c1, hidden, 1)
        self.cv2 = nn.Conv2d(c1, hidden, 1, bias=False)
        self.cv3 = nn.Conv2d(hidden, hidden, 1, bias=False)
        self.cv4 = Conv(2 * hidden, c2, 1)
        self.bn: nn.Module = nn.BatchNorm2d(2 * hidden, eps=1e-3, momentum=0.03)
        self.act: nn.Module = nn.LeakyReLU(0.1)
        self.m = _bottlenecks(n, hidden, shortcut, g)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c1, H, W) to (N, c2, H, W)."""
        joined = torch.cat((self.cv3(self.m(self.cv1(x))), self.cv2(x)), 1)
        y: torch.Tensor = self.cv4(self.act(self.bn(joined)))
        return y


def _bottlenecks(n: int, channels: int, shortcut: bool, g: int) -> nn.Sequential:
    return nn.Sequential(*(Bottleneck(channels, channels, shortcut, g, e=1.0) for _ in range(n)))
