"""What training starts from: random numbers, checkpoints of every family, and what of them is taken."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from yolo_export.checkpoint import read_checkpoint
from yolo_export.configs import config_names
from yolo_export.errors import CheckpointError
from yolo_train.loss import DetectionLoss, LossOptions
from yolo_train.training.determinism import deterministic
from yolo_train.training.frozen import freeze_layers, train_mode
from yolo_train.training.optimiser import create_optimiser
from yolo_train.training.optimiser_options import OptimiserOptions
from yolo_train.training.saving import checkpoint_content, write_checkpoint
from yolo_train.transfer import starting_network

#: The smallest size of every architecture that is shipped.
_SMALLEST = sorted(
    name
    for name in config_names()
    if not name.startswith("yolov5")
    or name.startswith(("yolov5n", "yolov5-"))
    or (name.startswith("yolov5s") and f"yolov5n{name[7:]}" not in config_names())
)
_LARGE_OBJECTS = [[0, 1, 0.5, 0.5, 0.9, 0.9], [1, 0, 0.3, 0.4, 0.2, 0.1], [1, 2, 0.6, 0.5, 0.5, 0.6]]


def test_every_architecture_is_tried() -> None:
    assert {"v5lite-e", "v5lite-c", "v5lite-g", "v5lite-s", "yolov5n", "yolov5n6", "yolov5n-p2"} <= set(
        _SMALLEST
    )
    assert {"yolov5s-v1.0", "yolov5s-transformer", "yolov5-mobilenetv3-small"} <= set(_SMALLEST)


@pytest.mark.parametrize("name", _SMALLEST)
def test_one_step_changes_every_tensor(name: str) -> None:
    start = starting_network(None, name, ["a", "b", "c"], seed=0)
    network = start.network.train()
    # A large step, as the gradient of small tensors deep inside is small at first.
    optimiser = create_optimiser(network, "sgd", OptimiserOptions(lr0=10.0), images_per_step=64)
    loss = DetectionLoss(start.strides, start.anchors_px, 3, LossOptions(anchor_t=20.0), imgsz=128)
    images = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with deterministic(torch.get_num_threads()):
        total = loss(network(images), torch.tensor(_LARGE_OBJECTS)).total
        assert torch.isfinite(total)
        total.backward()
        optimiser.step()
    same = [key for key, value in network.state_dict().items() if torch.equal(value, before[key])]
    # A constant added to all pixels before a batch norm changes nothing, so that bias has no gradient.
    assert [key for key in same if not key.endswith("ma.out_proj.bias")] == []


def test_the_seed_decides_the_random_numbers() -> None:
    first, second, other = (
        starting_network(None, "v5lite-e", ["a"], seed).network.state_dict() for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_heads_start_with_priors() -> None:
    start = starting_network(None, "yolov5n", ["a", "b", "c"], 0)
    for (modules, index), stride in zip(start.network.head_places(), start.strides):
        bias = modules[index].bias.detach().view(3, -1)
        expected = torch.sigmoid(bias[:, 4]) * (640 / stride) ** 2
        assert expected.mean() == pytest.approx(8, rel=0.3)
        assert torch.sigmoid(bias[:, 5:]).mean() == pytest.approx(0.23, abs=0.1)


def test_a_single_class_is_certain() -> None:
    start = starting_network(None, "yolov5n", ["a"], 0)
    network = start.network.eval()
    with torch.no_grad():
        for head in network(torch.rand(1, 3, 64, 64)):
            classes = head.view(1, 3, 6, *head.shape[2:])[:, :, 5:]
            assert torch.sigmoid(classes).min() > 0.9999


@pytest.mark.shared
@pytest.mark.parametrize(
    "name",
    [
        "models/v5lite-e.pt",
        "models/yolov5n.pt",
        "fixtures/yolov5-v1.0-s.pt",
        "fixtures/yolov5lite-g.pt",
        "fixtures/yolov5lite-c.pt",
        "fixtures/yolov5-mobilenetv3s.pt",
    ],
)
def test_a_checkpoint_with_other_classes(shared: Path, name: str) -> None:
    path = shared / name
    theirs = read_checkpoint(path)
    start = starting_network(path, None, ["a", "b"], 0)
    old, new = theirs.network.state_dict(), start.network.state_dict()
    heads = {each.name.replace("model.", "layers.", 1) for each in start.left_out}
    assert len(heads) == 2 * len(start.strides)
    assert all("classes" in each.why for each in start.left_out)
    assert all(torch.equal(old[key], new[key]) for key in new if key not in heads)
    assert {new[key].shape[0] for key in heads} == {len(start.anchors_px[0]) * 7}
    assert start.strides == theirs.strides and start.anchors_px == theirs.anchors_px
    assert start.taken + len(heads) == sum(not key.endswith("num_batches_tracked") for key in new)
    network = start.network.train()
    assert all(parameter.requires_grad for parameter in network.parameters())
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {0.03}
    heads_of_two = network(torch.rand(2, 3, 64, 64))
    loss = DetectionLoss(start.strides, start.anchors_px, 2, LossOptions(), imgsz=64)
    loss(heads_of_two, torch.tensor([[0, 1, 0.5, 0.5, 0.4, 0.4]])).total.backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.shared
def test_a_checkpoint_with_the_same_classes_is_taken_whole(shared: Path) -> None:
    path = shared / "models/v5lite-e.pt"
    names = read_checkpoint(path).names
    start = starting_network(path, None, [name.upper() for name in names], 0)
    assert start.left_out == ()
    renamed = starting_network(path, None, ["other", *names[1:]], 0)
    assert len(renamed.left_out) == 6 and "other names" in renamed.left_out[0].why


@pytest.mark.shared
def test_a_checkpoint_put_into_another_network(shared: Path) -> None:
    start = starting_network(shared / "models/v5lite-e.pt", "v5lite-s", ["a"], 0)
    old = read_checkpoint(shared / "models/v5lite-e.pt").network.state_dict()
    new = start.network.state_dict()
    left = {each.name.replace("model.", "layers.", 1) for each in start.left_out}
    taken = [key for key in new if key not in left and not key.endswith("num_batches_tracked")]
    assert len(taken) == start.taken > 100
    assert all(torch.equal(old[key], new[key]) for key in taken)
    assert {
        "classes" in each.why or "none of that name" in each.why or "needs" in each.why
        for each in start.left_out
    } == {True}
    assert any(line.startswith("v5lite-s from v5lite-e.pt: ") for line in start.report())


@pytest.mark.shared
def test_nothing_fits(shared: Path, tmp_path: Path) -> None:
    other = tmp_path / "tiny.yaml"
    other.write_text(
        "nc: 1\nanchors: [[10, 13]]\nbackbone: [[-1, 1, nn.Conv2d, [8, 3, 8, 1]]]\n"
        "head: [[[0], 1, Detect, [nc, anchors]]]\n"
    )
    with pytest.raises(CheckpointError, match="not one of its tensors fits"):
        starting_network(shared / "models/v5lite-e.pt", str(other), ["a"], 0)


def test_our_own_checkpoint(tmp_path: Path) -> None:
    start = starting_network(None, "v5lite-e", ["a", "b"], 0)
    content = checkpoint_content(
        start.network,
        names=["a", "b"],
        strides=start.strides,
        anchors_px=start.anchors_px,
        epoch=3,
        best_fitness=0.5,
        steps=10,
        facts={"imgsz": 96},
    )
    write_checkpoint(tmp_path / "best.pt", content)
    again = starting_network(tmp_path / "best.pt", None, ["a", "b"], 1)
    assert again.left_out == () and again.imgsz == 96
    old, new = start.network.state_dict(), again.network.state_dict()
    assert all(torch.equal(old[key], new[key]) for key in old)
    assert starting_network(tmp_path / "best.pt", None, ["a"], 1).left_out != ()


@pytest.mark.parametrize("frozen", [0, 3])
def test_frozen_layers_keep_all_their_numbers(frozen: int) -> None:
    start = starting_network(None, "v5lite-e", ["a", "b", "c"], 0)
    network = start.network
    freeze_layers(network, frozen)
    train_mode(network, frozen)
    optimiser = create_optimiser(network, "sgd", OptimiserOptions(lr0=10.0), images_per_step=64)
    loss = DetectionLoss(start.strides, start.anchors_px, 3, LossOptions(), imgsz=64)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    loss(network(torch.rand(2, 3, 64, 64)), torch.tensor(_LARGE_OBJECTS)).total.backward()
    optimiser.step()
    for key, value in network.state_dict().items():
        is_frozen = int(key.split(".")[1]) < frozen
        assert torch.equal(value, before[key]) == is_frozen, key


@pytest.mark.parametrize(("count", "text"), [(22, "has 22 layers; at most 21"), (-1, "--freeze -1")])
def test_too_many_frozen(count: int, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        freeze_layers(starting_network(None, "v5lite-e", ["a"], 0).network, count)


def test_neither_weights_nor_network() -> None:
    with pytest.raises(ValueError, match="--weights CHECKPOINT, --cfg NAME"):
        starting_network(None, None, ["a"], 0)
