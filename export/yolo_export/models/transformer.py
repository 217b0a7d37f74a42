"""Self-attention in place of bottlenecks (Dosovitskiy et al. 2020, without layer norm)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from yolo_export.models.conv import Conv
from yolo_export.models.csp import C3
from yolo_export.models.registry import Attribute, Block, Fields, block

__all__ = ["C3TR", "Attention", "TransformerBlock", "TransformerLayer"]


@block(
    "torch.nn.modules.activation.MultiheadAttention",
    children=("out_proj",),
    attributes={"embed_dim": Attribute(int, low=1), "num_heads": Attribute(int, low=1, high=1024)},
)
class Attention(Block):
    """Multi-head attention over the pixels of a feature map.

    Holds the numbers of ``nn.MultiheadAttention`` under the same names. The pixels that ask keep their rows
    and columns throughout, so that an exported graph never computes a shape; only those that are asked are
    put into one row.

    Args:
        channels: Input and output channels, a multiple of ``heads``.
        heads: Number of heads.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.embed_dim = channels
        self.num_heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * channels, channels))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * channels))
        self.out_proj = nn.Linear(channels, channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Give its own tensors the random numbers that training starts from, as torch does."""
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.in_proj_bias)

    @classmethod
    def assembled(cls, children: Mapping[str, nn.Module], fields: Fields) -> Attention:
        """See `Block.assembled`."""
        made = super().assembled(children, fields)
        channels = made.embed_dim
        if channels % made.num_heads:
            raise ValueError(f"has {channels} channels for {made.num_heads} heads")
        made.in_proj_weight = nn.Parameter(torch.empty(3 * channels, channels, device="meta"))
        made.in_proj_bias = nn.Parameter(torch.empty(3 * channels, device="meta"))
        return made

    def forward(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """Map three (N, C, H, W) to (N, C, H, W); an image attends to its own pixels only."""
        # In training one image at a time, so that one form computes everything. What is exported sees one
        # image, and a trace would warn of the question.
        tracing = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]  # torch has no types for it
        if not tracing and query.shape[0] > 1:
            images = zip(*(torch.split(each, 1) for each in (query, key, value)))
            return torch.cat([self.forward(*image) for image in images])
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        query, key, value = (
            project(x, weight, bias) for x, weight, bias in zip((query, key, value), weights, biases)
        )
        size = self.embed_dim // self.num_heads
        asking = split_heads(query, self.num_heads).permute(0, 2, 3, 1) * size**-0.5
        asked = key.reshape(self.num_heads, 1, size, -1)
        answers = value.reshape(self.num_heads, 1, size, -1).transpose(2, 3)
        mixed = torch.matmul(torch.softmax(torch.matmul(asking, asked), dim=-1), answers)
        return pointwise(self.out_proj, join_heads(mixed.permute(0, 3, 1, 2)))


@block("models.common.TransformerLayer", children=("q", "k", "v", "ma", "fc1", "fc2"))
class TransformerLayer(Block):
    """Attention and two linear layers, each with a shortcut.

    Args:
        c: Channels.
        num_heads: Heads of the attention.
    """

    def __init__(self, c: int, num_heads: int) -> None:
        super().__init__()
        self.q = nn.Linear(c, c, bias=False)
        self.k = nn.Linear(c, c, bias=False)
        self.v = nn.Linear(c, c, bias=False)
        self.ma = Attention(c, num_heads)
        self.fc1 = nn.Linear(c, c, bias=False)
        self.fc2 = nn.Linear(c, c, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) to the same shape."""
        x = self.ma(pointwise(self.q, x), pointwise(self.k, x), pointwise(self.v, x)) + x
        return pointwise(self.fc2, pointwise(self.fc1, x)) + x


@block("models.common.TransformerBlock", children=("linear", "tr"), optional={"conv": nn.Identity})
class TransformerBlock(Block):
    """`TransformerLayer` in a row, after a learned position embedding.

    Args:
        c1: Input channels.
        c2: Output channels.
        num_heads: Heads of the attention.
        num_layers: Number of layers.
    """

    def __init__(self, c1: int, c2: int, num_heads: int, num_layers: int) -> None:
        super().__init__()
        self.conv: nn.Module = Conv(c1, c2) if c1 != c2 else nn.Identity()
        self.linear = nn.Linear(c2, c2)
        self.tr = nn.Sequential(*(TransformerLayer(c2, num_heads) for _ in range(num_layers)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, c1, H, W) to (N, c2, H, W)."""
        x = self.conv(x)
        y: torch.Tensor = self.tr(x + pointwise(self.linear, x))
        return y


@block("models.common.C3TR", children=("cv1", "cv2", "cv3", "m"))
class C3TR(C3):
    """`C3` with a `TransformerBlock` of four heads in place of the bottlenecks."""

    def __init__(
        self, c1: int, c2: int, n: int = 1, shortcut: bool = True, g: int = 1, e: float = 0.5
    ) -> None:
        super().__init__(c1, c2, 0, shortcut, g, e)
        hidden = int(c2 * e)
        self.m: nn.Module = TransformerBlock(hidden, hidden, 4, n)


def pointwise(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """A linear layer over the channels of every pixel of (N, C, H, W)."""
    if not isinstance(layer, nn.Linear):
        raise TypeError(f"expected a linear layer, got {type(layer).__name__}")
    return project(x, layer.weight, layer.bias)


def project(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """A (c2, c1) matrix over the channels of every pixel of (N, c1, H, W)."""
    return nn.functional.conv2d(x, weight[:, :, None, None], bias, (1, 1), (0, 0), (1, 1), 1)


def split_heads(x: torch.Tensor, heads: int) -> torch.Tensor:
    """Map (1, C, H, W) to (heads, C/heads, H, W)."""
    return _KeepHeightAndWidth.apply(x, heads)  # type: ignore[no-any-return, no-untyped-call]


def join_heads(x: torch.Tensor) -> torch.Tensor:
    """Map (heads, C/heads, H, W) to (1, C, H, W)."""
    return _KeepHeightAndWidth.apply(x, 1)  # type: ignore[no-any-return, no-untyped-call]


class _KeepHeightAndWidth(torch.autograd.Function):
    """Reshapes to (first, -1, H, W), in ONNX without computing a shape."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor, first: int) -> torch.Tensor:
        context.first = x.shape[0]
        return x.reshape(first, -1, x.shape[2], x.shape[3])

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        gradient = gradients[0]
        return gradient.reshape(context.first, -1, gradient.shape[2], gradient.shape[3]), None

    @staticmethod
    def symbolic(graph: Any, x: Any, first: int) -> Any:
        shape = graph.op("Constant", value_t=torch.tensor([first, -1, 0, 0]))
        return graph.op("Reshape", x, shape)
