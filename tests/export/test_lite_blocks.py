"""Further blocks of YOLOv5-Lite: records as its training writes them, against the block of the paper.

The classes here stand for those of the training repository. What they have in common with them is what a
record holds: the names of their parts and attributes. Their forward is written from the papers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from block_networks import (
    SMALLER,
    check,
    check_record,
    counted,
    heads_of,
    network_around,
    network_with,
    with_numbers,
)
from checkpoints import write_checkpoint
from torch import nn

from yolo_export.checkpoint import read_checkpoint
from yolo_export.errors import CheckpointError
from yolo_export.models import (
    C3,
    C3Sum,
    Conv,
    ConvMaxPool,
    Detect,
    HardSwish,
    InvertedResidual,
    Network,
    Sum,
)


class PlainSum(nn.Module):
    """The sum of ``n`` maps; weighted, of the first and of each other one times 2 sigmoid(w)."""

    def __init__(self, n: int, weight: bool = False) -> None:
        super().__init__()
        self.weight = weight
        self.iter = range(n - 1)
        if weight:
            self.w = nn.Parameter(-torch.arange(1.0, n) / 2)

    def forward(self, xs: list[torch.Tensor]) -> torch.Tensor:
        if not self.weight:
            return torch.stack(xs).sum(0)
        return xs[0] + sum(2 / (1 + torch.exp(-w)) * x for w, x in zip(self.w, xs[1:]))


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
    f"{__name__}.{name}": path
    for name, path in {
        "PlainSum": "models.experimental.Sum",
        "LC3": "models.common.LC3",
    }.items()
}


@pytest.mark.parametrize(
    ("module", "kind", "strides", "parameters"),
    [
        pytest.param(
            LC3(16, 8), C3Sum, None, 2 * (128 + 16) + 2 * (64 + 16 + 9 * 64 + 16) + 128 + 32, id="added c3"
        ),
    ],
)
def test_a_record_computes_what_the_paper_says(
    tmp_path: Path, module: nn.Module, kind: type[nn.Module], strides: list[int] | None, parameters: int
) -> None:
    check_record(module, kind, parameters, tmp_path, PATHS, strides)


def network_with_sum(module: nn.Module, sources: list[int]) -> Network:
    layers: list[tuple[nn.Module, Any]] = [(Conv(3, 8, 3, 8), -1), (Conv(8, 8), -1), (Conv(8, 8, 3), -1)]
    heads = [(Conv(8, 8, 3, 2), -1), (Conv(8, 8, 3, 2), -1), (Detect(3, 3, (8, 8, 8)), [3, 4, 5])]
    network = Network([*layers, (module, sources), *heads])
    return with_numbers(network)


@pytest.mark.parametrize("weight", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("sources", [[0, 1], [0, 1, 2]], ids=["two maps", "three maps"])
def test_sum(tmp_path: Path, sources: list[int], weight: bool) -> None:
    network = network_with_sum(PlainSum(len(sources), weight), sources)
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "best.pt", network, rename=PATHS))
    assert type(checkpoint.network.layers[3]) is Sum
    assert counted(checkpoint.network.layers[3]) == weight * (len(sources) - 1)
    kinds = check(checkpoint, heads_of(network))
    assert not kinds & {"Gather", "Shape"}


def weights_of_another_length() -> nn.Module:
    module = PlainSum(2, True)
    module.w = nn.Parameter(torch.zeros(3))
    return module


@pytest.mark.parametrize(
    ("module", "message"),
    [
        pytest.param(weights_of_another_length(), r"has a tensor w of size \(3,\)", id="other weights"),
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
        pytest.param(3, "a sum of 4 maps gets 2", id="of other maps"),
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


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param("SEBlock", "pools a square of the map's width", id="RepVGG's squeeze-and-excite"),
        pytest.param("C3_GC", "where it runs its context block", id="C3 with context"),
        pytest.param("ContextBlock2d", "where it runs its context block", id="context"),
        pytest.param("CBAM", "the order of its two pooled maps", id="CBAM"),
        pytest.param("CoordAtt", "known blocks: models.common", id="any other"),
    ],
)
def test_a_block_whose_forward_the_record_does_not_tell_stays_unknown(
    tmp_path: Path, name: str, reason: str
) -> None:
    network = network_with([-1, 1, "C3", [16]], tmp_path)
    path = write_checkpoint(
        tmp_path / "best.pt", network, rename={"models.common.C3": f"models.common.{name}"}
    )
    with pytest.raises(CheckpointError, match=f"holds the unknown block models.common.{name}[:;] .*{reason}"):
        read_checkpoint(path)
