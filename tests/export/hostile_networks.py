"""Hostile descriptions of networks, names and facts."""

from __future__ import annotations

import os
import pathlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from checkpoints import write_checkpoint, yolov5
from hostile_case import (
    CASES,
    COMMAND,
    HARMLESS,
    Call,
    Case,
    add,
    add_edit,
    add_pickle,
    text,
)
from torch import nn

# Networks


def _layer(index: int, **values: Any) -> Callable[[Any], None]:
    def edit(model: Any) -> None:
        model.model[index].__dict__.update(values)

    return edit


def _conv(**values: Any) -> Callable[[Any], None]:
    def edit(model: Any) -> None:
        model.model[1].conv.__dict__.update(values)

    return edit


def _module(index: int, module: Callable[[], nn.Module], **values: Any) -> Callable[[Any], None]:
    def edit(model: Any) -> None:
        made = module()
        made.__dict__.update(values)
        made.i, made.f = index, -1
        model.model[index] = made

    return edit


def _detect(**values: Any) -> Callable[[Any], None]:
    def edit(model: Any) -> None:
        for name, value in values.items():
            setattr(model.model[-1], name, value)

    return edit


def _poison(name: str) -> Callable[[Any], None]:
    def edit(model: Any) -> None:
        model.model[0].__dict__[name] = Call(os.system, COMMAND)

    return edit


def _deep(model: Any) -> None:
    for _ in range(60):
        model.model[0].act = nn.Sequential(model.model[0].act)


def _self(model: Any) -> None:
    loop = nn.Sequential(nn.Identity())
    loop._modules["0"] = loop
    model.model[0].act = loop


def _network_in_itself(model: Any) -> None:
    model.model._modules["5"] = model


def _explode(model: Any) -> None:
    model.model[7] = nn.Sequential(*(nn.Upsample(scale_factor=8.0) for _ in range(8)))
    model.model[7].i, model.model[7].f = 7, -1


def _many_modules(model: Any) -> None:
    model.model[0].act = nn.Sequential(*(nn.SiLU() for _ in range(12_000)))


def _anchors(value: float) -> Callable[[Any], None]:
    def edit(model: Any) -> None:
        detect = model.model[-1]
        detect.anchors = torch.full_like(detect.anchors, value)
        detect.anchor_grid = torch.full_like(detect.anchor_grid, value)

    return edit


def _not_a_number(model: Any) -> None:
    for parameter in model.parameters():
        parameter.data.fill_(float("nan"))


