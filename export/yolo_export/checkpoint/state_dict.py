"""Weights without a network: a state dict, and the YAML file that describes what they belong to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import nn

from yolo_export.checkpoint.placing import IGNORED_TENSORS, Placed
from yolo_export.checkpoint.records import Instance, TensorRef, clip
from yolo_export.configs import load_config
from yolo_export.errors import CheckpointError, ConfigError
from yolo_export.models import Conv, Network
from yolo_export.yaml_network import YamlNetwork, build_network

__all__ = ["find_state_dict", "fit_state_dict"]

#: Where training scripts put a state dict.
_PLACES = ("ema", "model", "state_dict", "model_state_dict", "weights")
#: ``model.3.conv.weight``, also of a network in wrappers.
_KEY = re.compile(r"(?:module\.)?(?:model\.){0,3}(\d{1,4})\.(.+)", re.DOTALL)
#: Tensors that are no weights: read elsewhere, or left by tools that count operations.
_OTHER_TENSORS = frozenset({"anchors", "anchor_grid", "stride", "total_ops", "total_params"})


def find_state_dict(content: Any) -> dict[str, TensorRef] | None:
    """The weights, if the file holds a state dict: as a whole or under one of the usual keys."""
    if type(content) is not dict:
        return None
    candidates: list[Any] = [content]
    for key in _PLACES:
        found = content.get(key)
        candidates.append(found[0] if type(found) is tuple and found else found)
    for candidate in candidates:
        if type(candidate) is dict:
            tensors = {
                key: value
                for key, value in candidate.items()
                if type(key) is str and isinstance(value, TensorRef)
            }
            if any(_KEY.fullmatch(key) for key in tensors):
                return tensors
    return None


def fit_state_dict(tensors: Mapping[str, TensorRef], cfg: str) -> tuple[YamlNetwork, list[Placed], Instance]:
    """Build the network and find the place of every tensor.

    Args:
        tensors: By the names of the original repositories.
        cfg: Name of a shipped network, or path of a YAML file.

    Returns:
        The network on the ``meta`` device, the places, and a record of its last layer with the tensors that
        tell anchors and strides.

    Raises:
        ValueError: There is no such network.
        ConfigError: The YAML file does not describe one.
        CheckpointError: The tensors belong to another network.
    """
    _, description = load_config(cfg)
    table: dict[str, TensorRef] = {}
    for key, ref in tensors.items():
        match = _KEY.fullmatch(key)
        name = f"{int(match[1])}.{match[2]}" if match else key
        if name in table:
            raise CheckpointError(f"has two tensors for {clip(name)}")
        table[name] = ref
    try:
        built = build_network(description)
        classes = _classes(table, built.network)
        if classes != built.classes:
            built = build_network({**description, "nc": classes}, classes=classes)
    except ConfigError as error:
        raise ConfigError(f"{cfg}: {error}") from error
    last = len(built.network.layers) - 1
    extra = {
        name: table[f"{last}.{name}"] for name in ("anchors", "anchor_grid") if f"{last}.{name}" in table
    }
    state: dict[str, Any] = {"_buffers": extra}
    if f"{last}.stride" in table:
        state["stride"] = table[f"{last}.stride"]
    return built, _places(built.network, table, cfg), Instance("models.yolo.Detect", state=state)


def _classes(table: Mapping[str, TensorRef], network: Network) -> int:
    """Number of classes, which the heads tell better than the YAML file."""
    detect = network.detect
    first = table.get(f"{len(network.layers) - 1}.m.0.weight")
    if first is None or not first.size or first.size[0] % detect.na:
        return detect.nc
    classes = first.size[0] // detect.na - 5
    return classes if 1 <= classes < 1 << 16 else detect.nc


def _places(network: Network, table: Mapping[str, TensorRef], cfg: str) -> list[Placed]:
    placed, missing, other = [], [], []
    expected = set()
    for path, module in network.layers.named_modules():
        if isinstance(module, Conv) and f"{path}.conv.bias" in table and f"{path}.bn.weight" not in table:
            _drop_norm(module)
    for path, module in network.layers.named_modules():
        for name, own in [*module._parameters.items(), *module._buffers.items()]:
            if own is None or name in IGNORED_TENSORS or name in module._non_persistent_buffers_set:
                continue
            place = f"{path}.{name}"
            expected.add(place)
            ref = table.get(place)
            if ref is None:
                missing.append(place)
            elif ref.size != tuple(own.shape):
                other.append(f"{place} of {ref.size} instead of {tuple(own.shape)}")
            else:
                placed.append(Placed(module, name, ref, f"model.{place}"))
    unexpected = [
        name
        for name in table
        if name not in expected and name.rpartition(".")[2] not in IGNORED_TENSORS | _OTHER_TENSORS
    ]
    parts = [
        f"{len(names)} tensors {what}, the first is {clip(names[0], 160)}"
        for what, names in (
            ("are missing", missing),
            ("are too many", unexpected),
            ("have other sizes", other),
        )
        if names
    ]
    if parts:
        raise CheckpointError(
            f"does not fit the network of {cfg}: {'; '.join(parts)}; give the YAML file of its training"
        )
    return placed


def _drop_norm(block: Conv) -> None:
    """The form after fusing: a bias, and no norm."""
    old = block.conv
    block.bn = nn.Identity()
    block.conv = nn.Conv2d(
        old.in_channels,
        old.out_channels,
        old.kernel_size,  # type: ignore[arg-type]
        stride=old.stride,  # type: ignore[arg-type]
        padding=old.padding,  # type: ignore[arg-type]
        dilation=old.dilation,  # type: ignore[arg-type]
        groups=old.groups,
        device="meta",
    )
