"""Focus as one strided convolution."""

from __future__ import annotations

import torch
from torch import nn

from yolo_export.lower.convolution import conv_numbers, make_conv
from yolo_export.models import Conv, Focus

__all__ = ["merge_focus"]

#: Offsets (dy, dx) in px of the pixels that Focus gathers, in the order of its channels.
_OFFSETS = ((0, 0), (1, 0), (0, 1), (1, 1))


def merge_focus(network: nn.Module) -> None:
    """Replace every `Focus` by its `Conv` with twice the kernel size, stride and padding, in place.

    Focus gathers the pixels (2y + dy, 2x + dx) of an image into channels. A kernel of k x k over those is one
    of 2k x 2k over the image: tap (ky, kx) of the channels from (dy, dx) becomes tap (2ky + dy, 2kx + dx).
    The numbers are only moved. A convolution with groups or dilation stays.

    Args:
        network: Its modules are replaced, their tensors are not written to.
    """
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Focus) and _can_merge(child.conv.conv):
                setattr(module, name, _merged(child.conv))


def _merged(block: Conv) -> Conv:
    conv = block.conv
    weight, bias = conv_numbers(conv)
    c2, c4, kh, kw = weight.shape
    wide = torch.zeros(c2, c4 // 4, 2 * kh, 2 * kw, dtype=weight.dtype)
    for part, (dy, dx) in zip(weight.chunk(4, dim=1), _OFFSETS):
        wide[:, :, dy::2, dx::2] = part
    block.conv = make_conv(wide, bias, stride=_twice(conv.stride), padding=_twice(conv.padding))
    return block


def _can_merge(conv: nn.Conv2d) -> bool:
    return conv.groups == 1 and tuple(conv.dilation) == (1, 1) and not isinstance(conv.padding, str)


def _twice(pair: tuple[int, ...] | str) -> tuple[int, ...]:
    return tuple(2 * int(value) for value in pair)
