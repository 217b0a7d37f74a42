"""Options, hyper-parameters, schedule, optimiser and average of a training."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from yolo_edge.datasets import LabelledImage, Objects
from yolo_export.errors import ConfigError
from yolo_train.augment import Augmentation
from yolo_train.training.average import MovingAverage
from yolo_train.training.hyperparameters import Hyperparameters, read_hyperparameters
from yolo_train.training.optimiser import Schedule, create_optimiser
from yolo_train.training.optimiser_options import OptimiserOptions
from yolo_train.training.options import TrainOptions
from yolo_train.training.trainer import sizes_between
from yolo_train.training.weighting import ImageWeights, inverse_frequencies
from yolo_train.transfer import starting_network

_YOLOV5_FILE = """
lr0: 0.01
lrf: 0.1
momentum: 0.937
weight_decay: 0.0005
warmup_epochs: 3.0
warmup_momentum: 0.8
warmup_bias_lr: 0.1
box: 0.05
cls: 0.3
cls_pw: 1.0
obj: 0.7
obj_pw: 1.0
iou_t: 0.20
anchor_t: 4.0
fl_gamma: 0.0
hsv_h: 0.015
hsv_s: 0.7
hsv_v: 0.4
degrees: 0.0
translate: 0.1
scale: 0.9
shear: 0.0
perspective: 0.0
flipud: 0.0
fliplr: 0.5
mosaic: 1.0
mixup: 0.1
copy_paste: 0.0
"""


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        pytest.param({"epochs": 0}, ["epochs is 0", "at least 1"], id="no epochs"),
        pytest.param({"batch": 0, "seed": -1}, ["batch is 0", "seed is -1"], id="two faults"),
        pytest.param({"optimiser": "adam"}, ["optimiser is 'adam'", "sgd, adamw"], id="unknown optimiser"),
        pytest.param({"precision": "fp16"}, ["auto, fp32, bf16"], id="unknown precision"),
        pytest.param({"cache_mb": -1.0}, ["cache_mb is -1.0"], id="negative cache"),
        pytest.param({"cfg": None}, ["--weights CHECKPOINT, or --cfg NAME"], id="nothing to start from"),
        pytest.param({"rect": True, "image_weights": True}, ["sorts the images"], id="rect and weights"),
        pytest.param({"threads": 0}, ["threads is 0"], id="no threads"),
        pytest.param({"threads": 5000, "workers": 5000}, ["threads is 5000", "at most 1024"], id="very many"),
    ],
)
def test_bad_options(changes, texts) -> None:
    with pytest.raises(ValueError) as error:
        TrainOptions(**{"data": Path("a.yaml"), "cfg": "v5lite-e", **changes})
    assert all(text in str(error.value) for text in texts)


def test_options_survive_as_plain_data() -> None:
    options = TrainOptions(Path("/a/b.yaml"), weights=Path("/c.pt"), imgsz=320, rect=True)
    assert TrainOptions.from_plain(options.as_plain()) == options
    with pytest.raises(ValueError, match="unknown options: color"):
        TrainOptions.from_plain({**options.as_plain(), "color": 1})


def test_a_file_of_yolov5(tmp_path: Path) -> None:
    path = tmp_path / "hyp.yaml"
    path.write_text(_YOLOV5_FILE)
    made = read_hyperparameters(path, ["lr0=0.002", "mixup=0"])
    assert (made.optimiser.lr0, made.optimiser.lrf, made.loss.cls) == (0.002, 0.1, 0.3)
    assert made.augmentation == Augmentation(scale=0.9)
    assert Hyperparameters.from_plain(made.as_plain()) == made


def test_defaults_are_those_of_hyp_scratch_low() -> None:
    wanted = yaml.safe_load(_YOLOV5_FILE)
    changed = {"lrf": 0.01, "cls": 0.5, "obj": 1.0, "scale": 0.5, "mixup": 0.0}
    wanted = {**wanted, **changed, "label_smoothing": 0.0}
    del wanted["iou_t"], wanted["copy_paste"]
    assert read_hyperparameters(None).as_plain() == wanted


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        pytest.param("lr: 0.1", ["unknown: lr", "known: ", "lr0"], id="unknown"),
        pytest.param("lr0: 0.1\nLR: 1\ncolour: 2", ["unknown: LR, colour"], id="several unknown"),
        pytest.param("lr0: 100", ["lr0 is 100", "1e-07 to 10"], id="out of range"),
        pytest.param("momentum: 1.0", ["momentum is 1.0", "0 to 0.999"], id="momentum of one"),
        pytest.param("lr0: much", ["lr0 is 'much'"], id="no number"),
        pytest.param("lr0: true", ["lr0 is True"], id="truth value"),
        pytest.param("lr0: .nan", ["lr0 is nan"], id="nan"),
        pytest.param("lr0: 1" + "0" * 400, ["lr0 is 1000"], id="beyond floats"),
        pytest.param("hsv_h: 2\nbox: -1", ["hsv_h is 2", "box is -1"], id="of two parts"),
        pytest.param(
            "iou_t: 0.5", ["iou_t is 0.5; it can only be 0.2", "nothing reads it"], id="without effect"
        ),
        pytest.param("copy_paste: 0.1", ["copy_paste", "outlines"], id="not possible"),
        pytest.param("- lr0", ["holds a list; expected a mapping of hyper-parameters"], id="a list"),
        pytest.param("a: [", ["is not YAML"], id="not yaml"),
    ],
)
def test_bad_hyperparameter_files(tmp_path: Path, text: str, parts: list[str]) -> None:
    path = tmp_path / "hyp.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_hyperparameters(path)
    assert all(part in str(error.value) for part in [str(path), *parts])


@pytest.mark.parametrize("setting", ["lr0", "lr0=", "=1", "lr0=x", "rate=1", "lr0=99"])
def test_bad_settings(setting: str) -> None:
    with pytest.raises(ValueError):
        read_hyperparameters(None, [setting])


def rates(schedule: Schedule, network: nn.Module, kind: str = "sgd"):
    """(rate of weights, of biases, momentum, batches of a step) for each batch of the training."""
    optimiser = create_optimiser(network, kind, schedule.options, images_per_step=64)
    for epoch in range(schedule.epochs):
        for index in range(schedule.batches):
            wanted = schedule.apply(optimiser, epoch, index)
            weights, _, biases = optimiser.param_groups
            yield weights["lr"], biases["lr"], weights.get("momentum"), wanted


@pytest.mark.parametrize("cosine", [False, True], ids=["line", "cosine"])
def test_schedule(cosine: bool) -> None:
    options = OptimiserOptions(lr0=0.02, lrf=0.1, warmup_epochs=2)
    schedule = Schedule(options, epochs=10, batches=80, batch=16, cosine=cosine)
    rows = list(rates(schedule, nn.Conv2d(1, 1, 1)))
    assert schedule.warmup == 160
    assert rows[0] == (0.0, 0.1, 0.8, 1)
    first_half = [row[0] for row in rows[:80]]
    assert first_half == sorted(first_half)
    assert all(row[0] == row[1] and row[2] == 0.937 and row[3] == 4 for row in rows[161:])
    left = 1 / 800
    last = 0.02 * (((1 - math.cos(left * math.pi)) / 2 if cosine else left) * 0.9 + 0.1)
    assert rows[-1][0] == pytest.approx(last)
    after_warmup = [row[0] for row in rows[160:]]
    assert after_warmup == sorted(after_warmup, reverse=True) and len(set(after_warmup)) == len(after_warmup)


@pytest.mark.parametrize(
    ("epochs", "batches", "warmup_epochs", "wanted"),
    [
        pytest.param(100, 100, 3, 300, id="epochs"),
        pytest.param(100, 10, 3, 100, id="at least 100 batches"),
        pytest.param(5, 10, 3, 25, id="at most half"),
        pytest.param(5, 10, 0, 0, id="none"),
    ],
)
def test_length_of_warm_up(epochs, batches, warmup_epochs, wanted) -> None:
    schedule = Schedule(OptimiserOptions(warmup_epochs=warmup_epochs), epochs, batches, 16, False)
    assert schedule.warmup == wanted


def test_without_warm_up_the_first_batch_has_its_rate() -> None:
    schedule = Schedule(OptimiserOptions(warmup_epochs=0), 2, 3, 64, False)
    assert next(rates(schedule, nn.Conv2d(1, 1, 1))) == (0.01, 0.01, 0.937, 1)


@pytest.mark.parametrize(("batch", "wanted"), [(1, 64), (16, 4), (64, 1), (128, 1)])
def test_gathered_batches(batch: int, wanted: int) -> None:
    assert Schedule(OptimiserOptions(), 1, 1, batch, False).accumulated == wanted


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_only_weights_decay(kind: str) -> None:
    network = starting_network(None, "yolov5s-transformer", ["a"], 0).network
    options = OptimiserOptions(weight_decay=0.01)
    weights, norms, biases = create_optimiser(network, kind, options, images_per_step=32).param_groups
    assert (weights["weight_decay"], norms["weight_decay"], biases["weight_decay"]) == (0.005, 0.0, 0.0)
    count = sum(len(group["params"]) for group in (weights, norms, biases))
    assert count == len(list(network.parameters()))
    assert min(parameter.dim() for parameter in weights["params"]) == 2
    assert {parameter.dim() for parameter in [*norms["params"], *biases["params"]]} == {1}
    norm_count = sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert len(norms["params"]) == norm_count


def test_everything_frozen() -> None:
    network = nn.Conv2d(1, 1, 1).requires_grad_(False)
    with pytest.raises(ValueError, match="nothing is left to train"):
        create_optimiser(network, "sgd", OptimiserOptions(), images_per_step=64)


def test_the_average_follows() -> None:
    network = starting_network(None, "v5lite-e", ["a"], 0).network
    average = MovingAverage(network)
    start = {key: value.clone() for key, value in average.network.state_dict().items()}
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor += 1
    average.follow()
    decay = 0.9999 * (1 - math.exp(-1 / 2000))
    for key, value in average.network.state_dict().items():
        if value.is_floating_point():
            wanted = start[key] * decay + network.state_dict()[key] * (1 - decay)
            assert torch.allclose(value, wanted, rtol=1e-5, atol=1e-6)
    assert not average.network.training
    assert not any(parameter.requires_grad for parameter in average.network.parameters())


@pytest.mark.parametrize(
    ("imgsz", "stride", "wanted"),
    [
        (64, 32, [32, 64, 96]),
        (320, 32, list(range(160, 481, 32))),
        (64, 64, [64]),
        (320, 64, [192, 256, 320, 384, 448]),
    ],
)
def test_multi_scale_sizes(imgsz: int, stride: int, wanted: list[int]) -> None:
    assert list(sizes_between(imgsz, stride)) == wanted


def images_of(*class_ids: list[int]) -> list[LabelledImage]:
    made = []
    for ids in class_ids:
        n = len(ids)
        objects = Objects(
            torch.tensor(ids, dtype=torch.int32).numpy(),
            torch.rand(n, 4).double().numpy(),
            torch.zeros(n, dtype=torch.bool).numpy(),
            torch.full((n,), math.nan).double().numpy(),
        )
        made.append(LabelledImage(Path("x.jpg"), objects, (10, 10)))
    return made


def test_rare_classes_weigh_more() -> None:
    weights = inverse_frequencies(images_of([0, 0, 0], [1], []), 3)
    assert weights[1] == pytest.approx(3 * weights[0])
    assert (3 * weights[0] + weights[1]) / 4 == pytest.approx(1)


def test_image_weights() -> None:
    images = ImageWeights(images_of([0, 0, 0], [1], [], [0, 1]), 2)
    even = images.of([0.0, 0.0])
    assert even[3] == pytest.approx(even[0] / 3 + even[1])
    assert even[2] == min(even[0], even[1], even[3])
    known = images.of([0.0, 0.9])
    assert known[1] == pytest.approx(even[1] * 0.01)
    assert (images.of([1.0, 1.0]) == 1).all()
    assert (ImageWeights(images_of([], []), 2).of([0, 0]) == 1).all()


def test_flags_have_the_defaults_of_the_options() -> None:
    import argparse

    from yolo_train.commands import train

    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    shown = parser.format_help()
    for field in dataclasses.fields(TrainOptions):
        if field.name == "data":
            continue
        flag = "--" + field.name.replace("_", "-")
        assert flag in shown
        assert parser.get_default(field.name) is None  # not given; the options know better
        if field.default not in (None, False):
            assert f"(default: {field.default})" in " ".join(shown.split())
