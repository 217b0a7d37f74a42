"""EfficientNet-Lite (Tan and Le 2019, arXiv 1905.11946; Liu 2020) as a backbone of YOLOv5-Lite.

The Lite variants drop squeeze-and-excite and use ReLU6. Written from the paper; the order inside of a block
is that of RangiLyu/EfficientNet-Lite (Apache-2.0).
"""

from __future__ import annotations

import torch
from torch import nn

from yolo_export.models.conv import Conv
from yolo_export.models.registry import Attribute, Block, Fields, block

__all__ = ["EfficientStem", "MBConv", "MBExcite"]


@block("models.common.stem", children=("conv", "bn", "act"), family="yolov5-lite")
class EfficientStem(Conv):
    """The first layer: a 3x3 `Conv` at stride 2 with ReLU6.

    Args:
        c1: Input channels.
        c2: Output channels.
    """

    def __init__(self, c1: int, c2: int) -> None:
        super().__init__(c1, c2, 3, 2, act=nn.ReLU6())


@block("models.common.SeBlock", children=("Squeeze", "Excitation"), family="yolov5-lite")
class MBExcite(Block):
    """Weighs the channels by what ``Excitation`` makes of their averages (Hu et al. 2018).

    It is only read from checkpoints, which hold the layers of both parts.
    """

    Squeeze: nn.Module
    Excitation: nn.Module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to the same shape."""
        weights: torch.Tensor = self.Excitation(self.Squeeze(x))
        return x * weights


@block(
    "models.common.MBConvBlock",
    children=("_depthwise_conv", "_bn1", "_project_conv", "_bn2", "_relu"),
    optional={"_expand_conv": nn.Identity, "_bn0": nn.Identity, "se": nn.Identity},
    attributes={
        "input_filters": Attribute(int, low=1),
        "output_filters": Attribute(int, low=1),
        "stride": Attribute(int, low=1, high=64),
        "expand_ratio": Attribute(int, low=1, high=64),
        "has_se": Attribute(bool),
        "id_skip": Attribute(bool, default=True),
    },
    family="yolov5-lite",
)
class MBConv(Block):
    """Widens the channels, filters them depth-wise, narrows them; with a shortcut where the shape stays.

    A checkpoint may weigh the channels before they are narrowed (``se``). The stochastic depth of training
    (``drop_connect``) does nothing afterwards.

    Args:
        c1: Input channels.
        c2: Output channels.
        kernel: Kernel size of the depth-wise convolution in px.
        stride: Its stride in px.
        expand_ratio: Depth-wise channels for each input channel; 1 leaves out the first convolution.
    """

    def __init__(self, c1: int, c2: int, kernel: int, stride: int, expand_ratio: int) -> None:
        super().__init__()
        self.input_filters, self.output_filters = c1, c2
        self.stride, self.expand_ratio = stride, expand_ratio
        self.has_se, self.id_skip = False, True
        hidden = c1 * expand_ratio
        self._expand_conv: nn.Module = nn.Identity()
        self._bn0: nn.Module = nn.Identity()
        if expand_ratio != 1:
            self._expand_conv = nn.Conv2d(c1, hidden, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(hidden)
        self._depthwise_conv = nn.Conv2d(
            hidden, hidden, kernel, stride, kernel // 2, groups=hidden, bias=False
        )
        self._bn1: nn.Module = nn.BatchNorm2d(hidden)
        self.se: nn.Module = nn.Identity()
        self._project_conv = nn.Conv2d(hidden, c2, 1, bias=False)
        self._bn2: nn.Module = nn.BatchNorm2d(c2)
        self._relu = nn.ReLU6()

    def finish(self, _: Fields) -> None:
        """Refuse parts that the attributes do not ask for, and the lack of those they do."""
        widens = self.expand_ratio != 1
        for name, wanted in (("_expand_conv", widens), ("_bn0", widens), ("se", self.has_se)):
            if wanted == isinstance(getattr(self, name), nn.Identity):
                raise ValueError(
                    f"{'lacks' if wanted else 'has'} {name}, "
                    f"but expand_ratio = {self.expand_ratio} and has_se = {self.has_se}"
                )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c1, H, W) to (N, c2, H/stride, W/stride)."""
        wide = self._relu(self._bn0(self._expand_conv(x))) if self.expand_ratio != 1 else x
        filtered = self.se(self._relu(self._bn1(self._depthwise_conv(wide))))
        y: torch.Tensor = self._bn2(self._project_conv(filtered))
        same = self.stride == 1 and self.input_filters == self.output_filters
        return x + y if self.id_skip and same else y
