from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import ANCHORS_PX, STRIDES, write_checkpoint, yolov5, yolov5_lite
from torch import nn

from yolo_export.checkpoint import read_checkpoint
from yolo_export.errors import CheckpointError
from yolo_export.models import Detect, Network

IMAGE = torch.rand(1, 3, 96, 64, generator=torch.Generator().manual_seed(1))


def heads(network: Network) -> list[torch.Tensor]:
    with torch.no_grad():
        return network(IMAGE)


@pytest.fixture(scope="module", params=[yolov5, yolov5_lite], ids=["yolov5", "yolov5 lite"])
def network(request: pytest.FixtureRequest) -> Network:
    return request.param()


def test_control_characters_in_names_become_escapes(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "best.pt", yolov5_lite(), names=("cat\x1b[2J", "d\u00f6g", "b\n"))
    checkpoint = read_checkpoint(path)
    assert checkpoint.names == ["cat\\x1b[2J", "d\u00f6g", "b\\n"]
    assert any("control characters" in note for note in checkpoint.notes)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="model in half precision"),
        pytest.param({"half": False}, id="full precision"),
        pytest.param({"key": "ema"}, id="average instead of model"),
        pytest.param({"key": None}, id="bare model"),
        pytest.param({"anchor_grid": False}, id="anchors in cells only"),
        pytest.param({"names": {1: "dog", 0: "cat", 2: "bird"}}, id="names as a dict"),
        pytest.param({"outer": {"optimizer": {"state": {0: {"step": 7}}}}}, id="with optimizer"),
    ],
)
def test_round_trip(tmp_path: Path, network: Network, options: dict[str, Any]) -> None:
    path = write_checkpoint(tmp_path / "best.pt", network, **options)

    checkpoint = read_checkpoint(path)

    for got, expected in zip(heads(checkpoint.network), heads(network)):
        assert torch.equal(got, expected)
    assert checkpoint.names == ["cat", "dog", "bird"]
    assert checkpoint.strides == STRIDES
    assert np.allclose(checkpoint.anchors_px, ANCHORS_PX)
    assert checkpoint.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert checkpoint.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert checkpoint.path == path
    assert checkpoint.notes == []
    assert not any(module.training for module in checkpoint.network.modules())
    assert {parameter.dtype for parameter in checkpoint.network.parameters()} == {torch.float32}


def test_family_is_told_from_the_blocks(tmp_path: Path) -> None:
    assert read_checkpoint(write_checkpoint(tmp_path / "a.pt", yolov5())).family == "yolov5"
    assert read_checkpoint(write_checkpoint(tmp_path / "b.pt", yolov5_lite())).family == "yolov5-lite"


def test_average_is_preferred_to_the_model(tmp_path: Path) -> None:
    average = yolov5()
    path = write_checkpoint(tmp_path / "best.pt", average, key="ema", outer={"model": nn.Sequential()})
    assert torch.equal(heads(read_checkpoint(path).network)[0], heads(average)[0])


def test_average_with_its_number_of_updates(tmp_path: Path) -> None:
    path = tmp_path / "best.pt"
    network = yolov5()

    def keep(model: nn.Module) -> None:
        kept.append(model)

    kept: list[nn.Module] = []
    write_checkpoint(path, network, edit=keep)
    write_checkpoint(path, network, outer={"ema": (kept[0], 100)})
    assert torch.equal(heads(read_checkpoint(path).network)[0], heads(network)[0])


def test_training_facts_are_plain(tmp_path: Path) -> None:
    outer = {"date": "2021-10-12", "best_fitness": np.float64(0.5), "wandb_id": None}
    path = write_checkpoint(tmp_path / "best.pt", yolov5(), outer=outer)
    assert read_checkpoint(path).training == {"epoch": -1, "date": "2021-10-12", "best_fitness": 0.5}


def test_missing_names_are_noted(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "best.pt", yolov5(), names=None))
    assert checkpoint.names == ["class0", "class1", "class2"]
    assert checkpoint.notes == ["the checkpoint has no class names; they are called class0 to class2"]


def test_not_a_number_is_noted(tmp_path: Path) -> None:
    def spoil(model: Any) -> None:
        model.model[1].bn.running_var[0] = float("inf")

    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "best.pt", yolov5(), edit=spoil))
    place = "layer 1 (models.common.Conv).bn (torch.nn.modules.batchnorm.BatchNorm2d).running_var"
    assert checkpoint.notes == [f"1 tensors hold NaN or infinity, the first is {place}"]


