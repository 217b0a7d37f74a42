"""YOLOv5-Lite's further blocks: records as its training writes them, against the block of the paper.

The classes here stand for those of the training repository. What they have in common with them is what a
record holds: the names of their parts and attributes. Their forward is written from the papers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from block_networks import check, heads_of, network_with
from checkpoints import write_checkpoint
from torch import nn

from yolo_export.checkpoint import read_checkpoint
from yolo_export.errors import CheckpointError, ConfigError
from yolo_export.models import (
    C3,
    C3Sum,
    Conv,
    ConvMaxPool,
    Detect,
    EfficientStem,
    ESBlock,
    GhostConv,
    HardSwish,
    InvertedResidual,
    MBConv,
    Network,
    Sum,
)
from yolo_export.targets import OnnxIntermediate


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


class PlainSum(nn.Module):
    """The sum of ``n`` maps."""

    def __init__(self, n: int, weight: bool = False) -> None:
        super().__init__()
        self.weight = weight
        self.iter = range(n - 1)
        if weight:
            self.w = nn.Parameter(torch.zeros(n - 1))

    def forward(self, xs: list[torch.Tensor]) -> torch.Tensor:
        return torch.stack(xs).sum(0)


class LC3(nn.Module):
    """A C3 whose halves are added."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        made = C3(channels, channels, 2, e=hidden / channels)
        self.cv1, self.cv2, self.m = made.cv1, made.cv2, made.m
        self.cv3 = Conv(hidden, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.cv3(torch.stack((self.m(self.cv1(x)), self.cv2(x))).sum(0))


PATHS = {
    f"{Stem.__module__}.{name}": path
    for name, path in {
        "Stem": "models.common.stem",
        "SeBlock": "models.common.SeBlock",
        "DropConnect": "models.common.drop_connect",
        "MBConvBlock": "models.common.MBConvBlock",
        "ESSEModule": "models.common.ES_SEModule",
        "ESBottleneck": "models.common.ES_Bottleneck",
        "PlainSum": "models.experimental.Sum",
        "LC3": "models.common.LC3",
    }.items()
}


def with_numbers(module: nn.Module) -> nn.Module:
    """Seeded numbers that a file in half precision can hold, batch norm's statistics too."""
    generator = torch.Generator().manual_seed(1)
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5 if tensor.dim() == 1 else tensor)
            if tensor.dim() > 1:
                tensor.copy_(torch.randn(tensor.shape, generator=generator) / tensor[0].numel() ** 0.5)
    return module.half().float().eval()


def network_around(module: nn.Module, folder: Path, layer: int = 3) -> Network:
    network = network_with([-1, 1, "Conv", [16, 3]], folder)
    network.layers[layer] = with_numbers(module)
    return network


def counted(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def mbconv_formula(c1: int, c2: int, k: int, expand: int, has_se: bool) -> int:
    """1x1, kxk depth-wise and 1x1 weights, two numbers a channel of each norm, two 1x1 layers with bias."""
    hidden = c1 * expand
    widen = c1 * hidden + 2 * hidden if expand > 1 else 0
    excite = 2 * hidden * (hidden // 4) + hidden + hidden // 4 if has_se else 0
    return widen + k * k * hidden + 2 * hidden + excite + hidden * c2 + 2 * c2


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


SMALLER = [16, 32, 64]


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
        pytest.param(ESBottleneck(16, 16, 1), ESBlock, None, es_formula(16, 16, 1), id="es stride 1"),
        pytest.param(ESBottleneck(16, 16, 2), ESBlock, SMALLER, es_formula(16, 16, 2), id="es stride 2"),
        pytest.param(
            LC3(16, 8), C3Sum, None, 2 * (128 + 16) + 2 * (64 + 16 + 9 * 64 + 16) + 128 + 32, id="added c3"
        ),
    ],
)
def test_a_record_computes_what_the_paper_says(
    tmp_path: Path, module: nn.Module, kind: type[nn.Module], strides: list[int] | None, parameters: int
) -> None:
    network = network_around(module, tmp_path)
    path = write_checkpoint(tmp_path / "best.pt", network, strides=strides, rename=PATHS)
    checkpoint = read_checkpoint(path)
    assert type(checkpoint.network.layers[3]) is kind
    assert checkpoint.family == "yolov5-lite"
    assert counted(checkpoint.network.layers[3]) == parameters == counted(module)
    kinds = check(checkpoint, heads_of(network))
    assert not kinds & {"Shape", "Gather", "If", "Loop", "BatchNormalization"}


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


def network_with_sum(module: nn.Module, sources: list[int]) -> Network:
    layers: list[tuple[nn.Module, Any]] = [(Conv(3, 8, 3, 8), -1), (Conv(8, 8), -1), (Conv(8, 8, 3), -1)]
    heads = [(Conv(8, 8, 3, 2), -1), (Conv(8, 8, 3, 2), -1), (Detect(3, 3, (8, 8, 8)), [3, 4, 5])]
    network = Network([*layers, (module, sources), *heads])
    return with_numbers(network)


