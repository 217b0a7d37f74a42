"""Makes checkpoints like those of YOLOv5 and YOLOv5-Lite, without their repositories.

The networks are small, of this package's own blocks, with seeded random weights and batch-norm statistics.
The file is written by torch.save; only the names of the classes are changed on the way to those of the
original repositories.
"""

from __future__ import annotations

import copy
import pickle
import types
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from yolo_export.models import (
    C3,
    SPPF,
    Add,
    Concat,
    Conv,
    ConvMaxPool,
    DepthwiseSeparable,
    Detect,
    Network,
    ShuffleBlock,
    find_block,
    known_blocks,
)

ANCHORS_PX = [
    [(10.0, 13.0), (16.0, 30.0), (33.0, 23.0)],
    [(30.0, 61.0), (62.0, 45.0), (59.0, 119.0)],
    [(116.0, 90.0), (156.0, 198.0), (373.0, 326.0)],
]
STRIDES = [8, 16, 32]

#: Sub-modules that only this package's classes have.
_OWN_CHILDREN = {"ShuffleBlock": ("shuffle",), "DepthwiseSeparable": ("act",)}


class Model(nn.Module):
    """Stands for ``models.yolo.Model`` in the file."""


def yolov5(classes: int = 3) -> Network:
    """A YOLOv5 v6 in small: every block of it, three heads."""
    return _network(
        [
            (Conv(3, 8, 6, 2, 2), -1),
            (Conv(8, 16, 3, 2), -1),
            (C3(16, 16, 1), -1),
            (Conv(16, 16, 3, 2), -1),  # 3: stride 8
            (Conv(16, 24, 3, 2), -1),  # 4: stride 16
            (Conv(24, 32, 3, 2), -1),
            (SPPF(32, 32), -1),  # 6: stride 32
            (nn.Upsample(scale_factor=2.0), -1),
            (Concat(), [-1, 4]),
            (C3(56, 24, 2, False), -1),  # 9
            (Detect(classes, 3, (16, 24, 32)), [3, 9, 6]),
        ]
    )


def yolov5_lite(classes: int = 3) -> Network:
    """A YOLOv5-Lite e in small: shuffle blocks, depth-wise convolutions, additions."""
    return _network(
        [
            (ConvMaxPool(3, 8), -1),
            (ShuffleBlock(8, 16, 2), -1),
            (nn.Sequential(ShuffleBlock(16, 16, 1), ShuffleBlock(16, 16, 1)), -1),  # 2: stride 8
            (ShuffleBlock(16, 32, 2), -1),  # 3: stride 16
            (ShuffleBlock(32, 32, 2), -1),  # 4: stride 32
            (nn.Upsample(scale_factor=2.0), -1),
            (Add(), [-1, 3]),
            (DepthwiseSeparable(32, 24, 5, 1), -1),  # 7
            (Detect(classes, 3, (16, 24, 32)), [2, 7, 4]),
        ]
    )


def write_checkpoint(
    path: Path,
    network: Network,
    *,
    names: Any = ("cat", "dog", "bird"),
    key: str | None = "model",
    half: bool = True,
    anchor_grid: bool = True,
    strides: list[int] | None = None,
    outer: dict[str, Any] | None = None,
    rename: dict[str, str] | None = None,
    edit: Any = None,
    dtype: torch.dtype | None = None,
    wrap: Any = None,
    **save_options: Any,
) -> Path:
    """Write a network as training would.

    Args:
        path: Where to.
        network: Of this package's blocks.
        names: Class names; None leaves them out.
        key: ``model`` or ``ema``; None saves the bare model.
        half: Half precision, as training does in the end.
        anchor_grid: Whether `Detect` has its anchors in px as a tensor, as before v6.
        strides: What the file says the strides are.
        outer: More entries of the dict around the model.
        rename: Class paths to be written instead of others.
        edit: Called with the model before it is written.
        dtype: Another precision than half or single.
        wrap: Called with the model; what it returns is written in its place.
        save_options: More arguments of torch.save.
    """
    model = _as_original(network, names, anchor_grid, strides or STRIDES)
    if half:
        model.half()
    if dtype:
        model.to(dtype)
    if edit:
        edit(model)
    if wrap:
        model = wrap(model)
    content: Any = model
    if key:
        content = {"epoch": -1, "model": None, "ema": None, "optimizer": None, **(outer or {}), key: model}
    torch.save(content, path, pickle_module=_pickle_module(rename or {}), **save_options)
    return path


