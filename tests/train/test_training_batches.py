"""Training batches: the same whatever makes them, every sample once, in the shapes that were asked for."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from made_batches import assert_same, batches_of
from painted import jpeg_dataset, paint, painted_dataset

from yolo_train.augment import Augmentation
from yolo_train.loading import ValidationBatches


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return painted_dataset(tmp_path_factory.mktemp("painted"))


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return jpeg_dataset(tmp_path_factory.mktemp("many"))


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
    some = many[:20]
    whole = batches_of(some)
    epochs = [list(whole.epoch(number)) for number in range(3)]
    assert_same(list(batches_of(some).epoch(2)), epochs[2])
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
    batches = batches_of(many, batch=20, imgsz=32)
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
    with pytest.raises(ValueError, match=r"a\.png: size_hw is not known"):
        batches_of(unsized)
    with pytest.raises(ValueError, match=r"a\.png: size_hw is not known"):
        ValidationBatches(unsized, batch=1, imgsz=64, workers=0)
