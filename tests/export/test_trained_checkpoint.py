"""Checkpoints of yolo-train: every network survives as plain data, and computes the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import yolov5
from torch import nn
from trained_content import trained_content

from yolo_export.checkpoint import Checkpoint, read_checkpoint
from yolo_export.checkpoint.trained import FORMAT, FORMAT_VERSION
from yolo_export.models import Conv, Detect, Fields, Network, Sum, describe_network
from yolo_export.untrained import untrained_checkpoint


def written(checkpoint: Checkpoint, path: Path) -> Checkpoint:
    """The same after it has been written as yolo-train does and read again."""
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "network": describe_network(checkpoint.network),
        "weights": {
            "model." + name[len("layers.") :]: tensor
            for name, tensor in checkpoint.network.state_dict().items()
        },
        "names": list(checkpoint.names),
        "strides": list(checkpoint.strides),
        "anchors_px": [[list(pair) for pair in head] for head in checkpoint.anchors_px],
    }
    torch.save(content, path)
    assert torch.load(path, weights_only=True).keys() == content.keys()
    return read_checkpoint(path)


def assert_same(old: Checkpoint, new: Checkpoint) -> None:
    facts = ("names", "strides", "anchors_px", "family", "parameters")
    assert [getattr(new, fact) for fact in facts] == [getattr(old, fact) for fact in facts]
    image = torch.rand(1, 3, 128, 192, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for a, b in zip(old.network(image), new.network(image)):
            assert torch.equal(a, b)


@pytest.mark.parametrize(
    "name", ["v5lite-c", "v5lite-g", "yolov5n6", "yolov5s-transformer", "yolov5s-v1.0", "yolov5n-ghost"]
)
def test_shipped_networks(name: str, tmp_path: Path) -> None:
    checkpoint = untrained_checkpoint(name)
    assert_same(checkpoint, written(checkpoint, tmp_path / "best.pt"))


@pytest.mark.shared
@pytest.mark.parametrize(
    "name",
    [
        "models/v5lite-e.pt",
        "models/yolov5n.pt",
        "fixtures/yolov5-mobilenetv3s.pt",
        "fixtures/yolov5-v3.1-s.pt",
        "fixtures/yolov5lite-g.pt",
    ],
)
def test_networks_of_checkpoints(shared: Path, name: str, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(shared / name)
    assert_same(checkpoint, written(checkpoint, tmp_path / "best.pt"))


def test_a_weighted_sum(tmp_path: Path) -> None:
    joined = Sum.assembled({}, Fields({"weight": True, "iter": range(1)}))
    joined.w = nn.Parameter(torch.tensor([0.7]))
    layers: list[tuple[nn.Module, Any]] = [
        (Conv(3, 8, 3, 2), -1),
        (Conv(8, 8, 3, 1), -1),
        (joined, [-1, 0]),
        (Detect(1, 1, [8]), [2]),
    ]
    checkpoint = Checkpoint(
        path=tmp_path / "x.pt",
        sha256="",
        network=Network(layers).eval(),
        names=["a"],
        strides=[2],
        anchors_px=[[(4.0, 4.0)]],
        family="yolov5",
        parameters=sum(each.numel() for layer, _ in layers for each in layer.parameters()),
    )
    assert_same(checkpoint, written(checkpoint, tmp_path / "best.pt"))


def test_what_no_checkpoint_can_hold() -> None:
    network = yolov5()
    network.layers[0].act = nn.Tanh()
    with pytest.raises(ValueError, match="a Tanh cannot be described"):
        describe_network(network)


def test_facts(tmp_path: Path) -> None:
    torch.save(trained_content(), tmp_path / "best.pt")
    checkpoint = read_checkpoint(tmp_path / "best.pt")
    assert checkpoint.training == {"epoch": 7, "imgsz": 320}
    assert checkpoint.size_hw == (320, 320)
    assert checkpoint.notes == []


def test_as_a_state_dict_of_the_original(tmp_path: Path) -> None:
    """The names of the tensors are those of YOLOv5, so that they load there and with --cfg here."""
    checkpoint = untrained_checkpoint("yolov5n")
    written(checkpoint, tmp_path / "best.pt")
    content = torch.load(tmp_path / "best.pt", weights_only=True)
    torch.save({"model": content["weights"]}, tmp_path / "weights.pt")
    again = read_checkpoint(tmp_path / "weights.pt", cfg="yolov5n")
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for a, b in zip(checkpoint.network(image), again.network(image)):
            assert torch.equal(a, b)
