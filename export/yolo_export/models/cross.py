"""Convolutions of several shapes: crossed 1xk and kx1, mixed kernel sizes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import nn

from yolo_export.models.conv import Conv
from yolo_export.models.csp import C3
from yolo_export.models.registry import Attribute, Block, block

__all__ = ["C3x", "CrossConv", "MixConv"]


@block(
    "models.common.CrossConv",
    "models.experimental.CrossConv",
    children=("cv1", "cv2"),
    attributes={"add": Attribute(bool)},
)
class CrossConv(Block):
    """A 1xk and a kx1 `Conv`, with a shortcut where the channels allow it and it is wanted.

    Args:
        c1: Input channels.
        c2: Output channels.
        k: Longer side of both kernels in px.
        s: Stride in px.
        g: Groups of the second convolution.
        e: Hidden channels as a share of ``c2``.
        shortcut: Whether a shortcut is wanted.
    """

    def __init__(
        self, c1: int, c2: int, k: int = 3, s: int = 1, g: int = 1, e: float = 1.0, shortcut: bool = False
    ) -> None:
        super().__init__()
        hidden = int(c2 * e)
        self.cv1 = Conv(c1, hidden, (1, k), (1, s))
        self.cv2 = Conv(hidden, c2, (k, 1), (s, 1), g=g)
        self.add = shortcut and c1 == c2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c1, H, W) to (N, c2, H/s, W/s)."""
        y: torch.Tensor = self.cv2(self.cv1(x))
        return x + y if self.add else y


@block("models.common.C3x", children=("cv1", "cv2", "cv3", "m"))
class C3x(C3):
    """`C3` made of `CrossConv`."""

    def __init__(
        self, c1: int, c2: int, n: int = 1, shortcut: bool = True, g: int = 1, e: float = 0.5
    ) -> None:
        super().__init__(c1, c2, 0, shortcut, g, e)
        hidden = int(c2 * e)
        self.m = nn.Sequential(*(CrossConv(hidden, hidden, 3, 1, g, 1.0, shortcut) for _ in range(n)))


@block("models.experimental.MixConv2d", children=("m", "act"), optional={"bn": nn.Identity})
class MixConv(Block):
    """Convolutions of several kernel sizes side by side, each for a share of the channels (Tan, Le 2019).

    Releases before v6 add the input. Their activation is a leaky ReLU, by which they are told apart.

    Args:
        c1: Input channels.
        c2: Output channels.
        k: Kernel sizes in px.
        s: Stride in px.
        equal_ch: Same number of channels for each size; otherwise about the same number of weights.
    """

    def __init__(
        self, c1: int, c2: int, k: Sequence[int] = (1, 3), s: int = 1, equal_ch: bool = True
    ) -> None:
        super().__init__()
        shares = _equal_shares(c2, len(k)) if equal_ch else _shares_of_equal_weight(c2, k)
        self.m = nn.ModuleList(
            nn.Conv2d(c1, share, size, s, size // 2, groups=math.gcd(c1, share), bias=False)
            for size, share in zip(k, shares)
        )
        self.bn: nn.Module = nn.BatchNorm2d(c2)
        self.act: nn.Module = nn.SiLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c1, H, W) to (N, c2, H/s, W/s)."""
        y: torch.Tensor = self.act(self.bn(torch.cat([conv(x) for conv in self.m], 1)))
        return x + y if isinstance(self.act, nn.LeakyReLU) else y


def _equal_shares(channels: int, parts: int) -> list[int]:
    """Sizes of ``parts`` runs that differ by at most one, longer ones first."""
    size, longer = divmod(channels, parts)
    return [size + (part < longer) for part in range(parts)]


def _shares_of_equal_weight(channels: int, kernels: Sequence[int]) -> list[int]:
    """Channels for each kernel size, in inverse proportion to its area; their sum is ``channels``."""
    total = sum(kernel**-2 for kernel in kernels)
    ends = [0, *(round(channels * share) for share in itertools.accumulate(k**-2 / total for k in kernels))]
    return [end - start for start, end in zip(ends, ends[1:])]
