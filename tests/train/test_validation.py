"""Validation in training gives the figures of the original code, and those of the runtime."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from yolo_edge.datasets import open_dataset
from yolo_export.checkpoint import read_checkpoint
from yolo_train.loading import ValidationBatches
from yolo_train.loss import DetectionLoss, LossOptions
from yolo_train.training.validation import Validator


@pytest.mark.shared
def test_average_precision_of_a_published_network(shared: Path) -> None:
    checkpoint = read_checkpoint(shared / "models/v5lite-e.pt")
    samples = open_dataset(shared / "data/coco-val64", checkpoint.names).images
    samples = tuple(with_size(sample) for sample in samples)
    heads = {"strides": checkpoint.strides, "anchors_px": checkpoint.anchors_px}
    validator = Validator(samples, tuple(checkpoint.names), batch=16, imgsz=320, workers=1, **heads)
    loss = DetectionLoss(checkpoint.strides, checkpoint.anchors_px, 80, LossOptions(), imgsz=320)
    seen = []
    made = validator.run(checkpoint.network, loss, lambda sample, found: seen.append((sample, len(found))))
    # What the authors' own code reaches, see ../shared/README.md.
    assert made.ap == pytest.approx(0.2721, abs=2e-4)
    assert made.ap50 == pytest.approx(0.4462, abs=2e-4)
    assert len(seen) == 64 == made.evaluation.times.images
    assert made.evaluation.detections == sum(count for _, count in seen)
    assert len(made.class_ap) == 80 and made.class_ap[0] > 0.2
    assert made.losses == pytest.approx(plain_losses(checkpoint, samples, loss), rel=1e-3)


def with_size(sample):
    from dataclasses import replace

    from yolo_edge.datasets.image_size import read_image_size

    return replace(sample, size_hw=read_image_size(sample.path))


def plain_losses(checkpoint, samples, loss) -> list[float]:
    """The mean over the images, one batch at a time."""
    sums, count = torch.zeros(3), 0
    for batch in ValidationBatches(samples, batch=16, imgsz=320, workers=0):
        with torch.no_grad():
            parts = loss(
                checkpoint.network(torch.from_numpy(batch.images) / 255), torch.from_numpy(batch.targets)
            )
        sums += torch.stack(list(parts)) * len(batch)
        count += len(batch)
    return (sums / count).tolist()


def test_a_network_that_finds_nothing(tmp_path: Path) -> None:
    from drawn_dataset import NAMES, write_dataset

    from yolo_train.datasets import open_training_dataset
    from yolo_train.transfer import starting_network

    dataset = open_training_dataset(write_dataset(tmp_path / "data"))
    start = starting_network(None, "v5lite-e", NAMES, 0)
    heads = {"strides": start.strides, "anchors_px": start.anchors_px}
    validator = Validator(dataset.val, dataset.names, batch=2, imgsz=64, workers=0, **heads)
    with torch.no_grad():
        for modules, index in start.network.head_places():
            modules[index].bias.fill_(-50)
            modules[index].weight.zero_()
    loss = DetectionLoss(start.strides, start.anchors_px, 2, LossOptions(), imgsz=64)
    made = validator.run(start.network.eval(), loss)
    assert (made.ap, made.ap50, made.class_ap, made.evaluation.detections) == (0.0, 0.0, [0.0, 0.0], 0)
    assert made.evaluation.curves.best_f1() is None
