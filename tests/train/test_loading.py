"""Batches of training and validation: the same whatever makes them, within their memory, cleanly ended."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import threading
import time
import tracemalloc

import cv2
import numpy as np
import pytest
from painted import labelled, paint, painted_dataset

from yolo_edge import _core
from yolo_edge.datasets import DatasetError
from yolo_edge.errors import SourceError
from yolo_edge.sources.images import read_image
from yolo_train.augment import Augmentation
from yolo_train.loading import ImageCache, TrainingBatches, ValidationBatches, draw_batch, image_cache

STRONG = Augmentation(degrees=10, shear=3, perspective=0.0005, flipud=0.3, mosaic=0.7, mixup=0.5)


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return painted_dataset(tmp_path_factory.mktemp("painted"))


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Sixty JPEG files of 200x150 pixels."""
    folder = tmp_path_factory.mktemp("many")
    random = np.random.default_rng(0)
    made = []
    for number in range(60):
        path = folder / f"{number}.jpg"
        cv2.imwrite(str(path), cv2.blur(random.integers(0, 256, (150, 200, 3), dtype=np.uint8), (5, 5)))
        made.append(labelled(path, (150, 200), [[0.1, 0.2, 0.5, 0.6]], [number % 3]))
    return tuple(made)


def batches_of(samples, **changed):
    options = {
        "batch": 4,
        "imgsz": 128,
        "augmentation": STRONG,
        "seed": 1,
        "workers": 0,
        "cache_mb": 10,
        **changed,
    }
    return TrainingBatches(samples, **options)


def assert_same(some, others):
    assert len(some) == len(others)
    for a, b in zip(some, others):
        assert np.array_equal(a.images, b.images)
        assert np.array_equal(a.targets, b.targets)
        assert np.array_equal(a.indices, b.indices)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"workers": 1}, id="one worker"),
        pytest.param({"workers": 3}, id="three workers"),
        pytest.param({"cache_mb": 0}, id="no cache"),
        pytest.param({"cache_mb": 0.2, "workers": 2}, id="small cache"),
    ],
)
@pytest.mark.parametrize(
    "both",
    [
        pytest.param({}, id="mosaic"),
        pytest.param({"rect": True}, id="rect"),
        pytest.param({"sizes_px": (64, 96, 160)}, id="multi-scale"),
    ],
)
def test_workers_and_cache_change_nothing(samples, both, changed):
    wanted = batches_of(samples, **both)
    got = batches_of(samples, **both, **changed)
    for epoch in (2, 0):
        assert_same(list(got.epoch(epoch)), list(wanted.epoch(epoch)))


def test_a_resumed_run_continues_to_the_bit(many):
    whole = batches_of(many)
    epochs = [list(whole.epoch(number)) for number in range(3)]
    assert_same(list(batches_of(many).epoch(2)), epochs[2])
    assert_same(list(whole.epoch(1)), epochs[1])


def test_seeds_and_epochs_differ(many):
    first = [next(batches_of(many, seed=seed).epoch(epoch)) for seed, epoch in ((1, 0), (1, 1), (2, 0))]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert not np.array_equal(first[a].indices, first[b].indices)
        assert not np.array_equal(first[a].images, first[b].images)


def test_an_epoch_has_every_sample_once(samples):
    batches = batches_of(samples)
    made = list(batches.epoch(0))
    assert [len(batch) for batch in made] == [4, 3]
    assert len(batches) == 2
    assert sorted(np.concatenate([batch.indices for batch in made])) == list(range(7))
    for batch in made:
        assert batch.images.dtype == np.uint8
        assert batch.images.shape[1:] == (3, 128, 128)
        assert batch.images.flags.c_contiguous
        assert batch.targets.dtype == np.float32
        assert batch.targets.shape[1] == 6
        assert (batch.targets[:, 0] < len(batch)).all()
        edges = np.concatenate(
            [
                batch.targets[:, 2:4] - batch.targets[:, 4:] / 2,
                batch.targets[:, 2:4] + batch.targets[:, 4:] / 2,
            ]
        )
        assert edges.min() > -1e-6
        assert edges.max() < 1 + 1e-6


def test_samples_without_objects_give_no_targets(tmp_path):
    empty = (paint(tmp_path / "a.png", (50, 60), [], 0),)
    for mosaic in (0.0, 1.0):
        batch = next(batches_of(empty).epoch(0, mosaic=mosaic))
        assert batch.targets.shape == (0, 6)


def test_mosaics_can_be_switched_off_for_an_epoch(samples):
    plain = dataclasses.replace(Augmentation.none(), mosaic=1.0)
    batches = batches_of(samples, augmentation=plain)
    [first, _] = batches.epoch(0, mosaic=0)
    wanted = batches_of(samples, augmentation=Augmentation.none())
    assert_same([first], [next(wanted.epoch(0))])
    assert not np.array_equal(next(batches.epoch(0)).images, first.images)
    with pytest.raises(ValueError, match="mosaic is 2; it must be a number from 0 to 1"):
        batches.epoch(0, mosaic=2)


