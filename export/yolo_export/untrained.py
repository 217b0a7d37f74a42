"""Untrained networks: what a YAML file describes, with seeded random numbers, for measuring."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from yolo_edge.scene import draw_scene
from yolo_export.checkpoint import Checkpoint
from yolo_export.configs import load_config
from yolo_export.errors import ConfigError
from yolo_export.models import ConvExcite, Detect, Network
from yolo_export.yaml_network import YamlNetwork, build_network

__all__ = ["describe_config", "untrained_checkpoint"]

_SEED = 0
#: Cells of the largest stride in the picture that batch norms are measured on, vertical and horizontal.
_CELLS_HW = (6, 8)
#: How much smaller heads are made than one picture asks for, as others may excite the network more.
_HEAD_MARGIN = 12.0
#: Bias of objectness: about one box in a thousand is above the usual threshold of 0.25, as in a quiet scene.
#: With none at all decoding and NMS would be measured on thousands of boxes.
_OBJECTNESS_BIAS = -5.0
_OBJECTNESS_SHARE = 0.2
#: Place of objectness among the numbers of an anchor.
_OBJECTNESS = 4


def describe_config(name: str, *, classes: int | None = None) -> tuple[str, YamlNetwork]:
    """A network by the name of a shipped one or the path of a YAML file, without numbers.

    Args:
        name: Such as ``yolov5s``, or ``mine/small.yaml``.
        classes: Number of classes instead of the file's.

    Returns:
        The name to call it by, and the network on the ``meta`` device.

    Raises:
        ValueError: There is no such name.
        ConfigError: The file does not describe a network that can be built.
    """
    label, description = load_config(name)
    try:
        return label, build_network(description, classes=classes)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from error


def untrained_checkpoint(name: str) -> Checkpoint:
    """A network by the name of a shipped one or the path of a YAML file, with seeded random numbers.

    It computes as much as a trained one of its architecture and finds nothing.

    Raises:
        ValueError: There is no such name.
        ConfigError: The file does not describe a network that can be built.

    Example:
        >>> untrained_checkpoint("yolov5n").parameters
        1872157
    """
    label, described = describe_config(name)
    network = described.network.to_empty(device="cpu")
    _fill(network, max(described.strides))
    return Checkpoint(
        path=Path(f"{label}.yaml"),
        sha256=described.sha256,
        network=network.eval(),
        names=described.names,
        strides=described.strides,
        anchors_px=described.anchors_px,
        family=described.family,
        parameters=described.parameters,
        training={"untrained": True, "seed": _SEED},
        notes=[f"{label} is untrained: its numbers are random, it is for measuring only", *described.notes],
    )


def _fill(network: Network, stride: int) -> None:
    """Give a network numbers that keep its feature maps in a sane range."""
    generator = torch.Generator().manual_seed(_SEED)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.requires_grad_(False)
            if parameter.dim() > 1:
                fan_in = parameter[0].numel()
                parameter.normal_(0.0, fan_in**-0.5, generator=generator)
            else:
                parameter.zero_()
        for module in network.modules():
            if isinstance(module, ConvExcite):
                # Its weights grow with what they weigh, so many in a row would square it many times.
                module.conv2.weight.mul_(0.01)
                if module.conv2.bias is not None:
                    module.conv2.bias.fill_(1.0)
        for head in _head_convs(network):
            _bias(head, network.detect)
        # One run over a picture gives every batch norm one scale for all its channels. A scale for each
        # channel would blow up what the picture happens not to have.
        norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
        hooks = [norm.register_forward_pre_hook(_set_scale) for norm in norms]
        picture = draw_scene((_CELLS_HW[0] * stride, _CELLS_HW[1] * stride), _SEED)
        image = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
        network(image)
        for hook in hooks:
            hook.remove()
        for conv, head in zip(_head_convs(network), network(image)):
            spread = (head - head.mean(dim=(2, 3), keepdim=True)).std()
            if bool(torch.isfinite(spread)) and float(spread) > 0:
                conv.weight.div_(_HEAD_MARGIN * spread)


def _set_scale(module: nn.Module, inputs: tuple[torch.Tensor]) -> None:
    if isinstance(module, nn.BatchNorm2d):
        module.reset_running_stats()
        if module.affine:
            module.weight.fill_(1.0)
        if module.running_var is not None:
            module.running_var.fill_(float(inputs[0].square().mean()))


def _head_convs(network: Network) -> list[nn.Conv2d]:
    """The detection convolutions."""
    found = [modules[index] for modules, index in network.head_places()]
    return [conv for conv in found if isinstance(conv, nn.Conv2d)]


def _bias(conv: nn.Conv2d, detect: Detect) -> None:
    if conv.bias is not None:
        conv.bias.view(detect.na, -1)[:, _OBJECTNESS] = _OBJECTNESS_BIAS
        conv.weight.view(detect.na, -1, conv.in_channels)[:, _OBJECTNESS] *= _OBJECTNESS_SHARE