@pytest.mark.parametrize("sources", [[0, 1], [0, 1, 2]], ids=["two maps", "three maps"])
def test_sum(tmp_path: Path, sources: list[int]) -> None:
    network = network_with_sum(PlainSum(len(sources)), sources)
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "best.pt", network, rename=PATHS))
    assert type(checkpoint.network.layers[3]) is Sum
    check(checkpoint, heads_of(network))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        pytest.param(PlainSum(2, True), "weighs the maps it adds; only a plain sum", id="weighted"),
        pytest.param(PlainSum(3), "cannot run: a sum of 3 maps gets 2", id="too few"),
        pytest.param(PlainSum(1), "cannot run: a sum of 1 maps gets 2", id="too many"),
    ],
)
def test_refused_sums(tmp_path: Path, module: nn.Module, message: str) -> None:
    network = network_with_sum(module, [0, 1])
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(write_checkpoint(tmp_path / "best.pt", network, rename=PATHS))


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        pytest.param(None, "has iter = None; expected a range of up to 65536 steps", id="none"),
        pytest.param(3, "has iter = 3; expected a range", id="number"),
        pytest.param(range(1 << 40), "has iter = range; expected a range of up to 65536 steps", id="long"),
        pytest.param(range(1 << 62), "a range of something that is not three integers", id="huge"),
    ],
)
def test_sums_of_damaged_length(tmp_path: Path, steps: Any, message: str) -> None:
    module = PlainSum(2)
    module.iter = steps
    network = network_with_sum(module, [0, 1])
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(write_checkpoint(tmp_path / "best.pt", network, rename=PATHS))


def _delete(name: str) -> Callable[[nn.Module], None]:
    return lambda module: delattr(module, name)


def _set(name: str, value: Any) -> Callable[[nn.Module], None]:
    return lambda module: setattr(module, name, value)


@pytest.mark.parametrize(
    ("module", "edit", "message"),
    [
        pytest.param(MBConvBlock(16, 16, 3, 1, 6), _delete("_bn1"), "lacks _bn1", id="no norm"),
        pytest.param(
            MBConvBlock(16, 16, 3, 1, 6), _delete("_bn0"), "lacks _bn0, but expand_ratio = 6", id="first norm"
        ),
        pytest.param(
            MBConvBlock(16, 16, 3, 1, 6),
            _set("expand_ratio", 1),
            "has _expand_conv, but expand_ratio = 1",
            id="convolution that is not run",
        ),
        pytest.param(
            MBConvBlock(16, 16, 3, 1, 6), _set("has_se", True), "lacks se, but .* has_se = True", id="no se"
        ),
        pytest.param(
            MBConvBlock(16, 16, 3, 1, 6), _set("has_se", 1), "has has_se = 1; expected True or False", id="1"
        ),
        pytest.param(
            MBConvBlock(16, 16, 3, 1, 6),
            _set("_se_reduce", nn.Conv2d(96, 4, 1)),
            "has parts that are unknown here: '_se_reduce'",
            id="other excite",
        ),
        pytest.param(
            ESBottleneck(16, 16, 1), _delete("branch3"), "lacks branch3 at stride 1", id="branch of stride 1"
        ),
        pytest.param(
            ESBottleneck(16, 16, 2), _delete("branch4"), "lacks branch4 at stride 2", id="branch of stride 2"
        ),
        pytest.param(ESBottleneck(16, 16, 1), _set("stride", 3), "has stride = 3", id="stride 3"),
        pytest.param(
            ESBottleneck(16, 16, 1),
            _set("branch5", nn.Conv2d(8, 8, 1)),
            "unknown here: 'branch5'",
            id="fifth",
        ),
    ],
)
def test_a_record_of_another_structure_is_refused(
    tmp_path: Path, module: nn.Module, edit: Callable[[nn.Module], None], message: str
) -> None:
    edit(module)
    network = network_around(module, tmp_path)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(write_checkpoint(tmp_path / "best.pt", network, rename=PATHS))


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


@pytest.mark.parametrize(
    ("module", "path"),
    [
        pytest.param(
            InvertedResidual(16, 16, 40, 5, 1, True, True), "models.common.mobilev3_bneck", id="bneck"
        ),
        pytest.param(
            InvertedResidual(16, 16, 40, 5, 1, True, True), "models.common.InvertedResidual", id="residual"
        ),
        pytest.param(HardSwish(), "models.common.Hswish", id="hswish"),
    ],
)
def test_other_names_of_mobilenet_blocks(tmp_path: Path, module: nn.Module, path: str) -> None:
    network = network_around(module, tmp_path)
    own = {InvertedResidual: "models.common.mobilev3_bneck", HardSwish: "models.common.h_swish"}[type(module)]
    made = write_checkpoint(tmp_path / "best.pt", network, rename={own: path})
    assert path.rpartition(".")[2].encode() in made.read_bytes()
    check(read_checkpoint(made), heads_of(network))


@pytest.mark.parametrize("name", ["CBRM", "Conv_maxpool"])
def test_other_names_of_the_pooled_stem(tmp_path: Path, name: str) -> None:
    network = network_around(ConvMaxPool(3, 8), tmp_path, layer=0)
    rename = {"models.common.conv_bn_relu_maxpool": f"models.common.{name}"}
    made = write_checkpoint(tmp_path / "best.pt", network, strides=SMALLER, rename=rename)
    assert name.encode() in made.read_bytes()
    check(read_checkpoint(made), heads_of(network))


@pytest.mark.parametrize("name", ["SEBlock", "C3_GC", "ContextBlock2d"])
def test_a_block_whose_forward_the_record_does_not_tell_stays_unknown(tmp_path: Path, name: str) -> None:
    network = network_with([-1, 1, "C3", [16]], tmp_path)
    path = write_checkpoint(
        tmp_path / "best.pt", network, rename={"models.common.C3": f"models.common.{name}"}
    )
    with pytest.raises(CheckpointError, match=f"holds the unknown block models.common.{name}; known blocks"):
        read_checkpoint(path)


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