def test_weights_choose_samples(many):
    batches = batches_of(many, batch=20)
    weights = np.zeros(60)
    weights[[5, 7]] = 1, 3
    drawn = np.concatenate([batch.indices for batch in batches.epoch(0, weights=weights)])
    assert len(drawn) == 60
    assert set(drawn.tolist()) == {5, 7}
    assert 30 < (drawn == 7).sum() < 58
    for wrong, message in (
        (np.ones(3), "must be one for each of 60 samples"),
        (np.zeros(60), "not all of them 0"),
        (-np.ones(60), "at least 0"),
    ):
        with pytest.raises(ValueError, match=message):
            batches.epoch(0, weights=wrong)
    with pytest.raises(ValueError, match="rect sorts them by shape"):
        batches_of(many, rect=True).epoch(0, weights=np.ones(60))


def test_rectangular_batches_hold_like_shapes(samples):
    made = list(batches_of(samples, rect=True, batch=2, augmentation=Augmentation.none()).epoch(0))
    shapes = {tuple(sorted(batch.indices.tolist())): batch.images.shape[2:] for batch in made}
    # Heights over widths: f 0.5, a 0.75, d 0.83, c 1, g and e 1.33, b 1.6.
    assert shapes == {(0, 5): (96, 128), (2, 3): (128, 128), (4, 6): (128, 96), (1,): (128, 96)}
    for batch in made:
        height, width = batch.images.shape[2:]
        for slot, index in enumerate(batch.indices):
            sample = samples[index]
            boxes = batch.targets[batch.targets[:, 0] == slot][:, 4:] * [width, height]
            fractions = sample.objects.boxes[:, 2:] - sample.objects.boxes[:, :2]
            ratio = min(height / sample.size_hw[0], width / sample.size_hw[1])
            wanted = fractions * sample.size_hw[::-1] * ratio
            assert np.abs(boxes - wanted).max(initial=0) < 1


def test_the_order_of_rectangular_batches_is_random(many):
    batches = batches_of(many, rect=True)
    orders = [[tuple(batch.indices) for batch in batches.epoch(number)] for number in (0, 1)]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])


def test_multi_scale_draws_a_size_for_each_batch(many):
    batches = batches_of(many, sizes_px=(64, 96, 128))
    made = [batch for epoch in range(2) for batch in batches.epoch(epoch)]
    sides = [batch.images.shape[2:] for batch in made]
    assert {side for side, _ in sides} == {64, 96, 128}
    assert all(height == width for height, width in sides)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        pytest.param({"batch": 0}, "batch is 0; it must be at least 1", id="empty batch"),
        pytest.param({"imgsz": 100}, r"sizes are \[100\]; each must be a multiple of 32", id="odd size"),
        pytest.param({"sizes_px": ()}, r"sizes are \[\]", id="no sizes"),
        pytest.param({"workers": -1}, "workers is -1", id="negative workers"),
        pytest.param({"seed": -1}, "seed is -1", id="negative seed"),
        pytest.param({"cache_mb": -1}, "cache_mb is -1", id="negative cache"),
        pytest.param({"stride_px": 64, "imgsz": 96}, "multiple of 64", id="larger stride"),
    ],
)
def test_bad_arguments_are_refused(samples, changed, message):
    with pytest.raises(ValueError, match=message):
        batches_of(samples, **changed)


def test_no_samples_and_samples_without_size_are_refused(samples):
    with pytest.raises(ValueError, match="there are no samples"):
        batches_of(())
    unsized = (dataclasses.replace(samples[0], size_hw=None),)
    with pytest.raises(ValueError, match=r"a\.png: the sample does not say its size"):
        batches_of(unsized)
    with pytest.raises(ValueError, match=r"a\.png: the sample does not say its size"):
        ValidationBatches(unsized, batch=1, imgsz=64, workers=0)


# Cache


def count_reads(monkeypatch):
    read = []

    def counted(path, **options):
        read.append(path)
        return read_image(path, **options)

    monkeypatch.setattr(image_cache, "read_image", counted)
    return read


def test_what_fits_is_read_once(many, monkeypatch):
    read = count_reads(monkeypatch)
    batches = batches_of(many, cache_mb=10)
    assert batches.cache.kept == 60
    for epoch in range(3):
        list(batches.epoch(epoch))
    assert sorted(read) == sorted(sample.path for sample in many)


