"""Enhanced ShuffleNet, the backbone of PP-PicoDet (Yu et al. 2021, arXiv 2111.00902), in YOLOv5-Lite.

The structure is that of the paper (PaddleDetection, Apache-2.0); the names of the four branches, and which
runs at which stride, are as the author of the port describes them in an article (GiantPandaCV, 2021). Both
blocks are only read from checkpoints, which hold the layers of their parts: releases differ in the kernels of
the ghost convolution, which a YAML file does not tell.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from yolo_export.models.registry import Attribute, Block, Fields, block
from yolo_export.models.shufflenet import ChannelShuffle

__all__ = ["ESBlock", "ESExcite"]


@block(
    "models.common.ES_SEModule",
    children=("avg_pool", "conv1", "relu", "conv2", "hardsigmoid"),
    family="yolov5-lite",
)
class ESExcite(Block):
    """Weighs the channels by what two 1x1 convolutions and a hard sigmoid make of their averages."""

    avg_pool: nn.Module
    conv1: nn.Module
    relu: nn.Module
    conv2: nn.Module
    hardsigmoid: nn.Module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to the same shape."""
        hidden = self.relu(self.conv1(self.avg_pool(x)))
        weights: torch.Tensor = self.hardsigmoid(self.conv2(hidden))
        return x * weights


#: The branches that are run at each stride.
_RUN = {1: ("branch3",), 2: ("branch1", "branch2", "branch4")}


@block(
    "models.common.ES_Bottleneck",
    optional={
        **{f"branch{number}": nn.Identity for number in (1, 2, 3, 4)},
        "shuffle": partial(ChannelShuffle, 2),
    },
    attributes={"stride": Attribute(int, low=1, high=2)},
    family="yolov5-lite",
)
class ESBlock(Block):
    """A ShuffleNetV2 unit with ghost convolution and excitation.

    At stride 1 half of the channels passes through, the other half through ``branch3``, and both are
    shuffled. At stride 2 ``branch1`` and ``branch2`` compute a half each from all channels, and ``branch4``,
    a depth-wise separable convolution, mixes them instead of a shuffle. Files hold branches of the other
    stride too, which were never run or trained; they are counted as parameters and not exported.
    """

    stride: int
    branch1: nn.Module
    branch2: nn.Module
    branch3: nn.Module
    branch4: nn.Module
    shuffle: nn.Module

    def finish(self, _: Fields) -> None:
        """Refuse a block that lacks a branch of its stride."""
        missing = [name for name in _RUN[self.stride] if isinstance(getattr(self, name), nn.Identity)]
        if missing:
            raise ValueError(f"lacks {', '.join(missing)} at stride {self.stride}")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c1, H, W) to (N, c2, H/stride, W/stride)."""
        y: torch.Tensor
        if self.stride == 2:
            y = self.branch4(torch.cat((self.branch1(x), self.branch2(x)), 1))
        else:
            kept, used = x.chunk(2, dim=1)
            y = self.shuffle(torch.cat((kept, self.branch3(used)), 1))
        return y
