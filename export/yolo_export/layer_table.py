"""What each layer of a network costs, counted as the literature on light networks does.

Counted are, for one image,

* parameters: every trained number of the layer; of a convolution Kh·Kw·Cin·Cout/groups, its bias, and the
  two numbers a channel of its batch norm,
* FLOPs: two for each weight of a convolution or linear layer at each place of its output, that is
  2·Kh·Kw·Cin·Cout·H·W over groups; nothing for what is not a product with weights or of two maps,
* memory access: numbers read and written by convolutions (input, weights, output: the cost that
  ShuffleNetV2, Ma et al. 2018, sets beside FLOPs), pooling, joins, sums, products and shuffles. Batch norm
  and activation run inside the convolution before them and count nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from yolo_export.checkpoint.probe import ShapesOnly
from yolo_export.models import Network

__all__ = ["LayerRow", "layer_table"]


@dataclass(frozen=True)
class LayerRow:
    """One layer, for one image.

    Attributes:
        index: Its number.
        sources: Numbers of the layers it reads; -1 is the image.
        module: Name of its class.
        repeats: How many of them run in a row.
        shapes_chw: Channels, height and width of each map it puts out; several for the last layer.
        parameters: Trained numbers.
        flops: See the module.
        memory_access: Numbers read and written; see the module.
    """

    index: int
    sources: tuple[int, ...]
    module: str
    repeats: int
    shapes_chw: list[tuple[int, int, int]]
    parameters: int
    flops: int
    memory_access: int


def layer_table(network: Network, size_hw: tuple[int, int]) -> list[LayerRow]:
    """Run a network without its numbers and count.

    Args:
        network: On any device; it is not changed.
        size_hw: Height and width of the image in px, multiples of the largest stride.

    Returns:
        A row for each layer.

    Example:
        >>> from yolo_export.models import Conv, Detect, Network
        >>> rows = layer_table(Network([(Conv(3, 8, 3, 2), -1), (Detect(1, 1, (8,)), [0])]), (64, 64))
        >>> rows[0].flops == 2 * 3 * 3 * 3 * 8 * 32 * 32
        True
    """
    maps: dict[int, torch.Tensor] = {-1: torch.empty(1, 3, *size_hw, device="meta")}
    rows = []
    for index, (layer, source) in enumerate(zip(network.layers, network.sources)):
        sources = (source,) if isinstance(source, int) else source
        inputs = maps[source] if isinstance(source, int) else [maps[each] for each in source]
        with torch.no_grad(), ShapesOnly(), _Counter() as counter:
            result = _run(layer, inputs)
        outputs = result if isinstance(result, list) else [result]
        if isinstance(result, torch.Tensor):
            maps[index] = result
        module, repeats = _kind(layer)
        rows.append(
            LayerRow(
                index=index,
                sources=sources,
                module=module,
                repeats=repeats,
                shapes_chw=[(each.shape[1], each.shape[2], each.shape[3]) for each in outputs],
                parameters=sum(parameter.numel() for parameter in layer.parameters()),
                flops=counter.flops,
                memory_access=counter.memory_access,
            )
        )
    return rows


def _run(layer: nn.Module, inputs: torch.Tensor | list[torch.Tensor]) -> torch.Tensor | list[torch.Tensor]:
    """Run a layer with stand-ins of no memory in place of its numbers."""
    own = {**dict(layer.named_parameters()), **dict(layer.named_buffers())}
    stand_ins = {name: torch.empty_like(tensor, device="meta") for name, tensor in own.items()}
    result: torch.Tensor | list[torch.Tensor] = functional_call(layer, stand_ins, (inputs,))
    return result


def _kind(layer: nn.Module) -> tuple[str, int]:
    """Name of a layer's class, and how many run in a row."""
    if isinstance(layer, nn.Sequential) and len(layer) and len({type(each) for each in layer}) == 1:
        return type(layer[0]).__name__, len(layer)
    inner = getattr(layer, "m", None)
    stacked = isinstance(inner, nn.Sequential) and len(inner) > 1
    return type(layer).__name__, len(inner) if stacked and isinstance(inner, nn.Sequential) else 1


class _Counter(TorchFunctionMode):
    """Counts what the functions of a layer compute and move."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0
        self.memory_access = 0

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.flops += _flops(function, args, result)
            if function in _MOVING or (function in _RESHAPING and not args[0].is_contiguous()):
                self.memory_access += result.numel() + sum(tensor.numel() for tensor in _tensors(args))
        return result


def _flops(function: Any, args: tuple[Any, ...], result: torch.Tensor) -> int:
    if function is functional.conv2d:
        return 2 * int(args[1].numel()) * result.shape[0] * result.shape[2] * result.shape[3]
    if function is functional.conv_transpose2d:
        return 2 * int(args[1].numel() * args[0].shape[0] * args[0].shape[2] * args[0].shape[3])
    if function is functional.linear:
        return 2 * result.numel() * int(args[1].shape[1])
    if function in _PRODUCTS:
        return 2 * result.numel() * int(args[0].shape[-1])
    return 0


def _tensors(args: Any) -> list[torch.Tensor]:
    """Tensors among arguments, one level of lists deep."""
    if isinstance(args, torch.Tensor):
        return [args]
    if not isinstance(args, (list, tuple)):
        return []
    return [tensor for each in args for tensor in _tensors(each)]


_PRODUCTS = frozenset({torch.matmul, torch.Tensor.matmul})
#: Functions that read their arguments and write a result. Others only rename, or run inside the one before.
_MOVING = _PRODUCTS | {
    functional.adaptive_avg_pool2d,
    functional.conv2d,
    functional.conv_transpose2d,
    functional.interpolate,
    functional.linear,
    functional.max_pool2d,
    functional.pixel_shuffle,
    torch.add,
    torch.cat,
    torch.mul,
    torch.softmax,
    torch.Tensor.add,
    torch.Tensor.mul,
}
#: Functions that copy what does not lie in one piece.
_RESHAPING = frozenset({torch.reshape, torch.Tensor.contiguous, torch.Tensor.reshape})
