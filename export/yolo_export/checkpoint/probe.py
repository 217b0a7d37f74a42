"""What comes out of a network that has no memory yet: shapes only.

torch can run a network on its ``meta`` device. But there, convolution, batch norm and sums are Python code
that imports torch's compiler (2 s of processor time), so the common functions get a few lines of ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from yolo_export.checkpoint.records import clip
from yolo_export.errors import CheckpointError
from yolo_export.models import Network

__all__ = ["ShapesOnly", "head_shapes"]

#: Probe size (height, width) in px: different sides, multiples of every stride up to 128.
_PROBE_HW = (256, 384)
#: Largest feature map that the probe may meet, in elements per px of the probe image. Real networks stay
#: below 64.
_MAX_ELEMENTS_PER_PX = 1024
#: Most feature map elements in all layers together, in elements per px. Real networks stay below 5,000.
_MAX_TOTAL_PER_PX = 1 << 16


def head_shapes(network: Network) -> list[tuple[int, int]]:
    """Run a network that has no memory yet, and see what comes out.

    Args:
        network: On the ``meta`` device.

    Returns:
        Channels and stride in px of each head.

    Raises:
        CheckpointError: It cannot run, or a feature map is absurdly large.
    """
    height, width = _PROBE_HW
    try:
        with torch.no_grad(), ShapesOnly():
            heads = network(torch.empty(1, 3, height, width, device="meta"))
    except CheckpointError:
        raise
    except (
        RuntimeError,
        ValueError,
        TypeError,
        IndexError,
        AttributeError,
        KeyError,
        ArithmeticError,
        AssertionError,
    ) as error:
        raise CheckpointError(f"has a network that cannot run: {clip(str(error), 300)}") from error
    if not isinstance(heads, list) or not all(
        isinstance(head, torch.Tensor) and head.dim() == 4 for head in heads
    ):
        raise CheckpointError("has a network that cannot run: its heads are not feature maps")
    shapes = []
    for index, head in enumerate(heads):
        _, channels, rows, columns = head.shape
        stride = height // max(rows, 1)
        if rows == 0 or rows * stride != height or columns * stride != width:
            raise CheckpointError(
                f"has a head {index} of {columns}x{rows} cells for an image of {width}x{height}"
            )
        shapes.append((channels, stride))
    return shapes


class ShapesOnly(TorchFunctionMode):
    """Knows the shapes of what the common functions make, and limits the size of what any makes."""

    def __init__(self) -> None:
        super().__init__()
        self._total = 0

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = _RULES.get(function, function)(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self._count(result.numel())
        return result

    def _count(self, numbers: int) -> None:
        height, width = _PROBE_HW
        self._total += numbers
        if numbers > height * width * _MAX_ELEMENTS_PER_PX:
            raise CheckpointError(f"has a layer that makes {numbers} numbers of a {width}x{height} image")
        if self._total > height * width * _MAX_TOTAL_PER_PX:
            raise CheckpointError(f"has layers that make {self._total} numbers of a {width}x{height} image")


def _same(x: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    return x


def _joined(first: Any, second: Any, **_: Any) -> torch.Tensor:
    """A sum, product and the like."""
    shapes = [tuple(each.shape) for each in (first, second) if isinstance(each, torch.Tensor)]
    sides = []
    for pair in zip_longest(*(reversed(shape) for shape in shapes), fillvalue=1):
        longest = max(pair) if min(pair) else 0
        if any(side not in (1, longest) for side in pair):
            raise ValueError(f"maps of {' and '.join(map(str, shapes))} are joined")
        sides.append(longest)
    return torch.empty(sides[::-1], device="meta")


def _max_pool(
    x: torch.Tensor,
    kernel: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> torch.Tensor:
    size, step, pad, spread = (
        (each, each) if isinstance(each, int) else each
        for each in (kernel, kernel if stride is None else stride, padding, dilation)
    )
    if x.dim() != 4 or any(2 * pad[axis] > size[axis] for axis in range(2)):
        raise ValueError(f"a pooling of {tuple(size)} px with padding {tuple(pad)} gets {tuple(x.shape)}")
    sides = []
    for axis, side in enumerate(x.shape[2:]):
        room = side + 2 * pad[axis] - spread[axis] * (size[axis] - 1) - 1
        count = room // step[axis] + 1
        if ceil_mode and room % step[axis] and count * step[axis] < side + pad[axis]:
            count += 1  # A last window that is cut off, if it starts inside the map.
        if room < 0:
            raise ValueError(f"a pooling of {tuple(size)} px gets a map of {tuple(x.shape[2:])}")
        sides.append(count)
    return torch.empty((*x.shape[:2], *sides), device="meta")


def _interpolate(
    x: torch.Tensor, size: Any = None, scale_factor: Any = None, *_: Any, **__: Any
) -> torch.Tensor:
    if x.dim() != 4 or size is not None or not isinstance(scale_factor, (int, float)):
        raise ValueError(f"an upsampling by {scale_factor} to {size} gets {tuple(x.shape)}")
    sides = [math.floor(side * scale_factor) for side in x.shape[2:]]
    return torch.empty((*x.shape[:2], *sides), device="meta")


def _cat(maps: Any, dim: int = 0) -> torch.Tensor:
    shapes = [tuple(each.shape) for each in maps]
    rest = {(*shape[:dim], *shape[dim + 1 :]) for shape in shapes}
    if not 0 <= dim < len(shapes[0]) or len(rest) != 1:
        raise ValueError(f"maps of {' and '.join(map(str, shapes[:9]))} are joined along dimension {dim}")
    sides = list(shapes[0])
    sides[dim] = sum(shape[dim] for shape in shapes)
    return torch.empty(sides, device="meta")


def _linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    if x.dim() == 0 or x.shape[-1] != weight.shape[1]:
        raise ValueError(f"a linear layer of {weight.shape[1]} inputs gets {tuple(x.shape)}")
    return torch.empty((*x.shape[:-1], weight.shape[0]), device="meta")


def _adaptive_pool(x: torch.Tensor, output_size: Any) -> torch.Tensor:
    size = (output_size, output_size) if isinstance(output_size, int) else output_size
    sides = [side if wanted is None else wanted for side, wanted in zip(x.shape[-2:], size)]
    return torch.empty((*x.shape[:-2], *sides), device="meta")


def _batch_norm(x: torch.Tensor, mean: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    if x.dim() != 4 or x.shape[1] != len(mean):
        raise ValueError(f"a batch norm of {len(mean)} channels gets {tuple(x.shape)}")
    return x


def _conv2d(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
) -> torch.Tensor:
    made, per_group, *kernel = weight.shape
    if x.dim() != 4 or x.shape[1] != per_group * groups:
        raise ValueError(f"a convolution of {per_group * groups} channels gets {tuple(x.shape)}")
    sides = [
        (side + 2 * pad - spread * (size - 1) - 1) // step + 1
        for side, size, step, pad, spread in zip(x.shape[2:], kernel, stride, padding, dilation)
    ]
    if min(sides) < 1:
        raise ValueError(f"a convolution of {tuple(kernel)} px gets a map of {tuple(x.shape[2:])}")
    return torch.empty((x.shape[0], made, *sides), device="meta")


_RULES: dict[Any, Callable[..., Any]] = {
    functional.conv2d: _conv2d,
    functional.batch_norm: _batch_norm,
    functional.adaptive_avg_pool2d: _adaptive_pool,
    functional.interpolate: _interpolate,
    functional.linear: _linear,
    functional.max_pool2d: _max_pool,
    torch.cat: _cat,
    **dict.fromkeys(
        (
            functional.gelu,
            functional.hardsigmoid,
            functional.hardswish,
            functional.hardtanh,
            functional.leaky_relu,
            functional.mish,
            functional.relu,
            functional.relu6,
            functional.silu,
            torch.relu,
            torch.sigmoid,
            torch.Tensor.sigmoid,
        ),
        _same,
    ),
    **dict.fromkeys(
        (
            torch.add,
            torch.mul,
            torch.Tensor.add,
            torch.Tensor.div,
            torch.Tensor.mul,
            torch.Tensor.sub,
            torch.Tensor.__truediv__,
            torch.Tensor.__rmul__,
        ),
        _joined,
    ),
}
