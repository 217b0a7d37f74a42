"""Linear layers as float64 numbers, and convolutions made of such numbers."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["conv_numbers", "make_conv", "norm_numbers"]


def conv_numbers(conv: nn.Conv2d) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight (c2, c1/groups, kh, kw) and bias (c2,) of a convolution, float64; zeros where it has no bias."""
    weight = conv.weight.detach().double()
    return weight, torch.zeros(len(weight)).double() if conv.bias is None else conv.bias.detach().double()


def norm_numbers(norm: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and shift (c,) of a batch norm in evaluation mode, float64.

    ``scale = gamma / sqrt(var + eps)`` and ``shift = beta - mean * scale``.

    Raises:
        ValueError: It has no running statistics.
    """
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a batch norm without running statistics cannot be folded")
    mean, variance = norm.running_mean.double(), norm.running_var.double()
    gamma = torch.ones_like(mean) if norm.weight is None else norm.weight.detach().double()
    beta = torch.zeros_like(mean) if norm.bias is None else norm.bias.detach().double()
    scale = gamma / torch.sqrt(variance + norm.eps)
    return scale, beta - mean * scale


def make_conv(
    weight: torch.Tensor,
    bias: torch.Tensor,
    *,
    stride: tuple[int, ...] = (1, 1),
    padding: tuple[int, ...] | str = (0, 0),
    dilation: tuple[int, ...] = (1, 1),
    groups: int = 1,
) -> nn.Conv2d:
    """A convolution in evaluation mode with the given numbers, rounded to float32 once.

    Args:
        weight: (c2, c1/groups, kh, kw).
        bias: (c2,).
        stride: In px, vertical and horizontal.
        padding: In px, vertical and horizontal, or as ``nn.Conv2d`` takes it.
        dilation: In px, vertical and horizontal.
        groups: Groups.
    """
    c2, c1, kh, kw = weight.shape
    made = nn.Conv2d(
        c1 * groups,
        c2,
        (kh, kw),
        stride=(stride[0], stride[1]),
        padding=padding if isinstance(padding, str) else (padding[0], padding[1]),
        dilation=(dilation[0], dilation[1]),
        groups=groups,
        device="meta",
    )
    made.weight = nn.Parameter(weight.float().contiguous(), requires_grad=False)
    made.bias = nn.Parameter(bias.float().contiguous(), requires_grad=False)
    return made.eval()
