"""Layers that move pixels into channels and back."""

from __future__ import annotations

import torch
from torch import nn

from yolo_export.models.registry import Attribute, Block, block

__all__ = ["Contract", "Expand"]


@block("models.common.Contract", attributes={"gain": Attribute(int, default=2, low=1, high=16)})
class Contract(Block):
    """Moves patches of ``gain`` x ``gain`` px into channels; the place in the patch varies slowest.

    Args:
        gain: Side of a patch in px.
    """

    def __init__(self, gain: int = 2) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to (N, C*gain², H/gain, W/gain).

        Written as a convolution that copies, which every engine has.
        """
        channels, places = int(x.shape[1]), self.gain**2
        copies = torch.eye(places * channels, dtype=x.dtype, device=x.device)
        weight = copies.view(places * channels, places, channels).transpose(1, 2)
        weight = weight.reshape(-1, channels, self.gain, self.gain)
        step = (self.gain, self.gain)
        return nn.functional.conv2d(x, weight, None, step, (0, 0), (1, 1), 1)


@block("models.common.Expand", attributes={"gain": Attribute(int, default=2, low=1, high=16)})
class Expand(Block):
    """Moves channels into patches of ``gain`` x ``gain`` px, as `Contract` took them out.

    Args:
        gain: Side of a patch in px.
    """

    def __init__(self, gain: int = 2) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to (N, C/gain², H*gain, W*gain).

        `torch.nn.functional.pixel_shuffle` wants the place in the patch to vary fastest, so a convolution
        sorts the channels first.
        """
        channels, places = int(x.shape[1]), self.gain**2
        copies = torch.eye(channels, dtype=x.dtype, device=x.device)
        weight = copies.view(places, channels // places, channels).transpose(0, 1)
        weight = weight.reshape(channels, channels, 1, 1)
        x = nn.functional.conv2d(x, weight, None, (1, 1), (0, 0), (1, 1), 1)
        return nn.functional.pixel_shuffle(x, self.gain)
