"""Folds batch norm into the convolution before it."""

from __future__ import annotations

import torch
from torch import nn

from yolo_export.lower.convolution import conv_numbers, make_conv, norm_numbers
from yolo_export.models import (
    BottleneckCSP,
    Conv,
    ConvBnHardswish,
    ConvHardSwish,
    DepthwiseSeparable,
    FunnelReLU,
    MBConv,
    MixConv,
)

__all__ = ["fold_batch_norm", "folded"]

#: Blocks that run a convolution and at once a batch norm, by the names of both.
_PAIRS: dict[type[nn.Module], tuple[tuple[str, str], ...]] = {
    Conv: (("conv", "bn"),),
    ConvBnHardswish: (("conv", "bn"),),
    ConvHardSwish: (("conv", "bn"),),
    DepthwiseSeparable: (("conv1", "bn1"), ("conv2", "bn2")),
    FunnelReLU: (("conv", "bn"),),
    MBConv: (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")),
}


def fold_batch_norm(network: nn.Module) -> None:
    """Fold every batch norm that follows a convolution directly, in place; others stay.

    Args:
        network: In evaluation mode. Its modules are replaced, their tensors are not written to.
    """
    for module in list(network.modules()):
        for kind, pairs in _PAIRS.items():
            if isinstance(module, kind):
                for conv_name, norm_name in pairs:
                    _fold_pair(module, conv_name, norm_name)
        if isinstance(module, nn.Sequential):
            for index in range(len(module) - 1):
                _fold_pair(module, str(index), str(index + 1))
        if isinstance(module, BottleneckCSP):
            _fold_joined(module)
        if isinstance(module, MixConv):
            _fold_mixed(module)


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """One convolution with the numbers of both.

    Computed in float64 and rounded once: ``w' = w * scale`` and ``b' = b * scale + shift`` for each output
    channel.

    Args:
        conv: With or without bias.
        norm: In evaluation mode, of as many channels as ``conv`` puts out.
    """
    return _scaled(conv, *norm_numbers(norm))


def _fold_pair(parent: nn.Module, conv_name: str, norm_name: str) -> None:
    conv, norm = getattr(parent, conv_name), getattr(parent, norm_name)
    if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
        setattr(parent, conv_name, folded(conv, norm))
        setattr(parent, norm_name, nn.Identity())


def _fold_joined(block: BottleneckCSP) -> None:
    """The norm there follows two joined convolutions; each takes its own channels of it."""
    if not isinstance(block.bn, nn.BatchNorm2d):
        return
    scale, shift = norm_numbers(block.bn)
    split = block.cv3.out_channels
    block.cv3 = _scaled(block.cv3, scale[:split], shift[:split])
    block.cv2 = _scaled(block.cv2, scale[split:], shift[split:])
    block.bn = nn.Identity()


def _fold_mixed(block: MixConv) -> None:
    """The norm there follows several joined convolutions; each takes its own channels of it."""
    convs = [conv for conv in block.m if isinstance(conv, nn.Conv2d)]
    if not isinstance(block.bn, nn.BatchNorm2d) or len(convs) != len(block.m):
        return
    widths = [conv.out_channels for conv in convs]
    scales, shifts = (torch.split(numbers, widths) for numbers in norm_numbers(block.bn))
    block.m = nn.ModuleList(_scaled(*part) for part in zip(convs, scales, shifts))
    block.bn = nn.Identity()


def _scaled(conv: nn.Conv2d, scale: torch.Tensor, shift: torch.Tensor) -> nn.Conv2d:
    weight, bias = conv_numbers(conv)
    return make_conv(
        weight * scale.view(-1, 1, 1, 1),
        bias * scale + shift,
        stride=conv.stride,
        padding=conv.padding,
        dilation=conv.dilation,
        groups=conv.groups,
    )
