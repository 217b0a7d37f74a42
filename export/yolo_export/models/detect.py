"""The last layer: one 1x1 convolution per head, and nothing after it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from yolo_export.models.registry import Attribute, Block, block

__all__ = ["Detect"]


@block(
    "models.yolo.Detect",
    optional={"m": nn.ModuleList},
    attributes={"nc": Attribute(int, low=1), "na": Attribute(int, low=1, high=64)},
)
class Detect(Block):
    """The detection convolutions. Decoding their maps is the runtime's task.

    In YOLOv5 v1.0 the convolutions are layers of the graph before this one; then ``m`` is empty and the maps
    pass through.

    Args:
        nc: Number of classes.
        anchors: Number of anchors of each head.
        ch: Input channels of each head.
    """

    def __init__(self, nc: int, anchors: int, ch: Sequence[int]) -> None:
        super().__init__()
        self.nc = nc
        self.na = anchors
        self.m = nn.ModuleList(nn.Conv2d(channels, anchors * (nc + 5), 1) for channels in ch)

    def forward(self, xs: list[torch.Tensor]) -> list[torch.Tensor]:
        """Map the feature map of each head, (N, c, ny, nx), to (N, na*(nc+5), ny, nx)."""
        if len(self.m) == 0:
            return xs
        if len(self.m) != len(xs):
            raise ValueError(f"{len(self.m)} detection convolutions for {len(xs)} feature maps")
        return [conv(x) for conv, x in zip(self.m, xs)]