def forget(*paths: str) -> Any:
    """An edit that removes attributes which old releases did not write yet."""

    def edit(model: Any) -> None:
        for module in model.modules():
            for path in paths:
                module.__dict__.pop(path, None)

    return edit


def test_attributes_of_newer_releases_are_filled_in(tmp_path: Path) -> None:
    network = yolov5()
    edit = forget("recompute_scale_factor", "_non_persistent_buffers_set", "padding_mode", "d", "inplace")
    path = write_checkpoint(tmp_path / "best.pt", network, edit=edit)
    assert torch.equal(heads(read_checkpoint(path).network)[0], heads(network)[0])


def test_missing_strides_are_found_and_noted(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "best.pt", yolov5(), edit=_without_strides))
    assert checkpoint.strides == STRIDES
    assert checkpoint.notes == ["the checkpoint states no strides; its network has [8, 16, 32]"]


def _without_strides(model: Any) -> None:
    del model.stride, model.model[-1].stride


def test_fused_network_has_no_batch_norm(tmp_path: Path) -> None:
    def fuse(model: Any) -> None:
        for module in model.modules():
            module._modules.pop("bn", None)

    network = yolov5()
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "best.pt", network, edit=fuse))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in checkpoint.network.modules())


def test_hooks_and_replaced_methods_are_not_looked_at(tmp_path: Path) -> None:
    def replace(model: Any) -> None:
        model.model[0].__dict__["forward"] = "fuseforward"
        model.model[0].total_ops = torch.zeros(1)

    network = yolov5()
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "best.pt", network, edit=replace))
    assert torch.equal(heads(checkpoint.network)[0], heads(network)[0])


def _without_anchors(model: Any) -> None:
    del model.model[-1].anchors, model.model[-1].anchor_grid


def _set(**values: Any) -> Any:
    def edit(model: Any) -> None:
        for name, value in values.items():
            setattr(model.model[-1], name, value)

    return edit


def _set_layer(index: int, **values: Any) -> Any:
    def edit(model: Any) -> None:
        model.model[index].__dict__.update(values)

    return edit


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(
            {"names": ("cat", "dog")}, "has 2 class names, but its heads have 3 classes", id="few names"
        ),
        pytest.param(
            {"names": {0: "cat", 2: "dog", 3: "bird"}},
            "has class names that are neither a list nor a dict numbered from 0",
            id="names with a gap",
        ),
        pytest.param(
            {"strides": [8, 16, 64]},
            "says that its strides are [8, 16, 64], but its network has [8, 16, 32]",
            id="other strides",
        ),
        pytest.param(
            {"edit": _set(nc=4)},
            "has heads of [24, 24, 24] channels; 3 anchors of 4 classes and 5 numbers need 27",
            id="other width",
        ),
        pytest.param(
            {"edit": _set(na=2)}, "2 anchors of 3 classes and 5 numbers need 16", id="other anchors"
        ),
        pytest.param({"edit": _without_anchors}, "has a Detect layer without anchors", id="no anchors"),
        pytest.param(
            {"edit": _set_layer(2, f=9)},
            "has a network that cannot run: layer 2 reads layer 9, which does not come before it",
            id="reads ahead",
        ),
        pytest.param(
            {"edit": _set_layer(2, i=7)}, "numbered otherwise than its position 2", id="wrong number"
        ),
        pytest.param({"edit": _set_layer(2, f="x")}, "does not say which layers", id="no source"),
        pytest.param(
            {"edit": _set_layer(8, d=2)}, "has d = 2; expected an integer from 1 to 1", id="bad attribute"
        ),
        pytest.param(
            {"edit": _set_layer(7, scale_factor=64.0)}, "expected a number from 1.0 to 8.0", id="bad scale"
        ),
    ],
)
def test_contradictions_are_refused_with_numbers(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    path = write_checkpoint(tmp_path / "best.pt", yolov5(), **options)
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_detection_layer_is_the_last(tmp_path: Path) -> None:
    def cut(model: Any) -> None:
        model.model = model.model[:-1]

    path = write_checkpoint(tmp_path / "best.pt", yolov5(), edit=cut)
    with pytest.raises(CheckpointError, match="the last layer is not Detect"):
        read_checkpoint(path)


def test_network_without_detect_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="the last layer is not Detect"):
        Network([(nn.Identity(), -1)])
    assert isinstance(yolov5().detect, Detect)
