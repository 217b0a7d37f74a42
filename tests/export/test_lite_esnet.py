"""ESNet in YOLOv5-Lite: records as its training writes them, against the block of the paper.

The classes here stand for those of the training repository. What they have in common with them is what a
record holds: the names of their parts and attributes. Their forward is written from the papers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch
from block_networks import (
    SMALLER,
    check,
    check_record,
    check_refused,
    having,
    heads_of,
    network_around,
    without,
)
from checkpoints import write_checkpoint
from torch import nn

from yolo_export.checkpoint import read_checkpoint
from yolo_export.models import (
    ESBlock,
    GhostConv,
)
from yolo_export.targets import OnnxIntermediate


class ESSEModule(nn.Module):
    """PP-PicoDet: squeeze-and-excite with a hard sigmoid, relu6(x + 3) / 6."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.conv1 = nn.Conv2d(channels, channels // 4, 1)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(channels // 4, channels, 1)
        self.hardsigmoid = nn.Hardsigmoid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights = self.conv2(self.conv1(x.mean((2, 3), keepdim=True)).clamp(min=0))
        return x * ((weights + 3).clamp(0, 6) / 6)


class ESBottleneck(nn.Module):
    """PP-PicoDet, figure 3: two forms of a unit that differ in their stride."""

    def __init__(self, c1: int, c2: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        half = c2 // 2

        def depthwise(channels: int, step: int) -> list[nn.Module]:
            conv = nn.Conv2d(channels, channels, 3, step, 1, groups=channels, bias=False)
            return [conv, nn.BatchNorm2d(channels)]

        def pointwise(inputs: int, outputs: int) -> list[nn.Module]:
            return [nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.Hardswish()]

        if stride == 2:
            self.branch1 = nn.Sequential(*depthwise(c1, 2), *pointwise(c1, half))
        inputs = c1 if stride == 2 else half
        self.branch2 = nn.Sequential(
            *pointwise(inputs, half), *depthwise(half, stride), ESSEModule(half), *pointwise(half, half)
        )
        self.branch3 = nn.Sequential(GhostConv(half, half, 3, 1), ESSEModule(half), *pointwise(half, half))
        self.branch4 = nn.Sequential(*depthwise(c2, 1), *pointwise(c2, c2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.stride == 2:
            return self.branch4(torch.cat((self.branch1(x), self.branch2(x)), 1))
        half = x.shape[1] // 2
        computed = self.branch3(x[:, half:])
        # Shuffled: one channel of each half in turn.
        return torch.stack((x[:, :half], computed), 2).flatten(1, 2)


PATHS = {
    f"{__name__}.{name}": path
    for name, path in {
        "ESSEModule": "models.common.ES_SEModule",
        "ESBottleneck": "models.common.ES_Bottleneck",
    }.items()
}


def es_formula(c1: int, c2: int, stride: int) -> int:
    """Of the branches that are run and those that are only saved."""
    half = c2 // 2
    excite = 2 * half * (half // 4) + half + half // 4

    def depthwise(channels: int) -> int:
        return 9 * channels + 2 * channels

    def pointwise(inputs: int, outputs: int) -> int:
        return inputs * outputs + 2 * outputs

    first = depthwise(c1) + pointwise(c1, half) if stride == 2 else 0
    inputs = c1 if stride == 2 else half
    second = pointwise(inputs, half) + depthwise(half) + excite + pointwise(half, half)
    ghost = 9 * half * (half // 2) + half + 25 * (half // 2) + half
    third = ghost + excite + pointwise(half, half)
    return first + second + third + depthwise(c2) + pointwise(c2, c2)


@pytest.mark.parametrize(
    ("module", "kind", "strides", "parameters"),
    [
        pytest.param(ESBottleneck(16, 16, 1), ESBlock, None, es_formula(16, 16, 1), id="es stride 1"),
        pytest.param(ESBottleneck(16, 16, 2), ESBlock, SMALLER, es_formula(16, 16, 2), id="es stride 2"),
    ],
)
def test_a_record_computes_what_the_paper_says(
    tmp_path: Path, module: nn.Module, kind: type[nn.Module], strides: list[int] | None, parameters: int
) -> None:
    check_record(module, kind, parameters, tmp_path, PATHS, strides)


@pytest.mark.parametrize(
    ("module", "edit", "message"),
    [
        pytest.param(
            ESBottleneck(16, 16, 1), without("branch3"), "lacks branch3 at stride 1", id="branch of stride 1"
        ),
        pytest.param(
            ESBottleneck(16, 16, 2), without("branch4"), "lacks branch4 at stride 2", id="branch of stride 2"
        ),
        pytest.param(ESBottleneck(16, 16, 1), having("stride", 3), "has stride = 3", id="stride 3"),
        pytest.param(
            ESBottleneck(16, 16, 1),
            having("branch5", nn.Conv2d(8, 8, 1)),
            "unknown here: 'branch5'",
            id="fifth",
        ),
    ],
)
def test_a_record_of_another_structure_is_refused(
    tmp_path: Path, module: nn.Module, edit: Callable[[nn.Module], None], message: str
) -> None:
    edit(module)
    check_refused(module, tmp_path, PATHS, message)


@pytest.mark.parametrize(("stride", "unused"), [(1, ("branch2", "branch4")), (2, ("branch3",))])
def test_branches_of_the_other_stride(tmp_path: Path, stride: int, unused: tuple[str, ...]) -> None:
    """They may be left out, and are not exported."""
    strides = [8 * stride, 16 * stride, 32 * stride]
    network = network_around(ESBottleneck(16, 16, stride), tmp_path)
    whole = read_checkpoint(write_checkpoint(tmp_path / "whole.pt", network, strides=strides, rename=PATHS))
    for name in unused:
        delattr(network.layers[3], name)
    less = read_checkpoint(write_checkpoint(tmp_path / "less.pt", network, strides=strides, rename=PATHS))
    assert less.parameters < whole.parameters
    check(less, heads_of(network))
    exported = [onnx.load_from_string(OnnxIntermediate(each).model()) for each in (whole, less)]
    sizes = [sorted(len(tensor.raw_data) for tensor in model.graph.initializer) for model in exported]
    assert sizes[0] == sizes[1]