def test_what_does_not_fit_is_read_about_once_an_epoch(many, monkeypatch):
    monkeypatch.setattr("yolo_train.loading.training_batches.MOSAIC_WINDOW", 8)
    read = count_reads(monkeypatch)
    batches = batches_of(many, cache_mb=1.6, augmentation=Augmentation(scale=0))
    kept = batches.cache.kept
    assert 5 < kept < 40
    for epoch in range(3):
        before = len(read)
        list(batches.epoch(epoch))
        fresh = 60 if epoch == 0 else 60 - kept
        # The order's end takes images from its beginning, and a few are never in the picture.
        assert fresh - 8 <= len(read) - before <= fresh + 8


@pytest.mark.parametrize("limit_mb", [0, 0.3, 1.0, 10])
def test_the_cache_keeps_within_its_limit(many, limit_mb):
    batches = batches_of(many, cache_mb=limit_mb, workers=2)
    list(batches.epoch(0, mosaic=0))  # what is loaded once, such as threads
    batches = batches_of(many, cache_mb=limit_mb, workers=2)
    tracemalloc.start()
    try:
        for epoch in range(2):
            for batch in batches.epoch(epoch):
                del batch
                assert batches.cache.used_bytes <= limit_mb * 1e6
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    # numpy tells tracemalloc of its arrays, OpenCV's among them. What else stays is small.
    assert held <= limit_mb * 1e6 + 150_000
    if limit_mb == 10:
        assert held > 60 * 96 * 128 * 3


def test_cached_images_are_no_larger_than_the_network(tmp_path):
    large = tmp_path / "large.jpg"
    cv2.imwrite(str(large), np.full((1000, 1500, 3), 90, np.uint8))
    small = tmp_path / "small.png"
    cv2.imwrite(str(small), np.full((20, 30, 3), 90, np.uint8))
    samples = [labelled(large, (1000, 1500), [], []), labelled(small, (20, 30), [], [])]
    cache = ImageCache(samples, 320, limit_mb=10, passing=1)
    assert cache.read(0).shape == (213, 320, 3)
    assert cache.read(1).shape == (20, 30, 3)
    assert cache.read(0) is cache.read(0)


# Errors and ends


def test_an_unreadable_image_is_named(samples, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    mixed = (*samples, labelled(broken, (50, 50), [], []))
    before = cv2.getNumThreads()
    for workers in (0, 2):
        with pytest.raises(SourceError, match=r"broken\.png: does not decode"):
            list(batches_of(mixed, workers=workers).epoch(0, mosaic=0))
        with pytest.raises(SourceError, match=r"broken\.png: does not decode"):
            list(ValidationBatches(mixed, batch=4, imgsz=128, workers=workers))
        assert_no_threads_left()
    assert cv2.getNumThreads() == before


def test_an_image_that_was_replaced_is_named(tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.zeros((40, 60, 3), np.uint8))
    changed = (labelled(path, (60, 40), [], []),)
    message = r"a\.png: is 60x40 pixels \(width x height\), but was 40x60 when"
    with pytest.raises(DatasetError, match=message):
        list(batches_of(changed).epoch(0))
    with pytest.raises(DatasetError, match=message):
        list(ValidationBatches(changed, batch=1, imgsz=64, workers=0))


def test_opencvs_threads_are_off_while_batches_are_made(samples):
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        first, second = (batches_of(samples, workers=1).epoch(0) for _ in range(2))
        next(first)
        next(second)
        assert cv2.getNumThreads() == 1
        first.close()
        assert cv2.getNumThreads() == 1
        second.close()
        assert cv2.getNumThreads() == 2
        assert_no_threads_left()
    finally:
        cv2.setNumThreads(before)


def assert_no_threads_left():
    assert not [thread.name for thread in threading.enumerate() if "yolo-train" in thread.name]


INTERRUPTED = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import cv2
from painted import painted_dataset
from yolo_train.augment import Augmentation
from yolo_train.loading import TrainingBatches
folder = Path({folder!r})
batches = TrainingBatches(painted_dataset(folder), batch=4, imgsz=640, augmentation=Augmentation(), seed=0,
                          workers=2, cache_mb=0)
try:
    epoch = 0
    while True:
        for batch in batches.epoch(epoch):
            print("batch", flush=True)
        epoch += 1
except KeyboardInterrupt:
    import threading
    print("left:", [t.name for t in threading.enumerate() if "yolo-train" in t.name], flush=True)
    raise SystemExit(130)
"""


def test_ctrl_c_ends_it_cleanly(tmp_path):
    code = INTERRUPTED.format(tests=os.path.dirname(__file__), folder=str(tmp_path))  # noqa: PTH120 - text
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "batch\n"
    time.sleep(0.2)  # so that it happens in the middle of the work
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert out.splitlines()[-1] == "left: []"
    assert errors == ""


# Validation


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


# Pictures


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
