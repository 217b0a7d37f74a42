"""The probe's own rules make the same shapes as torch, and reading a checkpoint stays light."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import write_checkpoint, yolov5, yolov5_lite
from torch import nn
from torch.nn import functional

from yolo_export.checkpoint.probe import _RULES, head_shapes
from yolo_export.configs import config_names, load_config
from yolo_export.yaml_network import build_network


def shape_of(function: Any, *args: Any, **kwargs: Any) -> tuple[int, ...] | None:
    try:
        return tuple(function(*args, **kwargs).shape)
    except (ValueError, RuntimeError, IndexError):
        return None


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_max_pool(ceil_mode: bool) -> None:
    made = 0
    for side, kernel, stride, padding, dilation in itertools.product(
        range(3, 14), (1, 2, 3, 5), (1, 2, 3), (0, 1, 2), (1, 2)
    ):
        args = (torch.rand(1, 2, side, side + 1), kernel, stride, padding, dilation, ceil_mode)
        got, expected = shape_of(_RULES[functional.max_pool2d], *args), shape_of(functional.max_pool2d, *args)
        # A window larger than its map is refused here, and passes in torch with ceil_mode.
        if got is not None or not ceil_mode:
            assert got == expected, args[1:]
            made += got is not None
    assert made > 300


def test_conv() -> None:
    made = 0
    for side, kernel, stride, padding, dilation, groups in itertools.product(
        (1, 5, 8), (1, 3, 6), (1, 2), (0, 1, 2), (1, 2), (1, 2, 4)
    ):
        conv = nn.Conv2d(4, 8, (kernel, 1), stride, padding, dilation, groups)
        for channels in (4, 3):
            args = (torch.rand(1, channels, side, side + 3), conv.weight, conv.bias, *_numbers(conv))
            got, expected = shape_of(_RULES[functional.conv2d], *args), shape_of(functional.conv2d, *args)
            assert got == expected
            made += got is not None
    assert made > 100


def _numbers(conv: nn.Conv2d) -> tuple[Any, ...]:
    return conv.stride, conv.padding, conv.dilation, conv.groups


@pytest.mark.parametrize(
    ("function", "args"),
    [
        pytest.param(torch.add, (torch.rand(1, 4, 8, 8), torch.rand(1, 4, 8, 8)), id="same"),
        pytest.param(torch.mul, (torch.rand(1, 4, 8, 8), torch.rand(1, 4, 1, 1)), id="channel weights"),
        pytest.param(torch.mul, (torch.rand(4, 8), 2.0), id="number"),
        pytest.param(torch.add, (torch.rand(8), torch.rand(1, 4, 1, 8)), id="fewer dimensions"),
        pytest.param(torch.add, (torch.rand(1, 4, 8, 8), torch.rand(1, 4, 8, 7)), id="other sides"),
        pytest.param(torch.add, (torch.rand(0, 4), torch.rand(1, 4)), id="nothing"),
        pytest.param(torch.cat, ([torch.rand(1, 4, 8, 8), torch.rand(1, 2, 8, 8)], 1), id="joined"),
        pytest.param(torch.cat, ([torch.rand(1, 4, 8, 8), torch.rand(1, 2, 8, 7)], 1), id="joined badly"),
        pytest.param(torch.cat, ([torch.rand(1, 4), torch.rand(1, 4)], 5), id="joined nowhere"),
        pytest.param(functional.linear, (torch.rand(2, 3, 4), torch.rand(5, 4)), id="linear"),
        pytest.param(functional.linear, (torch.rand(2, 3), torch.rand(5, 4)), id="linear of others"),
        pytest.param(functional.adaptive_avg_pool2d, (torch.rand(1, 4, 8, 6), 1), id="to one"),
        pytest.param(functional.adaptive_avg_pool2d, (torch.rand(1, 4, 8, 6), (2, None)), id="to two rows"),
        pytest.param(functional.interpolate, (torch.rand(1, 4, 8, 6), None, 2.0), id="twice"),
        pytest.param(functional.interpolate, (torch.rand(1, 4, 5, 3), None, 1.5), id="one and a half"),
    ],
)
def test_other_rules(function: Any, args: Any) -> None:
    assert shape_of(_RULES[function], *args) == shape_of(function, *args)


@pytest.mark.parametrize("made", [yolov5, yolov5_lite])
def test_heads(made: Any) -> None:
    network = made()
    with torch.no_grad():
        expected = [tuple(head.shape) for head in network(torch.rand(1, 3, 256, 384))]
    assert head_shapes(network) == [(channels, 256 // rows) for _, channels, rows, _ in expected]


@pytest.mark.parametrize("name", config_names())
def test_every_shipped_network(name: str) -> None:
    built = build_network(load_config(name)[1])
    shapes = head_shapes(built.network)
    assert [stride for _, stride in shapes] == built.strides
    assert {channels for channels, _ in shapes} == {built.network.detect.na * (built.classes + 5)}


_READ = """
import sys
from yolo_export.checkpoint import read_checkpoint
for path in sys.argv[1:]:
    read_checkpoint(path)
heavy = {"torch._dynamo", "sympy", "torch.fx.experimental.symbolic_shapes"} & sys.modules.keys()
sys.exit(f"imported {sorted(heavy)}" if heavy else 0)
"""


def test_reading_does_not_import_the_compiler(tmp_path: Path) -> None:
    """2 s of processor time, which reading a checkpoint must not take."""
    paths = [
        write_checkpoint(tmp_path / "a.pt", yolov5()),
        write_checkpoint(tmp_path / "b.pt", yolov5_lite()),
    ]
    subprocess.run([sys.executable, "-c", _READ, *map(str, paths)], check=True, timeout=100)


@pytest.mark.shared
def test_reading_other_architectures_does_not_either(shared: Path) -> None:
    paths = sorted(map(str, (shared / "fixtures").glob("*.pt"))) + sorted(
        map(str, (shared / "models").glob("*.pt"))
    )
    assert len(paths) > 9
    subprocess.run([sys.executable, "-c", _READ, *paths], check=True, timeout=100)
