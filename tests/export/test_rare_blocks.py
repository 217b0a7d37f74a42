"""Blocks that no published checkpoint of the tests holds: from YAML to a checkpoint, back, and into ONNX."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from block_networks import check, heads_of, network_with
from checkpoints import write_checkpoint
from torch import nn

from yolo_export.checkpoint import read_checkpoint
from yolo_export.errors import CheckpointError
from yolo_export.models import Attention, Conv, CrossConv, FunnelReLU, MixConv


@pytest.mark.parametrize(
    "row",
    [
        pytest.param([-1, 2, "Bottleneck", [16]], id="bottlenecks in a row"),
        pytest.param([-1, 2, "C3TR", [16]], id="attention"),
        pytest.param([-1, 1, "C3SPP", [16]], id="c3 with pooling"),
        pytest.param([-1, 2, "C3x", [16]], id="c3 of crosses"),
        pytest.param([-1, 1, "CrossConv", [16, 3, 1, 1, 1.0, True]], id="cross"),
        pytest.param([-1, 1, "MixConv2d", [16, [1, 3, 5]]], id="mixed"),
        pytest.param([-1, 1, "Contract", [2]], id="contract"),
        pytest.param([-1, 1, "Expand", [2]], id="expand"),
        pytest.param([-1, 1, "nn.ConvTranspose2d", [16, 2, 2]], id="transposed"),
        pytest.param([-1, 1, "GhostBottleneck", [16, 3, 2]], id="ghost bottleneck stride 2"),
        pytest.param([-1, 1, "DWConv", [32, 3]], id="depth wise"),
        pytest.param([-1, 1, "nn.BatchNorm2d", []], id="batch norm alone"),
    ],
)
def test_from_yaml_to_a_checkpoint_and_back(tmp_path: Path, row: list[Any]) -> None:
    network = network_with(row, tmp_path)
    strides = {"Contract": [16, 32, 64], "Expand": [4, 8, 16], "nn.ConvTranspose2d": [4, 8, 16]}
    strides["GhostBottleneck"] = [16, 32, 64]
    path = write_checkpoint(tmp_path / "best.pt", network, strides=strides.get(row[2], [8, 16, 32]))
    kinds = check(read_checkpoint(path), heads_of(network))
    assert not kinds & {"Shape", "Gather", "If", "Loop", "Unsqueeze"}
    if row[2] != "nn.BatchNorm2d":
        assert "BatchNormalization" not in kinds


class OriginalAttention(nn.MultiheadAttention):
    """torch's own module between maps instead of sequences, as the training repository calls it."""

    def forward(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        size = query.shape[2:]
        rows = [x.flatten(2).permute(2, 0, 1) for x in (query, key, value)]
        mixed, _ = super().forward(*rows)
        return mixed.permute(1, 2, 0).unflatten(2, size)


def test_attention_is_that_of_torch(tmp_path: Path) -> None:
    """A checkpoint holds torch's module; its numbers and the layout of heads are read right."""
    network = network_with([-1, 1, "C3TR", [16]], tmp_path)
    original = copy.deepcopy(network)
    for module in list(original.modules()):
        for name, child in module.named_children():
            if isinstance(child, Attention):
                made = OriginalAttention(child.embed_dim, child.num_heads).eval()
                made.load_state_dict(child.state_dict())
                setattr(module, name, made)
    path = write_checkpoint(
        tmp_path / "best.pt",
        original,
        rename={
            f"{OriginalAttention.__module__}.OriginalAttention": (
                "torch.nn.modules.activation.MultiheadAttention"
            )
        },
    )
    assert not any(isinstance(module, Attention) for module in original.modules())
    check(read_checkpoint(path), heads_of(original))


@pytest.mark.filterwarnings("error::torch.jit.TracerWarning", "ignore::DeprecationWarning")
def test_tracing_attention_warns_of_nothing() -> None:
    attention = Attention(8, 2).eval()
    image = torch.rand(1, 8, 3, 4)
    traced = torch.jit.trace(attention, (image, image, image))
    assert torch.equal(traced(image, image, image), attention(image, image, image))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        pytest.param(lambda ma: setattr(ma, "num_heads", 3), "has 8 channels for 3 heads", id="heads"),
        pytest.param(lambda ma: setattr(ma, "num_heads", 0), "has num_heads = 0", id="no heads"),
        pytest.param(
            lambda ma: setattr(ma, "in_proj_weight", nn.Parameter(torch.rand(8, 8))),
            r"a tensor in_proj_weight of size \(8, 8\)",
            id="size",
        ),
        pytest.param(
            lambda ma: setattr(ma, "in_proj_bias", None), "lacks the tensor in_proj_bias", id="no bias"
        ),
    ],
)
def test_damaged_attention(tmp_path: Path, edit: Callable[[Attention], None], message: str) -> None:
    network = network_with([-1, 1, "C3TR", [16]], tmp_path)
    edit(next(module for module in network.modules() if isinstance(module, Attention)))
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(write_checkpoint(tmp_path / "best.pt", network))


