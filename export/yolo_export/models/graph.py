"""A network: numbered layers, each of which names the layers that it reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Union

import torch
from torch import nn

from yolo_export.models.detect import Detect

__all__ = ["MAX_MODULES", "NETWORKS", "Network", "Source"]

#: Most modules of a network, layers included. The largest published networks have about 1,000.
MAX_MODULES = 10_000

#: Class paths of whole detection networks.
NETWORKS = ("models.yolo.DetectionModel", "models.yolo.Model")

#: Where a layer reads: one index or several; negative ones count back from the layer, the image is not
#: numbered.
Source = Union[int, Sequence[int]]


class Network(nn.Module):
    """Runs layers in order and returns the raw maps of `Detect`, which is the last one.

    Args:
        layers: Each layer and its source. A layer with several sources gets a list.

    Raises:
        ValueError: A source lies outside the network, or the last layer is not `Detect`.
    """

    def __init__(self, layers: Iterable[tuple[nn.Module, Source]]) -> None:
        super().__init__()
        modules, sources = [], []
        for index, (layer, source) in enumerate(layers):
            modules.append(layer)
            sources.append(_absolute(index, source))
        if not modules or not isinstance(modules[-1], Detect):
            raise ValueError("the last layer is not Detect")
        self.layers = nn.ModuleList(modules)
        self.sources = sources
        self._wanted = {index for source in sources for index in _as_tuple(source)}

    @property
    def detect(self) -> Detect:
        """The last layer."""
        last = self.layers[-1]
        if not isinstance(last, Detect):
            raise TypeError("the last layer was replaced")
        return last

    def head_places(self) -> list[tuple[nn.ModuleList, int]]:
        """The list and the place in it of each head's convolution; in YOLOv5 v1.0 they are layers."""
        if len(self.detect.m):
            return [(self.detect.m, index) for index in range(len(self.detect.m))]
        return [(self.layers, index) for index in _as_tuple(self.sources[-1])]

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Run the network.

        Args:
            images: (N, 3, H, W) float32, RGB, 0 to 1; H and W are multiples of the largest stride.

        Returns:
            One map per head in the order of the checkpoint, (N, na*(nc+5), H/stride, W/stride), no sigmoid.
        """
        maps: dict[int, Any] = {-1: images}
        result: Any = images
        for index, (layer, source) in enumerate(zip(self.layers, self.sources)):
            inputs = maps[source] if isinstance(source, int) else [maps[each] for each in source]
            result = layer(inputs)
            if index in self._wanted:
                maps[index] = result
        heads: list[torch.Tensor] = result
        return heads


def _as_tuple(source: int | tuple[int, ...]) -> tuple[int, ...]:
    return (source,) if isinstance(source, int) else source


def _absolute(index: int, source: Source) -> int | tuple[int, ...]:
    """Sources as layer numbers; -1 is the image, which only the first layer may read."""
    if not isinstance(source, int):
        return tuple(_absolute_one(index, each) for each in source)
    return _absolute_one(index, source)


def _absolute_one(index: int, source: int) -> int:
    absolute = index + source if source < 0 else source
    if not (0 <= absolute < index or (index == 0 and source == -1)):
        raise ValueError(f"layer {index} reads layer {absolute}, which does not come before it")
    return absolute
