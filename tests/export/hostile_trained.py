"""Hostile variants of the checkpoints that yolo-train writes."""

from __future__ import annotations

from collections.abc import Callable
from os import system
from pathlib import Path
from typing import Any

import torch
from hostile_case import COMMAND, HARMLESS, Call, add
from trained_content import trained_content

from yolo_export.checkpoint.trained import FORMAT_VERSION

_SEQUENTIAL = "torch.nn.modules.container.Sequential"
_CONV = ("network", 0, "parts", "conv", "fields")

Edit = Callable[[dict[str, Any]], object]


def _add(name: str, message: str, edit: Edit) -> None:
    def write(path: Path) -> None:
        content = trained_content()
        edit(content)
        torch.save(content, path)

    add(f"trained: {name}", message, write)


def _set(*keys: Any) -> Callable[[Any], Edit]:
    """An edit that puts a value into a place of the content."""

    def with_value(value: Any) -> Edit:
        def edit(content: dict[str, Any]) -> None:
            place: Any = content
            for key in keys[:-1]:
                place = place[key]
            place[keys[-1]] = value

        return edit

    return with_value


def _deep(content: dict[str, Any]) -> None:
    layer = content["network"][1]
    for _ in range(60):
        layer = {
            "class": _SEQUENTIAL,
            "fields": {},
            "parts": {"0": layer},
            "from": -1,
        }
    content["network"][1] = layer


def _wide(content: dict[str, Any]) -> None:
    content["network"][2]["parts"] = {
        str(index): {"class": "torch.nn.modules.linear.Identity", "fields": {}, "parts": {}}
        for index in range(20_000)
    }


def _shared(content: dict[str, Any]) -> None:
    """Each level mentions the one below twice: 2^30 modules of 30 dicts."""
    level: dict[str, Any] = {"class": "torch.nn.modules.linear.Identity", "fields": {}, "parts": {}}
    for _ in range(20):
        level = {
            "class": _SEQUENTIAL,
            "fields": {},
            "parts": {"0": level, "1": level},
        }
    content["network"][1] = {**level, "from": -1}


_add("as it is", HARMLESS, lambda content: None)
_add("resume that is not looked at", HARMLESS, _set("resume")({"anything": [1, 2, {"x": torch.zeros(2)}]}))
_add("a call in the options", "wants posix.system", _set("opt", "data")(Call(system, COMMAND)))
_add("a call in the network", "wants posix.system", _set("network", 1)(Call(system, COMMAND)))
_add("a call as a field", "wants posix.system", _set("network", 0, "fields", "x")(Call(system, COMMAND)))
_add("a call in resume", "wants posix.system", _set("resume")({"random": Call(system, COMMAND)}))
_add("without a version", "without a version", _set("format_version")(None))
_add("version of text", "without a version", _set("format_version")("1"))
_add("version zero", "without a version", _set("format_version")(0))
_add("newer version", "update it", _set("format_version")(FORMAT_VERSION + 1))
_add("other format", "has weights without a network", _set("format")("else"))
_add("no network", "no list of layers", _set("network")(None))
_add("empty network", "no list of layers", _set("network")([]))
_add("network as a dict", "no list of layers", _set("network")({"0": {}}))
_add("layer as text", "something that is not a module", _set("network", 1)("conv"))
_add("layer without a class", "does not say class", lambda content: content["network"][1].pop("class"))
_add("class of another type", "does not say class", _set("network", 1, "class")(7))
_add("unknown class", "is not a module", _set("network", 1, "class")("os.system"))
_add("class that is a network", "is not a module", _set("network", 1, "class")("models.yolo.Model"))
_add("class that is no module", "is not a module", _set("network", 1, "class")("builtins.dict"))
_add("fields as a list", "does not say class, fields and parts", _set("network", 1, "fields")([]))
_add("parts as a list", "does not say class, fields and parts", _set("network", 1, "parts")([]))
_add("part under a number", "without a proper name", _set("network", 1, "parts")({0: {}}))
_add("part under a long name", "without a proper name", _set("network", 1, "parts")({"x" * 10_000: {}}))
_add("source beyond the network", "does not come before", _set("network", 1, "from")(99))
_add("source of text", "does not say which layers", _set("network", 1, "from")("-1"))
_add("no source", "does not say which layers", lambda content: content["network"][1].pop("from"))
_add("deeply nested", "nests modules more than", _deep)
_add("twenty thousand modules", "has more than", _wide)
_add("one module in many places", "uses one module in several places", _shared)
_add(
    "huge convolution",
    "cannot be rebuilt",
    _set(*_CONV, "in_channels")(1 << 40),
)
_add(
    "negative padding",
    "cannot be rebuilt",
    _set(*_CONV, "padding")([-1, -1]),
)
_add(
    "other kernel than its weights",
    "ask for",
    _set(*_CONV, "kernel_size")([1, 1]),
)
_add("hook among the fields", HARMLESS, _set("network", 0, "fields", "_forward_hooks")({"0": "x"}))
_add("modules among the fields", HARMLESS, _set("network", 0, "fields", "_modules")({"act": "x"}))
_add("no weights", "no tensors by name", _set("weights")(None))
_add("weights under numbers", "no tensors by name", _set("weights", 3)(torch.zeros(1)))
_add("weights that are numbers", "not a tensor under 'weights'", _set("weights", "model.0.conv.weight")(1.0))
_add("a tensor is missing", "lacks the tensor", lambda content: content["weights"].pop("model.0.conv.weight"))
_add("a tensor of another size", "of size (1,)", _set("weights", "model.0.bn.weight")(torch.zeros(1)))
_add("nan weights", HARMLESS, lambda content: content["weights"]["model.0.bn.weight"].fill_(float("nan")))
_add("names for other classes", "has 1 class names", _set("names")(["a"]))
_add("names of numbers and lists", "class names that are neither", _set("names")([1, [], 3]))
_add("no strides", "strides of its heads", _set("strides")(None))
_add("strides of text", "strides of its heads", _set("strides")(["8", "16", "32"]))
_add("other strides", "says that its strides are [8, 16, 64]", _set("strides")([8, 16, 64]))
_add("a stride too few", "anchors of each head", _set("strides")([8, 16]))
_add("no anchors", "anchors of each head", _set("anchors_px")(None))
_add("anchors as a tensor", "anchors of each head", _set("anchors_px")(torch.ones(3, 3, 2)))
_add("anchors of infinity", "pairs of positive numbers", _set("anchors_px", 0, 0)([float("inf"), 1.0]))
_add("anchors of nan", "pairs of positive numbers", _set("anchors_px", 0, 0)([float("nan"), 1.0]))
_add("negative anchors", "pairs of positive numbers", _set("anchors_px", 0, 0)([-1.0, 1.0]))
_add("an anchor too many", "which need 3 each", _set("anchors_px", 1)([[1.0, 1.0]] * 4))
_add("a million anchors", "anchors of each head", _set("anchors_px", 1)([[1.0, 1.0]] * 100_000))
_add("options as a list", HARMLESS, _set("opt")([1, 2]))
