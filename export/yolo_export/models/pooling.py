"""Spatial pyramid pooling (He et al. 2014): max pooling at stride 1, joined with its input."""

from __future__ import annotations

import torch
from torch import nn

from yolo_export.models.conv import Conv
from yolo_export.models.csp import C3
from yolo_export.models.registry import Block, block

__all__ = ["C3SPP", "SPP", "SPPF"]


@block("models.common.SPP", children=("cv1", "cv2", "m"))
class SPP(Block):
    """Parallel pooling with kernels of several sizes.

    Args:
        c1: Input channels.
        c2: Output channels.
        k: Kernel sizes in px.
    """

    def __init__(self, c1: int, c2: int, k: tuple[int, ...] = (5, 9, 13)) -> None:
        super().__init__()
        hidden = c1 // 2
        self.cv1 = Conv(c1, hidden, 1)
        self.cv2 = Conv(hidden * (len(k) + 1), c2, 1)
        self.m = nn.ModuleList(nn.MaxPool2d(size, 1, size // 2) for size in k)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c1, H, W) to (N, c2, H, W)."""
        x = self.cv1(x)
        y: torch.Tensor = self.cv2(torch.cat([x, *(pool(x) for pool in self.m)], 1))
        return y


@block("models.common.SPPF", children=("cv1", "cv2", "m"))
class SPPF(Block):
    """Three small poolings in a row: the same numbers as `SPP` with kernels of 5, 9 and 13 px, for less work.

    Args:
        c1: Input channels.
        c2: Output channels.
        k: Kernel size of each pooling in px.
    """

    def __init__(self, c1: int, c2: int, k: int = 5) -> None:
        super().__init__()
        hidden = c1 // 2
        self.cv1 = Conv(c1, hidden, 1)
        self.cv2 = Conv(hidden * 4, c2, 1)
        self.m = nn.MaxPool2d(k, 1, k // 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c1, H, W) to (N, c2, H, W)."""
        levels = [self.cv1(x)]
        for _ in range(3):
            levels.append(self.m(levels[-1]))
        y: torch.Tensor = self.cv2(torch.cat(levels, 1))
        return y


@block("models.common.C3SPP", children=("cv1", "cv2", "cv3", "m"))
class C3SPP(C3):
    """`C3` with an `SPP` in place of the bottlenecks.

    Args:
        c1: Input channels.
        c2: Output channels.
        k: Kernel sizes of the poolings in px.
        n: Not used; a row of a YAML file gives it to every CSP block.
        shortcut: Not used.
        g: Not used.
        e: Hidden channels as a share of ``c2``.
    """

    def __init__(
        self,
        c1: int,
        c2: int,
        k: tuple[int, ...] = (5, 9, 13),
        n: int = 1,
        shortcut: bool = True,
        g: int = 1,
        e: float = 0.5,
    ) -> None:
        super().__init__(c1, c2, 0, shortcut, g, e)
        hidden = int(c2 * e)
        self.m: nn.Module = SPP(hidden, hidden, k)