@pytest.mark.parametrize(
    ("path", "module"),
    [
        pytest.param("utils.activations.Hardswish", nn.Hardswish(), id="hardswish"),
        pytest.param("utils.activations.Swish", nn.SiLU(), id="swish"),
        pytest.param("utils.activations.MemoryEfficientSwish", nn.SiLU(), id="efficient swish"),
        pytest.param("utils.activations.Mish", nn.Mish(), id="mish"),
        pytest.param("utils.activations.MemoryEfficientMish", nn.Mish(), id="efficient mish"),
        pytest.param("utils.activations.FReLU", FunnelReLU(16), id="funnel relu"),
    ],
)
def test_activations_of_the_training_repository(tmp_path: Path, path: str, module: nn.Module) -> None:
    network = network_with([-1, 1, "Conv", [16, 3]], tmp_path)
    block = network.layers[3]
    assert isinstance(block, Conv)
    block.act = module.eval()
    own = f"{type(module).__module__}.{type(module).__qualname__}"
    rename = {} if isinstance(module, FunnelReLU) else {own: path}
    made = write_checkpoint(tmp_path / "best.pt", network.half().float(), rename=rename)
    check(read_checkpoint(made), heads_of(network))


def test_batch_norm_of_several_devices(tmp_path: Path) -> None:
    network = network_with([-1, 1, "Conv", [16, 3]], tmp_path)
    rename = {"torch.nn.modules.batchnorm.BatchNorm2d": "torch.nn.modules.batchnorm.SyncBatchNorm"}
    path = write_checkpoint(tmp_path / "best.pt", network, rename=rename)
    check(read_checkpoint(path), heads_of(network))


def test_mixed_convolutions_of_older_releases_add_the_input(tmp_path: Path) -> None:
    network = network_with([-1, 1, "MixConv2d", [16]], tmp_path)
    block = network.layers[3]
    assert isinstance(block, MixConv)
    block.act = nn.LeakyReLU(0.1)
    x = torch.rand(1, 16, 8, 8)
    with torch.no_grad():
        own = block.act(block.bn(torch.cat([conv(x) for conv in block.m], 1)))
        assert torch.equal(block(x), x + own)
    path = write_checkpoint(tmp_path / "best.pt", network)
    check(read_checkpoint(path), heads_of(network))


@pytest.mark.parametrize(("channels", "kernels"), [(16, (1, 3)), (10, (1, 3, 5)), (7, (3, 5))])
def test_shares_of_mixed_convolutions(channels: int, kernels: tuple[int, ...]) -> None:
    equal = [conv.out_channels for conv in MixConv(8, channels, kernels).m]
    assert sum(equal) == channels and max(equal) - min(equal) <= 1
    by_weight = [conv.out_channels for conv in MixConv(8, channels * 8, kernels, 1, False).m]
    assert sum(by_weight) == channels * 8 and by_weight == sorted(by_weight, reverse=True)


def test_a_part_with_numbers_that_is_not_known_is_refused(tmp_path: Path) -> None:
    """Leaving it out would give a network that computes something else."""
    network = network_with([-1, 1, "CrossConv", [16]], tmp_path)
    block = network.layers[3]
    assert isinstance(block, CrossConv)
    block.gate = nn.Identity()
    assert read_checkpoint(write_checkpoint(tmp_path / "fine.pt", network)).parameters
    block.gate = nn.Conv2d(16, 16, 1)
    with pytest.raises(CheckpointError, match=r"CrossConv\) has parts that are unknown here: 'gate'"):
        read_checkpoint(write_checkpoint(tmp_path / "bad.pt", network))