_EDITS: dict[str, tuple[str, Callable[[Any], None]]] = {
    "forward hook that calls": ("wants posix.system", _poison("_forward_hooks")),
    "setstate that calls": ("wants posix.system", _poison("__setstate__")),
    "class that calls": ("wants posix.system", _poison("__class__")),
    "dict that calls": ("wants posix.system", _poison("__dict__")),
    "replaced class": (HARMLESS, _layer(0, __class__="posix.system", __dict__={"x": 1})),
    "replaced methods": (HARMLESS, _layer(0, forward="eval", __setstate__=[1], __reduce__="x", _parts=None)),
    "hooks of text": (HARMLESS, _layer(0, _forward_hooks=OrderedDict({0: "x"}), _forward_pre_hooks="y")),
    "channels of 2^31": ("has out_channels = 2147483648; expected an integer", _conv(out_channels=1 << 31)),
    "channels of 2^62": ("has in_channels = 4611686018427387904; expected", _conv(in_channels=1 << 62)),
    "channels of zero": ("has out_channels = 0; expected", _conv(out_channels=0)),
    "channels below zero": ("has out_channels = -8; expected", _conv(out_channels=-8)),
    "channels of text": ("has out_channels = ", _conv(out_channels="\x1b[2J" * 1_000_000)),
    "channels of a list": ("has out_channels = list; expected", _conv(out_channels=[8])),
    "groups of zero": ("has groups = 0; expected", _conv(groups=0)),
    "groups that do not divide": ("has a block that cannot be rebuilt", _conv(groups=3)),
    "kernel of zero": ("has kernel_size = tuple; expected", _conv(kernel_size=(0, 0))),
    "kernel of thousands": ("has kernel_size = tuple; expected", _conv(kernel_size=(60_000, 60_000))),
    "stride of zero": ("has stride = tuple; expected", _conv(stride=(0, 0))),
    "padding below zero": ("has padding = tuple; expected", _conv(padding=(-1, -1))),
    "padding of 2^40": ("has padding = tuple; expected", _conv(padding=(1 << 40, 1))),
    "dilation of 2^30": ("has dilation = tuple; expected", _conv(dilation=(1 << 30, 1))),
    "padding of a thousand": ("", _conv(padding=(1000, 1000))),
    "upsampling by 1e9": ("has scale_factor = 1000000000.0; expected", _layer(7, scale_factor=1e9)),
    "upsampling by nan": ("has scale_factor = nan; expected", _layer(7, scale_factor=float("nan"))),
    "upsampling by minus infinity": (
        "has scale_factor = -inf; expected",
        _layer(7, scale_factor=float("-inf")),
    ),
    "upsampling by a number of 300 digits": ("expected a number from 1.0", _layer(7, scale_factor=10**300)),
    "feature maps that explode": ("has a layer that makes ", _explode),
    "pooling of zero": ("has kernel_size = 0; expected", _module(6, lambda: nn.MaxPool2d(3), kernel_size=0)),
    "pooling of stride zero": ("has stride = 0; expected", _module(6, lambda: nn.MaxPool2d(3), stride=0)),
    "pooling with much padding": (
        "has a network that cannot run",
        _module(6, lambda: nn.MaxPool2d(3, 1, 1), padding=32),
    ),
    "pool to 2^40": (
        "expected integers from",
        _module(6, lambda: nn.AdaptiveAvgPool2d(1), output_size=1 << 40),
    ),
    "eps of nan": (
        "has eps = nan; expected",
        lambda model: model.model[0].bn.__dict__.update(eps=float("nan")),
    ),
    "eps below zero": ("has eps = -1; expected", lambda model: model.model[0].bn.__dict__.update(eps=-1)),
    "nc of zero": ("has nc = 0; expected", _detect(nc=0)),
    "nc of a billion": ("has nc = 1000000000; expected", _detect(nc=1_000_000_000)),
    "na of zero": ("has na = 0; expected", _detect(na=0)),
    "na that does not fit": ("4 anchors of 3 classes and 5 numbers need 32", _detect(na=4)),
    "anchors of nan": ("has anchors that are not positive numbers", _anchors(float("nan"))),
    "anchors of infinity": ("has anchors that are not positive numbers", _anchors(float("inf"))),
    "anchors of zero": ("has anchors that are not positive numbers", _anchors(0.0)),
    "anchors below zero": ("has anchors that are not positive numbers", _anchors(-4.0)),
    "strides of nan": ("says that its strides are ", _detect(stride=torch.full((3,), float("nan")))),
    "strides of infinity": ("says that its strides are ", _detect(stride=torch.full((3,), float("inf")))),
    "strides of a million": ("says that its strides are ", _detect(stride=torch.ones(1_000_000))),
    "buffers of a list": ("has a models.yolo.Detect whose tensors are not", _layer(-1, _buffers=[1])),
    "weights of nan": (HARMLESS, _not_a_number),
    "deep modules": ("nests modules more than 24 deep", _deep),
    "module in itself": ("uses one module in several places", _self),
    "network in itself": ("uses one module in several places: layer 5 ", _network_in_itself),
    "12000 modules": ("has ", _many_modules),
    "layer that reads itself": ("which does not come before it", _layer(3, f=3)),
    "layer that reads far ahead": ("which does not come before it", _layer(3, f=1 << 70)),
    "layer that reads text": ("does not say which layers", _layer(3, f="\x1b[2J")),
    "layer that reads 100000": ("has a layer that makes ", _layer(8, f=[-1] * 100_000)),
}
for _name, (_message, _edit) in _EDITS.items():
    add_edit(_name, _message, _edit)
CASES["padding of a thousand"] = Case(CASES["padding of a thousand"].write, "has a ")


def _million_layers() -> bytes:
    """One record of a layer, listed as a hundred thousand layers of one network."""
    layer = b"ctorch.nn.modules.linear\nIdentity\n)\x81}b"
    empty = text("_parameters") + b"}" + text("_buffers") + b"}" + text("_modules")
    rows = b"".join(text(str(index)) + b"cmodels.common\nConcat\n)\x81h\x05b" for index in range(100_000))
    layers = b"ctorch.nn.modules.container\nSequential\n)\x81}(" + empty + b"}(" + rows + b"uub"
    state = layer + b"0}(" + text("d") + b"K\x01uq\x050"
    return (
        b"\x80\x02"
        + state
        + b"cmodels.yolo\nModel\n)\x81}("
        + empty
        + b"}"
        + text("model")
        + layers
        + b"sub."
    )


add_pickle("a hundred thousand layers", "has more than 10000 modules", _million_layers)

_NAME_LISTS: dict[str, tuple[str, Any]] = {
    "names that are lists": ("has class names that are neither a list nor", [["a"], {"b": 1}, None]),
    "names that are bytes": ("has class names that are neither a list nor", [b"a", b"b", b"c"]),
    "names with huge keys": ("has class names that are neither a list nor", {0: "a", 1: "b", 1 << 59: "c"}),
    "names that are text": ("has class names that are neither a list nor", "abc"),
    "names with escapes": (HARMLESS, ["\x1b]0;evil\x07", "b\r\nc", "\u202eright to left"]),
    "names of a million letters": ("has a name of 1000000 characters for class 0", ["\x1b" * 1_000_000] * 3),
}
for _name, (_message, _names) in _NAME_LISTS.items():
    add(
        _name,
        _message,
        lambda path, names=_names: write_checkpoint(path, yolov5(), names=names),  # type: ignore[misc]
    )

add(
    "date with escapes",
    HARMLESS,
    lambda path: write_checkpoint(
        path, yolov5(), outer={"date": "\x1b[2J" * 100_000, "epoch": 10**40, "best_fitness": float("inf")}
    ),
)

add(
    "path of one long text many times",
    HARMLESS,
    lambda path: write_checkpoint(
        path, yolov5(), outer={"opt": {"data": Call(pathlib.PosixPath, *["x" * 1_000_000] * 20_000)}}
    ),
)
