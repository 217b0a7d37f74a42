"""Complete IoU (Zheng et al. 2020): overlap, distance of the centres and likeness of the shapes."""

from __future__ import annotations

import math

import torch

__all__ = ["complete_iou"]

_EPSILON = 1e-7


def complete_iou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Complete IoU of boxes and their partners.

    Args:
        a: (n, 4): centre, width and height.
        b: (n, 4).

    Returns:
        (n,), at most 1; below 0 for boxes that lie apart.
    """
    (a_centre, a_size), (b_centre, b_size) = (torch.split(each, 2, 1) for each in (a, b))
    a_low, a_high = a_centre - a_size / 2, a_centre + a_size / 2
    b_low, b_high = b_centre - b_size / 2, b_centre + b_size / 2
    shared = (torch.minimum(a_high, b_high) - torch.maximum(a_low, b_low)).clamp(min=0).prod(1)
    iou = shared / (a_size.prod(1) + b_size.prod(1) - shared + _EPSILON)
    around = torch.maximum(a_high, b_high) - torch.minimum(a_low, b_low)
    distance = (b_centre - a_centre).square().sum(1) / (around.square().sum(1) + _EPSILON)
    a_angle, b_angle = (torch.atan2(size[:, 0], size[:, 1] + _EPSILON) for size in (a_size, b_size))
    shape = (4 / math.pi**2) * (b_angle - a_angle).square()
    with torch.no_grad():
        weight = shape / (shape - iou + (1 + _EPSILON))
    complete: torch.Tensor = iou - distance - weight * shape
    return complete
