"""Networks whose description contradicts itself, or that would cost far more than their file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest
import torch
from checkpoints import write_checkpoint, yolov5
from torch import nn

from yolo_export.checkpoint import read_checkpoint
from yolo_export.errors import CheckpointError


def _share(model: Any) -> None:
    model.model[2].cv2 = model.model[2].cv1


def _share_activation(model: Any) -> None:
    for module in model.modules():
        if hasattr(module, "act"):
            module.act = model.model[0].act


def _nest(model: Any) -> None:
    for _ in range(40):
        model.model[0].act = nn.Sequential(model.model[0].act)


def _contain_itself(model: Any) -> None:
    loop = nn.Sequential(nn.Identity())
    loop._modules["0"] = loop
    model.model[0].act = loop


def _blow_up(model: Any) -> None:
    model.model[7] = nn.Sequential(*(nn.Upsample(scale_factor=8.0) for _ in range(6)))
    model.model[7].i, model.model[7].f = 7, -1


def _lose_a_part(model: Any) -> None:
    del model.model[2].cv3


def _lose_a_tensor(model: Any) -> None:
    del model.model[0].bn.running_mean


def _lie_about_channels(model: Any) -> None:
    model.model[0].conv.out_channels = 9


def _lie_about_joining(model: Any) -> None:
    model.model[8].f = [-1, 3]


def _mode(model: Any) -> None:
    model.model[7].mode = "bilinear"


def _odd_stride(model: Any) -> None:
    model.model[5].conv.stride = (3, 3)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        pytest.param(
            _share, "uses one module in several places: layer 2 (models.common.C3).cv2", id="one block twice"
        ),
        pytest.param(_nest, "nests modules more than 24 deep", id="deep nesting"),
        pytest.param(_contain_itself, "uses one module in several places: layer 0", id="a module in itself"),
        pytest.param(_blow_up, "has a layer that makes ", id="huge feature map"),
        pytest.param(
            _lose_a_part,
            "has a block that cannot be rebuilt: layer 2 (models.common.C3) lacks cv3",
            id="part",
        ),
        pytest.param(_lose_a_tensor, "lacks the tensor running_mean of layer 0", id="tensor"),
        pytest.param(
            _lie_about_channels,
            "has a tensor weight of size (8, 3, 6, 6) at layer 0 (models.common.Conv).conv "
            "(torch.nn.modules.conv.Conv2d), where its attributes ask for (9, 3, 6, 6)",
            id="channels",
        ),
        pytest.param(_lie_about_joining, "has a network that cannot run: ", id="shapes that do not join"),
        pytest.param(_mode, "has mode = 'bilinear'; expected 'nearest'", id="unsupported mode"),
        pytest.param(_odd_stride, "has a network that cannot run: ", id="stride that does not divide"),
    ],
)
def test_refused(tmp_path: Path, edit: Callable[[Any], None], message: str) -> None:
    path = write_checkpoint(tmp_path / "best.pt", yolov5(), edit=edit)
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)
    assert message in str(caught.value)


def test_blocks_may_share_an_activation(tmp_path: Path) -> None:
    """YOLOv5 v7.0 has one activation object for all convolutions."""
    network = yolov5()
    path = write_checkpoint(tmp_path / "best.pt", network, edit=_share_activation)
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for got, expected in zip(read_checkpoint(path).network(image), network(image)):
            assert torch.equal(got, expected)
