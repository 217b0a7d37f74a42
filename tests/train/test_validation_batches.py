"""Validation batches, and pictures of batches."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from made_batches import batches_of
from painted import painted_dataset

from yolo_edge import _core
from yolo_edge.sources.images import read_image
from yolo_train.augment import Augmentation
from yolo_train.loading import ValidationBatches, draw_batch


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return painted_dataset(tmp_path_factory.mktemp("painted"))


def test_validation_images_are_what_the_runtime_sees(samples):
    batches = ValidationBatches(samples, batch=2, imgsz=128, workers=2)
    seen = []
    letterbox = _core.Letterbox()
    made = list(batches)
    assert len(made) == len(batches)
    aspects = [batch.images.shape[2] / batch.images.shape[3] for batch in made]
    assert aspects == sorted(aspects)
    for batch in made:
        for slot, index in enumerate(batch.indices.tolist()):
            image = read_image(samples[index].path)
            geometry = _core.letterbox_geometry(image.shape[:2], size_hw=(128, 128), stride=32)
            tensor = np.empty((1, 3, *geometry.tensor_hw), np.float32)
            letterbox.run(image, geometry, tensor)
            assert np.array_equal(batch.images[slot].astype(np.float32) / 255, tensor[0])
            assert batch.geometries[slot] == geometry
            seen.append(index)
    assert sorted(seen) == list(range(7))


def test_validation_targets_lead_back_to_the_labels(samples):
    for batch in ValidationBatches(samples, batch=3, imgsz=160, workers=0):
        height, width = batch.images.shape[2:]
        for slot, index in enumerate(batch.indices.tolist()):
            objects, size_hw = samples[index].objects, samples[index].size_hw
            rows = batch.targets[batch.targets[:, 0] == slot]
            assert rows[:, 1].tolist() == objects.class_id.tolist()
            centers, sizes = rows[:, 2:4] * [width, height], rows[:, 4:] * [width, height]
            boxes = batch.boxes_in_image(slot, np.concatenate([centers - sizes / 2, centers + sizes / 2], 1))
            wanted = objects.boxes * np.array([size_hw[1], size_hw[0]] * 2)
            assert np.abs(boxes - wanted).max(initial=0) < 1e-3


def test_only_validation_batches_lead_back(samples):
    batch = next(batches_of(samples).epoch(0))
    with pytest.raises(ValueError, match="only validation batches know the way back"):
        batch.boxes_in_image(0, np.zeros((1, 4), np.float32))


def test_no_images_to_validate_give_no_batches():
    batches = ValidationBatches((), batch=4, imgsz=128, workers=2)
    assert len(batches) == 0
    assert list(batches) == []
    with pytest.raises(ValueError, match="batch is 0 and workers is 1"):
        ValidationBatches((), batch=0, imgsz=128, workers=1)


def test_a_batch_is_drawn_with_its_targets(samples):
    [batch, _] = batches_of(samples, augmentation=Augmentation.none()).epoch(0)
    names = [f"class {number}" for number in range(13)]
    picture = draw_batch(batch, names)
    assert picture.shape == (256, 256, 3)
    plain = draw_batch(dataclasses.replace(batch, targets=np.empty((0, 6), np.float32)), names)
    changed = (picture != plain).any(2)
    for slot, _, x, y, w, h in batch.targets.tolist():
        left, top = int(slot) % 2 * 128 + (x - w / 2) * 128, int(slot) // 2 * 128 + (y - h / 2) * 128
        assert changed[round(top) : round(top + h * 128), round(left)].mean() > 0.8
    assert draw_batch(batch, names, most=1).shape == (128, 128, 3)
    assert max(draw_batch(batches_first(samples, 1024), names).shape) <= 1920


def batches_first(samples, imgsz):
    return next(batches_of(samples, imgsz=imgsz).epoch(0))
