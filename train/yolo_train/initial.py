"""The numbers that training starts from where no checkpoint gives them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from yolo_export.models import Network

__all__ = ["BATCH_NORM_MOMENTUM", "reset_heads", "reset_network"]

#: What a batch norm's running figures take of each batch; both families train all of them with it.
BATCH_NORM_MOMENTUM = 0.03

#: Objects that an image at 640 px is expected to show, which the bias of objectness starts from.
_OBJECTS, _SIDE_PX = 8, 640
#: Share of the objects that a class is expected to have, before they are told apart: 0.6 of one class.
_CLASS_SHARE = 0.6
_OBJECTNESS = 4


def reset_network(network: Network, strides: Sequence[int]) -> None:
    """Gives every tensor its first number, as torch's own layers do, from torch's random generator.

    Raises:
        ValueError: A block has tensors that it gives no numbers.
    """
    for name, module in network.named_modules():
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            reset()
        elif module._parameters:
            raise ValueError(f"{name} ({type(module).__name__}) cannot start from random numbers")
    _set_priors(network, strides)


def reset_heads(network: Network, strides: Sequence[int], classes: int) -> list[str]:
    """Makes new detection convolutions for a number of classes.

    The bias says how rare objects are (Lin et al. 2017, section 3.3), as YOLOv5 has it; without that the
    many empty cells would rule the first epochs.

    Returns:
        Names of the tensors that were made anew.
    """
    detect = network.detect
    detect.nc = classes
    inside = len(detect.m) > 0
    names = []
    for modules, index in network.head_places():
        old = modules[index]
        if not isinstance(old, nn.Conv2d):
            raise ValueError(f"a head of the network is a {type(old).__name__}, not a convolution")
        modules[index] = nn.Conv2d(
            old.in_channels,
            detect.na * (classes + 5),
            old.kernel_size,  # type: ignore[arg-type]
            stride=old.stride,  # type: ignore[arg-type]
            padding=old.padding,  # type: ignore[arg-type]
        )
        place = f"{len(network.layers) - 1}.m.{index}" if inside else str(index)
        names += [f"layers.{place}.weight", f"layers.{place}.bias"]
    _set_priors(network, strides)
    return names


def _set_priors(network: Network, strides: Sequence[int]) -> None:
    detect = network.detect
    with torch.no_grad():
        for (modules, index), stride in zip(network.head_places(), strides):
            conv = modules[index]
            if not isinstance(conv, nn.Conv2d) or conv.bias is None:
                raise ValueError("a head of the network is not a convolution with a bias")
            bias = conv.bias.view(detect.na, -1)
            bias[:, _OBJECTNESS] += math.log(_OBJECTS / (_SIDE_PX / stride) ** 2)
            if detect.nc > 1:
                bias[:, _OBJECTNESS + 1 :] += math.log(_CLASS_SHARE / (detect.nc - 0.99999))
            else:
                # A single class has no part in the loss: it is certain, and objectness alone decides.
                bias[:, _OBJECTNESS + 1 :] = math.log(_CLASS_SHARE / 0.00001)
                conv.weight.view(detect.na, -1, *conv.weight.shape[1:])[:, _OBJECTNESS + 1 :] = 0
