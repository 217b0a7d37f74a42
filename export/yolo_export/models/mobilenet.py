"""The MobileNetV3 backbone (Howard et al. 2019) that is used with YOLOv5."""

from __future__ import annotations

import torch
from torch import nn

from yolo_export.models.registry import Attribute, Block, block

__all__ = ["ConvHardSwish", "HardSigmoid", "HardSwish", "InvertedResidual", "SqueezeExcite"]


@block("models.common.h_sigmoid")
class HardSigmoid(Block):
    """A sigmoid of three straight lines: ``relu6(x + 3) / 6``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map any shape to itself."""
        return nn.functional.hardsigmoid(x)


@block("models.common.h_swish", "models.common.Hswish")
class HardSwish(Block):
    """``x * hard_sigmoid(x)``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map any shape to itself."""
        return nn.functional.hardswish(x)


@block("models.common.conv_bn_hswish", children=("conv", "act"), optional={"bn": nn.Identity})
class ConvHardSwish(Block):
    """3x3 convolution, batch norm, `HardSwish`.

    Args:
        c1: Input channels.
        c2: Output channels.
        stride: In px.
    """

    def __init__(self, c1: int, c2: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c1, c2, 3, stride, 1, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(c2)
        self.act = HardSwish()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c1, H, W) to (N, c2, H/stride, W/stride)."""
        y: torch.Tensor = self.act(self.bn(self.conv(x)))
        return y


@block("models.common.SELayer", children=("avg_pool", "fc"))
class SqueezeExcite(Block):
    """Weighs the channels by what two linear layers make of their averages (Hu et al. 2018).

    Args:
        channels: Input and output channels.
        reduction: Channels for each hidden one.
    """

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        hidden = channels // reduction
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels), HardSigmoid()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to the same shape."""
        weights = self.fc(self.avg_pool(x).flatten(1))
        y: torch.Tensor = x * weights[:, :, None, None]
        return y


@block(
    "models.common.MobileNet_Block",
    "models.common.InvertedResidual",
    "models.common.mobilev3_bneck",
    children=("conv",),
    attributes={"identity": Attribute(bool)},
)
class InvertedResidual(Block):
    """Widens the channels, filters them depth-wise, narrows them; with a shortcut where the shape stays.

    Args:
        c1: Input channels.
        c2: Output channels.
        hidden: Channels of the depth-wise convolution.
        kernel: Its kernel size in px.
        stride: Its stride in px.
        use_se: Whether channels are weighed by `SqueezeExcite`.
        use_hs: Whether the activation is `HardSwish` rather than ReLU.
    """

    def __init__(
        self, c1: int, c2: int, hidden: int, kernel: int, stride: int, use_se: bool, use_hs: bool
    ) -> None:
        super().__init__()
        self.identity = stride == 1 and c1 == c2

        def activation() -> nn.Module:
            return HardSwish() if use_hs else nn.ReLU()

        excite = SqueezeExcite(hidden) if use_se else nn.Identity()
        depthwise = nn.Conv2d(hidden, hidden, kernel, stride, kernel // 2, groups=hidden, bias=False)
        middle = [depthwise, nn.BatchNorm2d(hidden)]
        narrow = [nn.Conv2d(hidden, c2, 1, bias=False), nn.BatchNorm2d(c2)]
        if c1 == hidden:
            self.conv = nn.Sequential(*middle, activation(), excite, *narrow)
        else:
            widen = [nn.Conv2d(c1, hidden, 1, bias=False), nn.BatchNorm2d(hidden), activation()]
            self.conv = nn.Sequential(*widen, *middle, excite, activation(), *narrow)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c1, H, W) to (N, c2, H/stride, W/stride)."""
        y: torch.Tensor = self.conv(x)
        return x + y if self.identity else y
