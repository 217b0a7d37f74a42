"""RepVGG blocks as one convolution each."""

from __future__ import annotations

import torch
from torch import nn

from yolo_export.lower.convolution import conv_numbers, make_conv, norm_numbers
from yolo_export.models import Absent, RepVGGBlock

__all__ = ["reparameterize"]


def reparameterize(network: nn.Module) -> None:
    """Add up the branches of every `RepVGGBlock` into one convolution, in place; others stay.

    Each branch is linear: a 1x1 convolution is a larger one with zeros around its middle, the input itself
    one with ones there. Computed in float64 and rounded once.

    Args:
        network: In evaluation mode. Its modules are replaced, their tensors are not written to.
    """
    for module in list(network.modules()):
        if isinstance(module, RepVGGBlock) and isinstance(module.rbr_reparam, Absent):
            merged = _merged(module)
            if merged is not None:
                module.rbr_reparam = merged
                module.rbr_dense = module.rbr_1x1 = module.rbr_identity = Absent()


def _merged(block: RepVGGBlock) -> nn.Conv2d | None:
    dense = _conv_of(block.rbr_dense)
    if dense is None or isinstance(dense.padding, str) or tuple(dense.dilation) != (1, 1):
        return None
    weight, bias = torch.zeros_like(dense.weight).double(), torch.zeros(dense.out_channels).double()
    for branch in block.branches():
        numbers = _branch_numbers(branch, dense)
        if numbers is None:
            return None
        # A smaller kernel at the same stride looks at the middle of the larger one.
        kernel, shift = numbers
        top, left = (
            (dense.kernel_size[0] - kernel.shape[2]) // 2,
            (dense.kernel_size[1] - kernel.shape[3]) // 2,
        )
        weight[:, :, top : top + kernel.shape[2], left : left + kernel.shape[3]] += kernel
        bias += shift
    return make_conv(weight, bias, stride=dense.stride, padding=dense.padding, groups=dense.groups)


def _branch_numbers(branch: nn.Module, dense: nn.Conv2d) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Weight and bias of a branch; None if it is not the middle of ``dense``."""
    if isinstance(branch, nn.BatchNorm2d):
        scale, shift = norm_numbers(branch)
        each = dense.in_channels // dense.groups
        kernel = torch.zeros(len(scale), each, 1, 1).double()
        channels = torch.arange(len(scale))
        kernel[channels, channels % each, 0, 0] = scale
        return kernel, shift
    conv = _conv_of(branch)
    if conv is None or isinstance(conv.padding, str) or isinstance(dense.padding, str):
        return None
    centred = all(
        dense.kernel_size[axis] - conv.kernel_size[axis] == 2 * (dense.padding[axis] - conv.padding[axis])
        for axis in (0, 1)
    )
    if not centred or conv.stride != dense.stride or conv.groups != dense.groups:
        return None
    weight, bias = conv_numbers(conv)
    norm = branch[1] if isinstance(branch, nn.Sequential) and len(branch) == 2 else None
    if isinstance(norm, nn.BatchNorm2d):
        scale, shift = norm_numbers(norm)
        return weight * scale.view(-1, 1, 1, 1), bias * scale + shift
    return weight, bias


def _conv_of(branch: nn.Module) -> nn.Conv2d | None:
    """The convolution of a branch that is one, alone or with its batch norm."""
    first = branch[0] if isinstance(branch, nn.Sequential) and len(branch) in (1, 2) else branch
    return first if isinstance(first, nn.Conv2d) else None
