from __future__ import annotations

import copy

import pytest
import torch
from checkpoints import yolov5, yolov5_lite
from torch import nn

from yolo_export.lower import lower
from yolo_export.lower.batch_norm import fold_batch_norm, folded
from yolo_export.lower.channel_shuffle import OpenChannelShuffle, open_channel_shuffle
from yolo_export.models import BottleneckCSP, ChannelShuffle, Conv, DepthwiseSeparable, Network, ShuffleBlock

GENERATOR = torch.Generator().manual_seed(0)


def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=GENERATOR) * (high - low) + low


def randomize(module: nn.Module) -> nn.Module:
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean = uniform(-2, 2, part.num_features)
            part.running_var = uniform(0.1, 5, part.num_features)
            if part.affine:
                part.weight.data = uniform(-2, 2, part.num_features)
                part.bias.data = uniform(-2, 2, part.num_features)
    return module.eval()


def count(module: nn.Module, kind: type) -> int:
    return sum(isinstance(part, kind) for part in module.modules())


@pytest.mark.parametrize(
    ("conv", "norm"),
    [
        pytest.param(nn.Conv2d(6, 4, 3, bias=False), nn.BatchNorm2d(4, eps=1e-3), id="no bias"),
        pytest.param(nn.Conv2d(6, 4, 3, bias=True), nn.BatchNorm2d(4), id="bias"),
        pytest.param(nn.Conv2d(6, 6, 3, 2, 1, groups=6), nn.BatchNorm2d(6), id="depth wise"),
        pytest.param(nn.Conv2d(6, 4, (1, 3), dilation=2), nn.BatchNorm2d(4), id="dilated"),
        pytest.param(
            nn.Conv2d(6, 4, 1, padding=1), nn.BatchNorm2d(4, affine=False), id="norm without weights"
        ),
    ],
)
def test_folded_convolution_is_equal(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    pair = randomize(nn.Sequential(conv, norm))
    x = uniform(-1, 1, 1, 6, 9, 11)
    with torch.no_grad():
        exact = copy.deepcopy(pair).double()(x.double())
        got = folded(conv, norm)(x)
    assert (got - exact).abs().max() < 1e-5


def test_folding_rounds_once() -> None:
    """The weights are those of float64 arithmetic, rounded to float32."""
    conv, norm = randomize(nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)))
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    made = folded(conv, norm)
    assert torch.equal(made.weight, (conv.weight.double() * scale.view(-1, 1, 1, 1)).float())
    bias = (conv.bias.double() - norm.running_mean.double()) * scale + norm.bias.double()
    assert torch.allclose(made.bias.double(), bias, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize(
    ("block", "left"),
    [
        pytest.param(Conv(8, 8, 3), 0, id="conv"),
        pytest.param(DepthwiseSeparable(8, 6, 3, 1), 0, id="depth wise separable"),
        pytest.param(ShuffleBlock(8, 8, 1), 0, id="shuffle block"),
        pytest.param(ShuffleBlock(8, 16, 2), 0, id="shuffle block stride 2"),
        pytest.param(BottleneckCSP(8, 8, 1), 0, id="norm after joining"),
        pytest.param(
            nn.Sequential(nn.BatchNorm2d(8), nn.Conv2d(8, 8, 1)), 1, id="norm before convolution stays"
        ),
        pytest.param(
            nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU(), nn.BatchNorm2d(8)), 1, id="norm after relu stays"
        ),
        pytest.param(
            nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8), nn.BatchNorm2d(8)), 1, id="second norm stays"
        ),
    ],
)
def test_folding_keeps_what_a_block_computes(block: nn.Module, left: int) -> None:
    randomize(block)
    x = uniform(-1, 1, 1, 8, 10, 12)
    with torch.no_grad():
        exact = copy.deepcopy(block).double()(x.double())
        fold_batch_norm(block)
        got = block(x)
    assert count(block, nn.BatchNorm2d) == left
    assert (got - exact).abs().max() < 1e-5 * max(1.0, float(exact.abs().max()))


@pytest.mark.parametrize("groups", [2, 3, 4])
def test_open_shuffle_is_equal(groups: int) -> None:
    x = uniform(0, 1, 1, 12, 5, 7)
    assert torch.equal(OpenChannelShuffle(groups)(x), ChannelShuffle(groups)(x))


def test_shuffles_are_replaced_everywhere() -> None:
    network = yolov5_lite()
    open_channel_shuffle(network)
    assert (count(network, ChannelShuffle), count(network, OpenChannelShuffle)) == (0, 5)


@pytest.mark.parametrize("make", [yolov5, yolov5_lite], ids=["yolov5", "yolov5 lite"])
def test_lowered_network_is_equal_and_the_input_unchanged(make: type[Network]) -> None:
    network = make()
    before = copy.deepcopy(network.state_dict())
    image = uniform(0, 1, 1, 3, 96, 64)

    lowered = lower(network, "onnx")

    assert count(lowered, nn.BatchNorm2d) == 0
    with torch.no_grad():
        for got, expected in zip(lowered(image), network(image)):
            assert (got - expected).abs().max() < 1e-5
    assert count(network, nn.BatchNorm2d) > 0
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_unknown_form() -> None:
    with pytest.raises(ValueError) as caught:
        lower(yolov5(), "caffe")
    assert str(caught.value) == "unknown form 'caffe'; known forms: onnx"
