"""Folds batch norm into the convolution before it."""

from __future__ import annotations

import torch
from torch import nn

from yolo_export.models import BottleneckCSP, Conv, DepthwiseSeparable

__all__ = ["fold_batch_norm", "folded"]

#: Blocks that run a convolution and at once a batch norm, by the names of both.
_PAIRS: dict[type[nn.Module], tuple[tuple[str, str], ...]] = {
    Conv: (("conv", "bn"),),
    DepthwiseSeparable: (("conv1", "bn1"), ("conv2", "bn2")),
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
            for first, second in zip(range(len(module)), range(1, len(module))):
                _fold_pair(module, str(first), str(second))
        if isinstance(module, BottleneckCSP):
            _fold_joined(module)


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """One convolution with the numbers of both.

    Computed in float64 and rounded once: ``w' = w * s`` and ``b' = (b - mean) * s + beta`` with
    ``s = gamma / sqrt(var + eps)`` for each output channel.

    Args:
        conv: With or without bias.
        norm: In evaluation mode, of as many channels as ``conv`` puts out.
    """
    scale, shift = _affine(norm)
    bias = torch.zeros_like(scale) if conv.bias is None else conv.bias.detach().double()
    return _with_numbers(conv, conv.weight.detach().double() * scale.view(-1, 1, 1, 1), bias * scale + shift)


def _fold_pair(parent: nn.Module, conv_name: str, norm_name: str) -> None:
    conv, norm = getattr(parent, conv_name), getattr(parent, norm_name)
    if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
        setattr(parent, conv_name, folded(conv, norm))
        setattr(parent, norm_name, nn.Identity())


def _fold_joined(block: BottleneckCSP) -> None:
    """The norm there follows two joined convolutions; each takes its own channels of it."""
    norm = block.bn
    if not isinstance(norm, nn.BatchNorm2d):
        return
    scale, shift = _affine(norm)
    start = 0
    for name in ("cv3", "cv2"):
        conv: nn.Conv2d = getattr(block, name)
        part = slice(start, start + conv.out_channels)
        start = part.stop
        bias = torch.zeros_like(scale[part]) if conv.bias is None else conv.bias.detach().double()
        weight = conv.weight.detach().double() * scale[part].view(-1, 1, 1, 1)
        setattr(block, name, _with_numbers(conv, weight, bias * scale[part] + shift[part]))
    block.bn = nn.Identity()


def _affine(norm: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and shift of each channel, float64."""
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a batch norm without running statistics cannot be folded")
    mean, variance = norm.running_mean.double(), norm.running_var.double()
    gamma = torch.ones_like(mean) if norm.weight is None else norm.weight.detach().double()
    beta = torch.zeros_like(mean) if norm.bias is None else norm.bias.detach().double()
    scale = gamma / torch.sqrt(variance + norm.eps)
    return scale, beta - mean * scale


def _with_numbers(conv: nn.Conv2d, weight: torch.Tensor, bias: torch.Tensor) -> nn.Conv2d:
    """A convolution like ``conv`` with other numbers, rounded to float32."""
    made = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        (conv.kernel_size[0], conv.kernel_size[1]),
        stride=(conv.stride[0], conv.stride[1]),
        padding=conv.padding if isinstance(conv.padding, str) else (conv.padding[0], conv.padding[1]),
        dilation=(conv.dilation[0], conv.dilation[1]),
        groups=conv.groups,
        device="meta",
    )
    made.weight = nn.Parameter(weight.float(), requires_grad=False)
    made.bias = nn.Parameter(bias.float(), requires_grad=False)
    return made.eval()
