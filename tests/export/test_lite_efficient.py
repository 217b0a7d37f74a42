"""EfficientNet-Lite in YOLOv5-Lite: records as its training writes them, against the block of the paper.

The classes here stand for those of the training repository. What they have in common with them is what a
record holds: the names of their parts and attributes. Their forward is written from the papers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from block_networks import (
    SMALLER,
    check,
    check_record,
    check_refused,
    counted,
    having,
    heads_of,
    network_around,
    network_with,
    with_numbers,
    without,
)
from checkpoints import write_checkpoint
from torch import nn

from yolo_export.checkpoint import read_checkpoint
from yolo_export.errors import ConfigError
from yolo_export.models import (
    Conv,
    EfficientStem,
    MBConv,
)


class Stem(nn.Module):
    """EfficientNet-Lite: 3x3 convolution at stride 2, batch norm, ReLU6."""

    def __init__(self, c1: int, c2: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c1, c2, 3, 2, 1, bias=False)
        self.bn = nn.BatchNorm2d(c2)
        self.act = nn.ReLU6()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.bn(self.conv(x)).clamp(0, 6)


class SeBlock(nn.Module):
    """Hu et al. 2018: x * sigmoid(W2 relu(W1 mean(x)))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.Squeeze = nn.AdaptiveAvgPool2d(1)
        self.Excitation = nn.Sequential()
        self.Excitation.add_module("FC1", nn.Conv2d(channels, channels // 4, 1))
        self.Excitation.add_module("ReLU", nn.ReLU())
        self.Excitation.add_module("FC2", nn.Conv2d(channels // 4, channels, 1))
        self.Excitation.add_module("Sigmoid", nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second = self.Excitation[0], self.Excitation[2]
        return x * torch.sigmoid(second(first(x.mean((2, 3), keepdim=True)).clamp(min=0)))


class DropConnect:
    """Stochastic depth, which is no module."""

    def __init__(self, rate: float) -> None:
        self.drop_connect_rate = rate


class MBConvBlock(nn.Module):
    """Tan and Le 2019: widen, depth-wise, excite, narrow; ReLU6 after the first two, none after the last."""

    def __init__(self, c1: int, c2: int, k: int, s: int, expand_ratio: int, has_se: bool = False) -> None:
        super().__init__()
        self.input_filters, self.output_filters, self.stride = c1, c2, s
        self.expand_ratio, self.has_se, self.id_skip = expand_ratio, has_se, True
        hidden = c1 * expand_ratio
        if expand_ratio != 1:
            self._expand_conv = nn.Conv2d(c1, hidden, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(hidden)
        self._depthwise_conv = nn.Conv2d(hidden, hidden, k, s, k // 2, groups=hidden, bias=False)
        self._bn1 = nn.BatchNorm2d(hidden)
        if has_se:
            self.se = SeBlock(hidden)
        self._project_conv = nn.Conv2d(hidden, c2, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(c2)
        self._relu = nn.ReLU6()
        self.drop_connect = DropConnect(0.2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x
        if self.expand_ratio > 1:
            y = self._bn0(self._expand_conv(y)).clamp(0, 6)
        y = self._bn1(self._depthwise_conv(y)).clamp(0, 6)
        if self.has_se:
            y = self.se(y)
        y = self._bn2(self._project_conv(y))
        return y + x if y.shape == x.shape and self.stride == 1 else y


PATHS = {
    f"{__name__}.{name}": path
    for name, path in {
        "Stem": "models.common.stem",
        "SeBlock": "models.common.SeBlock",
        "DropConnect": "models.common.drop_connect",
        "MBConvBlock": "models.common.MBConvBlock",
    }.items()
}


def mbconv_formula(c1: int, c2: int, k: int, expand: int, has_se: bool) -> int:
    """1x1, kxk depth-wise and 1x1 weights, two numbers a channel of each norm, two 1x1 layers with bias."""
    hidden = c1 * expand
    widen = c1 * hidden + 2 * hidden if expand > 1 else 0
    excite = 2 * hidden * (hidden // 4) + hidden + hidden // 4 if has_se else 0
    return widen + k * k * hidden + 2 * hidden + excite + hidden * c2 + 2 * c2


@pytest.mark.parametrize(
    ("module", "kind", "strides", "parameters"),
    [
        pytest.param(
            MBConvBlock(16, 16, 3, 1, 6), MBConv, None, mbconv_formula(16, 16, 3, 6, False), id="mbconv"
        ),
        pytest.param(
            MBConvBlock(16, 16, 5, 2, 6), MBConv, SMALLER, mbconv_formula(16, 16, 5, 6, False), id="stride 2"
        ),
        pytest.param(
            MBConvBlock(16, 16, 3, 1, 1), MBConv, None, mbconv_formula(16, 16, 3, 1, False), id="not widened"
        ),
        pytest.param(
            MBConvBlock(16, 16, 3, 1, 4, True), MBConv, None, mbconv_formula(16, 16, 3, 4, True), id="excited"
        ),
    ],
)
def test_a_record_computes_what_the_paper_says(
    tmp_path: Path, module: nn.Module, kind: type[nn.Module], strides: list[int] | None, parameters: int
) -> None:
    check_record(module, kind, parameters, tmp_path, PATHS, strides)


def test_no_shortcut_where_the_channels_differ(tmp_path: Path) -> None:
    network = network_around(MBConvBlock(16, 24, 3, 1, 2), tmp_path)
    network.layers[4] = with_numbers(Conv(24, 16, 1))
    path = write_checkpoint(tmp_path / "best.pt", network, rename=PATHS)
    check(read_checkpoint(path), heads_of(network))


def test_stem(tmp_path: Path) -> None:
    network = network_around(Stem(3, 8), tmp_path, layer=0)
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "best.pt", network, rename=PATHS))
    assert type(checkpoint.network.layers[0]) is EfficientStem
    assert counted(checkpoint.network.layers[0]) == 27 * 8 + 2 * 8
    check(checkpoint, heads_of(network))


@pytest.mark.parametrize(
    ("module", "edit", "message"),
    [
        pytest.param(MBConvBlock(16, 16, 3, 1, 6), without("_bn1"), "lacks _bn1", id="no norm"),
        pytest.param(
            MBConvBlock(16, 16, 3, 1, 6), without("_bn0"), "lacks _bn0, but expand_ratio = 6", id="first norm"
        ),
        pytest.param(
            MBConvBlock(16, 16, 3, 1, 6),
            having("expand_ratio", 1),
            "has _expand_conv, but expand_ratio = 1",
            id="convolution that is not run",
        ),
        pytest.param(
            MBConvBlock(16, 16, 3, 1, 6), having("has_se", True), "lacks se, but .* has_se = True", id="no se"
        ),
        pytest.param(
            MBConvBlock(16, 16, 3, 1, 6),
            having("has_se", 1),
            "has has_se = 1; expected True or False",
            id="1",
        ),
        pytest.param(
            MBConvBlock(16, 16, 3, 1, 6),
            having("_se_reduce", nn.Conv2d(96, 4, 1)),
            "has parts that are unknown here: '_se_reduce'",
            id="other excite",
        ),
    ],
)
def test_a_record_of_another_structure_is_refused(
    tmp_path: Path, module: nn.Module, edit: Callable[[nn.Module], None], message: str
) -> None:
    edit(module)
    check_refused(module, tmp_path, PATHS, message)


@pytest.mark.parametrize(
    ("row", "parameters"),
    [
        pytest.param(
            [-1, 1, "MBConvBlock", [16, 3, 1, 6, 0]], mbconv_formula(16, 16, 3, 6, False), id="widened"
        ),
        pytest.param(
            [-1, 2, "MBConvBlock", [16, 5, 1, 1]], 2 * mbconv_formula(16, 16, 5, 1, False), id="two in a row"
        ),
    ],
)
def test_from_yaml(tmp_path: Path, row: list[Any], parameters: int) -> None:
    network = network_with(row, tmp_path)
    assert counted(network.layers[3]) == parameters
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "best.pt", network))
    check(checkpoint, heads_of(network))


def test_stem_from_yaml(tmp_path: Path) -> None:
    network = network_with([-1, 1, "stem", [16]], tmp_path)
    assert counted(network.layers[3]) == 9 * 16 * 16 + 2 * 16
    check(
        read_checkpoint(write_checkpoint(tmp_path / "best.pt", network, strides=SMALLER)), heads_of(network)
    )


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        pytest.param("MBConvBlock", [16, 3, 1], "missing a required argument: 'expand_ratio'", id="no ratio"),
        pytest.param(
            "MBConvBlock", [16, 3, 1, 6, 0, 1], "asks for squeeze-and-excite, whose width", id="excite"
        ),
        pytest.param(
            "MBConvBlock",
            [16, 3, 1, 0.5],
            "has expand_ratio 0.5; allowed: integers from 1",
            id="half a channel",
        ),
        pytest.param("stem", [16, "ReLU"], "has activation 'ReLU'; the only one is", id="other stem"),
    ],
)
def test_rows_that_do_not_describe_a_block(tmp_path: Path, name: str, args: list[Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        network_with([-1, 1, name, args], tmp_path)
