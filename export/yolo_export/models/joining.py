"""Layers that join several feature maps into one."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from yolo_export.models.registry import Attribute, Block, Fields, block

__all__ = ["Add", "Concat", "Sum"]


@block("models.common.Concat", attributes={"d": Attribute(int, default=1, low=1, high=1)})
class Concat(Block):
    """Joins feature maps along one dimension.

    Args:
        dimension: 1 for channels, the only one in use.
    """

    def __init__(self, dimension: int = 1) -> None:
        super().__init__()
        self.d = dimension

    def forward(self, xs: list[torch.Tensor]) -> torch.Tensor:
        """Map several (N, c, H, W) to one whose channels are their sum."""
        return torch.cat(xs, self.d)


@block("models.common.ADD", attributes={"a": Attribute(int, default=1, low=1, high=1)}, family="yolov5-lite")
class Add(Block):
    """Adds two feature maps of the same shape.

    Args:
        alpha: Factor of the second map; 1, the only one in use.
    """

    def __init__(self, alpha: int = 1) -> None:
        super().__init__()
        self.a = alpha

    def forward(self, xs: list[torch.Tensor]) -> torch.Tensor:
        """Map two (N, C, H, W) to their sum."""
        first, second = xs
        return first + second


@block("models.experimental.Sum", attributes={"weight": Attribute(bool)})
class Sum(Block):
    """Adds two or more feature maps of the same shape. It is only read from checkpoints.

    With ``weight`` each map but the first is multiplied by 2 sigmoid(w), so that w = 0 is a plain sum.
    """

    weight: bool

    def finish(self, fields: Fields) -> None:
        """Read how many maps are added to the first one."""
        self.others = fields.steps("iter")
        if self.weight:
            self.w = nn.Parameter(torch.empty(self.others, device="meta"))

    def plain_fields(self) -> dict[str, Any]:
        """See `Block.plain_fields`."""
        return {**super().plain_fields(), "iter": self.others}

    def forward(self, xs: list[torch.Tensor]) -> torch.Tensor:
        """Map several (N, C, H, W) to their sum."""
        if len(xs) != self.others + 1:
            raise ValueError(f"a sum of {self.others + 1} maps gets {len(xs)}")
        first, *others = xs
        for i, other in enumerate(others):
            first = first + (other * (torch.sigmoid(self.w[i : i + 1]) * 2) if self.weight else other)
        return first
