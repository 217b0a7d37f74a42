"""A network as plain data: what a checkpoint of our own training says of it beside the weights."""

from __future__ import annotations

from typing import Any

from torch import nn

from yolo_export.models.graph import Network
from yolo_export.models.registry import CONTAINERS, Block, find_block, find_torch_module

__all__ = ["describe_network"]

_PLAIN = (bool, int, float, str, type(None))
#: Attributes of torch's modules that say nothing about what is computed.
_STATES = frozenset({"training", "inplace"})


def describe_network(network: Network) -> list[dict[str, Any]]:
    """Lists the layers as dicts, lists, texts and numbers.

    A layer and each of its parts has ``class``, the path that pickles of YOLOv5 and YOLOv5-Lite name it by;
    ``fields``, its plain values; and ``parts``, by name. A layer also has ``from``, the layers it reads.
    Tensors are not in it: they are called as in a state dict of those repositories, ``model.0.conv.weight``.

    Raises:
        ValueError: A module is none that a checkpoint can hold.

    Example:
        >>> from yolo_export.yaml_network import build_network
        >>> rows = [[-1, 1, "Conv", [16, 3, 2]], [[0], 1, "Detect", ["nc", "anchors"]]]
        >>> made = build_network({"nc": 1, "anchors": [[4, 4]], "backbone": rows[:1], "head": rows[1:]})
        >>> [(layer["class"], layer["from"]) for layer in describe_network(made.network)]
        [('models.common.Conv', -1), ('models.yolo.Detect', [0])]
    """
    layers = []
    for layer, source in zip(network.layers, network.sources):
        described = _describe(layer)
        described["from"] = source if isinstance(source, int) else list(source)
        layers.append(described)
    return layers


def _describe(module: nn.Module) -> dict[str, Any]:
    path = _class_path(module)
    if path is None:
        raise ValueError(f"a {type(module).__name__} cannot be described in a checkpoint")
    if isinstance(module, Block):
        fields = module.plain_fields()
    else:
        fields = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in vars(module).items()
            if not name.startswith("_") and name not in _STATES and _is_plain(value)
        }
    # What has no path of its own may stand in for a part that the record need not have.
    optional = module.optional_parts() if isinstance(module, Block) else ()
    parts = {
        name: _describe(part)
        for name, part in module.named_children()
        if name not in optional or _class_path(part) is not None
    }
    return {"class": path, "fields": fields, "parts": parts}


def _class_path(module: nn.Module) -> str | None:
    """The path by which the registry knows the class."""
    if isinstance(module, Block):
        return next((path for path in module.class_paths if find_block(path) is type(module)), None)
    kind = type(module)
    path = f"{kind.__module__}.{kind.__qualname__}"
    return path if path in CONTAINERS or find_torch_module(path) is not None else None


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(isinstance(each, _PLAIN) for each in value)
    return isinstance(value, _PLAIN)
