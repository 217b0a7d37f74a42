"""Small networks around one block, and the proof that a checkpoint of one computes what the block does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from checkpoints import write_checkpoint
from torch import nn

from yolo_export.checkpoint import Checkpoint, read_checkpoint
from yolo_export.errors import CheckpointError
from yolo_export.models import Network
from yolo_export.targets import OnnxIntermediate
from yolo_export.untrained import untrained_checkpoint

IMAGE = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
#: Strides behind a block of stride 2 at stride 8.
SMALLER = [16, 32, 64]


def network_with(row: list[Any], folder: Path) -> Network:
    """A network of three heads that has the row at stride 8, with seeded numbers."""
    import yaml

    anchors = [[10, 13, 16, 30, 33, 23], [30, 61, 62, 45, 59, 119], [116, 90, 156, 198, 373, 326]]
    backbone = [[-1, 1, "Conv", [8, 3, 2]], [-1, 1, "Conv", [16, 3, 2]], [-1, 1, "Conv", [16, 3, 2]], row]
    head = [
        [-1, 1, "Conv", [16, 1]],
        [-1, 1, "Conv", [16, 3, 2]],
        [-1, 1, "Conv", [16, 3, 2]],
        [[4, 5, 6], 1, "Detect", ["nc", "anchors"]],
    ]
    path = folder / "net.yaml"
    path.write_text(yaml.safe_dump({"nc": 3, "anchors": anchors, "backbone": backbone, "head": head}))
    return untrained_checkpoint(str(path)).network.half().float()


def heads_of(network: nn.Module) -> list[torch.Tensor]:
    with torch.no_grad():
        return network(IMAGE)


def check(checkpoint: Checkpoint, expected: list[torch.Tensor]) -> set[str]:
    """The checkpoint's heads are those expected, in torch and in onnxruntime; returns the operators."""
    for mine, theirs in zip(heads_of(checkpoint.network), expected):
        assert torch.allclose(mine, theirs, rtol=0, atol=1e-5)
    model = OnnxIntermediate(checkpoint).model()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for mine, theirs in zip(session.run(None, {"images": IMAGE.numpy()}), expected):
        assert np.abs(mine - theirs.numpy()).max() <= 1e-4
    return {node.op_type for node in onnx.load_from_string(model).graph.node}


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


def without(name: str) -> Callable[[nn.Module], None]:
    """An edit that takes a part away."""
    return lambda module: delattr(module, name)


def having(name: str, value: Any) -> Callable[[nn.Module], None]:
    """An edit that sets a part or attribute."""
    return lambda module: setattr(module, name, value)


def check_record(
    module: nn.Module,
    kind: type[nn.Module],
    parameters: int,
    folder: Path,
    rename: dict[str, str],
    strides: list[int] | None = None,
) -> None:
    """A record of the module is read as a block of that kind, which computes what the module does."""
    network = network_around(module, folder)
    checkpoint = read_checkpoint(
        write_checkpoint(folder / "best.pt", network, strides=strides, rename=rename)
    )
    assert type(checkpoint.network.layers[3]) is kind
    assert checkpoint.family == "yolov5-lite"
    assert counted(checkpoint.network.layers[3]) == parameters == counted(module)
    kinds = check(checkpoint, heads_of(network))
    assert not kinds & {"Shape", "Gather", "If", "Loop", "BatchNormalization"}


def check_refused(module: nn.Module, folder: Path, rename: dict[str, str], message: str) -> None:
    """A record of the module is refused."""
    path = write_checkpoint(folder / "best.pt", network_around(module, folder), rename=rename)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(path)
