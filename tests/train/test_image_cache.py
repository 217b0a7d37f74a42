"""The image cache: what fits is read once, and memory keeps within the limit."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest
from made_batches import batches_of
from painted import jpeg_dataset, labelled

from yolo_edge.sources.images import read_image
from yolo_train.augment import Augmentation
from yolo_train.loading import ImageCache, image_cache


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return jpeg_dataset(tmp_path_factory.mktemp("many"))


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


def test_later_epochs_read_no_more_than_the_first(many, monkeypatch):
    """What the end of an epoch took from its beginning leaves the memory to the next one."""
    monkeypatch.setattr("yolo_train.loading.training_batches.MOSAIC_WINDOW", 8)
    read, counts = count_reads(monkeypatch), []
    batches = batches_of(many, cache_mb=0.6, augmentation=Augmentation(scale=0))
    for epoch in range(4):
        before = len(read)
        list(batches.epoch(epoch))
        counts.append(len(read) - before)
    assert max(counts[1:]) <= counts[0], counts


def test_a_new_order_makes_room(many):
    one = 96 * 128 * 3 + image_cache._OVERHEAD_BYTES
    cache = ImageCache(many, 128, limit_mb=2.1 * one / 1e6, passing=1)
    assert cache.kept == 1
    first = cache.read(1)
    assert cache.read(1) is first and cache.read(2) is not cache.read(2)
    cache.start_order()
    assert cache.read(1) is first  # nothing else wanted its place
    assert cache.read(2) is not cache.read(2)  # and it is wanted again
    cache.start_order()
    assert cache.read(2) is cache.read(2)
    cache.release(2)
    assert cache.read(1) is not first and cache.read(1) is cache.read(1)
    assert cache.used_bytes == one


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
