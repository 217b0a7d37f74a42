"""Rewrites of single blocks, each compared with the block it replaces."""

from __future__ import annotations

import copy
from typing import Callable

import pytest
import torch
from test_lower import count, randomize, uniform
from torch import nn

from yolo_export.lower.focus import merge_focus
from yolo_export.lower.pooling import PoolChain, chain_pooling
from yolo_export.lower.repvgg import reparameterize
from yolo_export.lower.squeeze_excite import ConvSqueezeExcite, unflatten_excite
from yolo_export.models import SPP, Conv, Focus, RepVGGBlock, SqueezeExcite


def rewritten(
    block: nn.Module, rewrite: Callable[[nn.Module], None], channels: int
) -> tuple[nn.Module, float]:
    """A block after a rewrite, and by how much it then differs from float64 arithmetic before."""
    network = nn.Sequential(randomize(block)).eval()
    x = uniform(-1, 1, 1, channels, 16, 24)
    with torch.no_grad():
        exact = copy.deepcopy(network).double()(x.double())
        rewrite(network)
        got = network(x)
    assert got.shape == exact.shape
    return network[0], float((got - exact).abs().max() / exact.abs().max().clamp(min=1))


@pytest.mark.parametrize(
    ("focus", "kernel", "stride", "padding"),
    [
        pytest.param(Focus(3, 8, 3), (6, 6), (2, 2), (2, 2), id="3x3"),
        pytest.param(Focus(3, 8, 1), (2, 2), (2, 2), (0, 0), id="1x1"),
        pytest.param(Focus(3, 8, 5, 2), (10, 10), (4, 4), (4, 4), id="5x5 stride 2"),
    ],
)
def test_focus_is_one_convolution(
    focus: Focus, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]
) -> None:
    block, error = rewritten(focus, merge_focus, 3)
    assert isinstance(block, Conv)
    assert (block.conv.kernel_size, block.conv.stride, block.conv.padding) == (kernel, stride, padding)
    assert error < 1e-6


def test_focus_with_groups_stays() -> None:
    block, _ = rewritten(Focus(2, 8, 3, g=2), merge_focus, 2)
    assert isinstance(block, Focus)


@pytest.mark.parametrize(
    ("kernels", "chain"),
    [
        pytest.param((5, 9, 13), [5, 5, 5], id="yolov5"),
        pytest.param((3, 5), [3, 3], id="small"),
        pytest.param((3, 9, 11), [3, 7, 3], id="uneven"),
    ],
)
def test_pooling_in_a_row_is_equal(kernels: tuple[int, ...], chain: list[int]) -> None:
    spp = SPP(8, 6, kernels).eval()
    network = nn.Sequential(copy.deepcopy(spp))
    chain_pooling(network)
    x = uniform(-1, 1, 1, 8, 16, 24)
    assert isinstance(network[0], PoolChain)
    assert [pool.kernel_size for pool in network[0].m] == chain
    with torch.no_grad():
        assert torch.equal(network(x), spp(x))


@pytest.mark.parametrize("kernels", [(9, 5), (4, 9), (5, 5)], ids=["shrinking", "even", "twice"])
def test_other_pooling_stays(kernels: tuple[int, ...]) -> None:
    network = nn.Sequential(SPP(8, 6, kernels))
    chain_pooling(network)
    assert isinstance(network[0], SPP)


def test_pooling_at_another_stride_stays() -> None:
    spp = SPP(8, 6)
    spp.m[1] = nn.MaxPool2d(9, 1, 3)
    network = nn.Sequential(spp)
    chain_pooling(network)
    assert isinstance(network[0], SPP)


@pytest.mark.parametrize(
    ("block", "channels"),
    [
        pytest.param(RepVGGBlock(8, 8), 8, id="three branches"),
        pytest.param(RepVGGBlock(8, 6, 3, 2), 8, id="stride 2"),
        pytest.param(RepVGGBlock(8, 8, 5), 8, id="5x5"),
    ],
)
def test_repvgg_is_one_convolution(block: RepVGGBlock, channels: int) -> None:
    made, error = rewritten(block, reparameterize, channels)
    assert count(made, nn.Conv2d) == 1
    assert count(made, nn.BatchNorm2d) == 0
    assert error < 1e-6


def test_repvgg_is_added_up_once() -> None:
    made, _ = rewritten(RepVGGBlock(8, 8), reparameterize, 8)
    again, error = rewritten(made, reparameterize, 8)
    assert again.rbr_reparam is made.rbr_reparam
    assert error < 1e-6


def test_repvgg_branch_that_does_not_fit_stays() -> None:
    block = RepVGGBlock(8, 8)
    block.rbr_1x1[0] = nn.Conv2d(8, 8, 2, padding=1, dilation=2, bias=False)
    network = nn.Sequential(block.eval())
    reparameterize(network)
    assert count(network, nn.Conv2d) == 2


def test_squeeze_excite_is_equal() -> None:
    made, error = rewritten(SqueezeExcite(8), unflatten_excite, 8)
    assert isinstance(made, ConvSqueezeExcite)
    assert count(made, nn.Linear) == 0
    assert error < 1e-6
