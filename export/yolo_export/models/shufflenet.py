"""The ShuffleNetV2 backbone (Ma et al. 2018) of YOLOv5-Lite e and s."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from yolo_export.models.registry import Attribute, Block, block

__all__ = ["ChannelShuffle", "ConvMaxPool", "ShuffleBlock"]


class ChannelShuffle(nn.Module):
    """Interleaves the channels of ``groups`` equal groups: with two, 0 1 2 3 becomes 0 2 1 3."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to the same shape."""
        n, c, h, w = x.shape
        return x.view(n, self.groups, c // self.groups, h, w).transpose(1, 2).reshape(n, c, h, w)


@block(
    "models.common.conv_bn_relu_maxpool",
    # Names that relatives of YOLOv5-Lite give it.
    "models.common.CBRM",
    "models.common.Conv_maxpool",
    children=("conv", "maxpool"),
    family="yolov5-lite",
)
class ConvMaxPool(Block):
    """The stem: a 3x3 convolution and a 3x3 max pooling, both at stride 2."""

    def __init__(self, c1: int, c2: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(c1, c2, 3, 2, 1, bias=False), nn.BatchNorm2d(c2), nn.ReLU())
        self.maxpool = nn.MaxPool2d(3, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c1, H, W) to (N, c2, H/4, W/4)."""
        y: torch.Tensor = self.maxpool(self.conv(x))
        return y


@block(
    "models.common.Shuffle_Block",
    children=("branch2",),
    optional={"branch1": nn.Sequential, "shuffle": partial(ChannelShuffle, 2)},
    attributes={"stride": Attribute(int, low=1, high=2)},
    family="yolov5-lite",
)
class ShuffleBlock(Block):
    """A ShuffleNetV2 unit: at stride 1 half of the channels passes through, at stride 2 all are computed.

    Args:
        c1: Input channels.
        c2: Output channels.
        stride: 1 (then ``c1 == c2``) or 2.
    """

    def __init__(self, c1: int, c2: int, stride: int) -> None:
        super().__init__()
        half = c2 // 2
        self.stride = stride
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(*_depthwise(c1, stride), *_pointwise(c1, half))
        inputs = c1 if stride > 1 else half
        self.branch2 = nn.Sequential(
            *_pointwise(inputs, half), *_depthwise(half, stride), *_pointwise(half, half)
        )
        self.shuffle = ChannelShuffle(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c1, H, W) to (N, c2, H/stride, W/stride)."""
        kept, used = x.chunk(2, dim=1) if self.stride == 1 else (self.branch1(x), x)
        y: torch.Tensor = self.shuffle(torch.cat((kept, self.branch2(used)), 1))
        return y


def _depthwise(channels: int, stride: int) -> tuple[nn.Module, ...]:
    conv = nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)
    return conv, nn.BatchNorm2d(channels)


def _pointwise(c1: int, c2: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(c1, c2, 1, bias=False), nn.BatchNorm2d(c2), nn.ReLU()
