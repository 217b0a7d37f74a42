"""Squeeze-and-excite with 1x1 convolutions instead of linear layers."""

from __future__ import annotations

import torch
from torch import nn

from yolo_export.lower.convolution import make_conv
from yolo_export.models import SqueezeExcite

__all__ = ["ConvSqueezeExcite", "unflatten_excite"]


class ConvSqueezeExcite(nn.Module):
    """`SqueezeExcite` whose averages stay (N, C, 1, 1), so that nothing has to be reshaped.

    Args:
        block: Its linear layers become convolutions of the same numbers.
    """

    def __init__(self, block: SqueezeExcite) -> None:
        super().__init__()
        self.avg_pool = block.avg_pool
        self.fc = nn.Sequential(*(_as_conv(layer) for layer in block.fc))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to the same shape."""
        return x * self.fc(self.avg_pool(x))  # type: ignore[no-any-return]


def unflatten_excite(network: nn.Module) -> None:
    """Replace every `SqueezeExcite` by a `ConvSqueezeExcite`, in place."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, SqueezeExcite):
                setattr(module, name, ConvSqueezeExcite(child).eval())


def _as_conv(layer: nn.Module) -> nn.Module:
    if not isinstance(layer, nn.Linear):
        return layer
    weight = layer.weight.detach().double()[:, :, None, None]
    bias = weight.new_zeros(layer.out_features) if layer.bias is None else layer.bias.detach().double()
    return make_conv(weight, bias)