def write_pickle(path: Path, data: bytes, entries: dict[str, bytes] | None = None) -> Path:
    """Write an archive around a hand-made pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        for name, content in (entries or {}).items():
            archive.writestr(f"archive/{name}", content)
    return path


def _network(layers: list[tuple[nn.Module, Any]]) -> Network:
    """Give a network weights that keep its feature maps within a sane range."""
    generator = torch.Generator().manual_seed(0)

    def uniform(low: float, high: float, count: int) -> torch.Tensor:
        return torch.rand(count, generator=generator) * (high - low) + low

    network = Network(layers).eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan_in = module.weight[0].numel()
            module.weight.data = torch.randn(module.weight.shape, generator=generator) * (2 / fan_in) ** 0.5
            if module.bias is not None:
                module.bias.data = uniform(-1, 1, module.out_channels)
        elif isinstance(module, nn.BatchNorm2d):
            module.weight.data = uniform(0.5, 1.5, module.num_features)
            module.bias.data = uniform(-0.5, 0.5, module.num_features)
            module.running_mean = uniform(-0.5, 0.5, module.num_features)
            module.running_var = uniform(0.5, 2.0, module.num_features)
    # What a file in half precision can hold, so that a round trip loses nothing.
    return network.half().float()


def _as_original(network: Network, names: Any, anchor_grid: bool, strides: list[int]) -> nn.Module:
    """The same modules in the arrangement of the original repositories."""
    network = copy.deepcopy(network)
    for module in network.modules():
        for name in _OWN_CHILDREN.get(type(module).__name__, ()):
            del module._modules[name]
    model = Model()
    model.model = nn.Sequential(*network.layers)
    for index, (layer, source) in enumerate(zip(network.layers, network.sources)):
        first = index - 1 if index else -1
        layer.i, layer.f = index, -1 if source == first else source
        layer.f = list(layer.f) if isinstance(layer.f, tuple) else layer.f
        layer.type, layer.np = type(layer).__name__, 0
    detect = network.detect
    heads = len(strides)
    anchors = torch.tensor(ANCHORS_PX[:heads])
    detect.no, detect.nl, detect.grid = detect.nc + 5, heads, [torch.zeros(1)] * heads
    detect.stride = torch.tensor([float(stride) for stride in strides])
    detect.register_buffer("anchors", anchors / detect.stride.view(-1, 1, 1))
    if anchor_grid:
        detect.register_buffer("anchor_grid", anchors.view(heads, 1, -1, 1, 1, 2))
    else:
        detect.anchor_grid = [torch.zeros(1)] * heads
    model.yaml, model.save, model.nc = {"nc": detect.nc}, [2, 4], detect.nc
    model.stride = detect.stride
    if names is not None:
        model.names = list(names) if isinstance(names, tuple) else names
    return model


def _pickle_module(rename: dict[str, str]) -> types.ModuleType:
    """A pickle module that writes our classes under the names of the original repositories."""
    paths: dict[type, str] = {Model: rename.get("Model", "models.yolo.Model")}
    for path in known_blocks():
        if kind := find_block(path):
            paths[kind] = path

    class Pickler(pickle._Pickler):  # type: ignore[misc]
        def save_global(self, obj: Any, name: str | None = None) -> None:
            path = paths.get(obj) if isinstance(obj, type) else None
            own = f"{getattr(obj, '__module__', '')}.{getattr(obj, '__qualname__', '')}"
            path = rename.get(path or own, path)
            if path is None:
                super().save_global(obj, name)
                return
            module, _, attribute = path.rpartition(".")
            self.write(pickle.GLOBAL + f"{module}\n{attribute}\n".encode())
            self.memoize(obj)

    Pickler.dispatch = {**pickle._Pickler.dispatch, type: Pickler.save_global}
    made = types.ModuleType("renaming_pickle")
    made.Pickler = Pickler
    made.dump, made.dumps = pickle.dump, pickle.dumps
    return made
