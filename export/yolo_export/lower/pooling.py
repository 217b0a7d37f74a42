"""Parallel max pooling as poolings in a row."""

from __future__ import annotations

import torch
from torch import nn

from yolo_export.models import SPP

__all__ = ["PoolChain", "chain_pooling"]


class PoolChain(nn.Module):
    """`SPP` with smaller kernels: the same numbers for less work.

    The maximum over a window of k px, taken of the maxima over windows of j px, is that over k + j - 1 px, at
    the border of the image, too. So each pooling starts from the one before: 5, 9 and 13 px become 5, 5 and
    5.

    Args:
        block: Its poolings have odd, growing kernels and keep the size.
    """

    def __init__(self, block: SPP) -> None:
        super().__init__()
        self.cv1, self.cv2 = block.cv1, block.cv2
        sizes = [_square_kernel(pool) for pool in block.m]
        steps = [size - before + 1 for before, size in zip([1, *sizes], sizes)]
        self.m = nn.ModuleList(nn.MaxPool2d(step, 1, step // 2) for step in steps)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c1, H, W) to (N, c2, H, W)."""
        levels = [self.cv1(x)]
        for pool in self.m:
            levels.append(pool(levels[-1]))
        return self.cv2(torch.cat(levels, 1))  # type: ignore[no-any-return]


def chain_pooling(network: nn.Module) -> None:
    """Replace every `SPP` by a `PoolChain`, in place, where its kernels allow it; others stay."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, SPP) and _can_chain(child):
                setattr(module, name, PoolChain(child).eval())


def _can_chain(block: SPP) -> bool:
    sizes = [_square_kernel(pool) for pool in block.m]
    return all(size % 2 for size in sizes) and sizes == sorted(set(sizes))


def _square_kernel(pool: nn.Module) -> int:
    """Kernel size of a square max pooling that keeps the size; 0 for any other."""
    if not isinstance(pool, nn.MaxPool2d):
        return 0
    kernel, stride, padding, dilation = (
        set(value) if isinstance(value, (tuple, list)) else {value}
        for value in (pool.kernel_size, pool.stride, pool.padding, pool.dilation)
    )
    size = max(kernel)
    keeps = stride == {1} and padding == {size // 2} and dilation == {1} and not pool.ceil_mode
    return size if keeps and len(kernel) == 1 else 0
