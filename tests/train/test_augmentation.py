"""Hyper-parameters, the warp's filter, colours, mixup and letterboxing."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys

import cv2
import numpy as np
import pytest

from yolo_edge import _core
from yolo_edge.datasets import Objects
from yolo_train.augment import Augmentation, letterboxed, mosaic_of, random_warp
from yolo_train.augment.clipping import boxes_around_visible
from yolo_train.augment.color import random_hsv_table, to_planar_rgb
from yolo_train.augment.placement import Placement
from yolo_train.augment.sample import Part, Sample, compose, mixup
from yolo_train.augment.warp import warp_boxes, warp_image

NONE = Augmentation.none()
IDENTITY = np.eye(3)


def noise(size_hw, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size_hw, 3), dtype=np.uint8)


def test_defaults_are_those_of_yolov5s_scratch_low():
    assert dataclasses.asdict(Augmentation()) == {
        "hsv_h": 0.015,
        "hsv_s": 0.7,
        "hsv_v": 0.4,
        "degrees": 0.0,
        "translate": 0.1,
        "scale": 0.5,
        "shear": 0.0,
        "perspective": 0.0,
        "flipud": 0.0,
        "fliplr": 0.5,
        "mosaic": 1.0,
        "mixup": 0.0,
    }


@pytest.mark.parametrize(
    ("values", "faults"),
    [
        pytest.param({"mosaic": 1.5}, ["mosaic is 1.5; it must be a number from 0 to 1"], id="above one"),
        pytest.param({"fliplr": -0.1}, ["fliplr is -0.1; it must be a number from 0 to 1"], id="negative"),
        pytest.param(
            {"degrees": 181, "perspective": 0.01},
            ["degrees is 181; it must be a number from 0 to 180", "perspective is 0.01; it must be a"],
            id="two at once",
        ),
        pytest.param(
            {"scale": 1.0}, ["scale is 1.0; it must be a number from 0 to 0.95"], id="scale of zero"
        ),
        pytest.param({"hsv_h": math.nan}, ["hsv_h is nan"], id="not a number"),
        pytest.param({"shear": "2"}, ["shear is '2'"], id="text"),
        pytest.param({"mixup": True}, ["mixup is True"], id="truth value"),
    ],
)
def test_values_outside_their_range_are_refused(values, faults):
    with pytest.raises(ValueError, match="must be a number") as caught:
        Augmentation(**values)
    for fault in faults:
        assert fault in str(caught.value)


def boxes_through(boxes, matrix, scale=1.0, side=100):
    """Boxes of an image that fills the canvas."""
    rects = np.tile([0.0, 0.0, side, side], (len(boxes), 1))
    return warp_boxes(np.array(boxes, float).reshape(-1, 4), rects, rects, matrix, scale, (side, side))


WHOLE = Placement((0.0, 0.0, 100.0, 100.0), (0.0, 0.0, 100.0, 100.0))
MOVED = np.array([[1.0, 0, 50], [0, 1, 0], [0, 0, 1]])
HALVED = np.diag([0.5, 0.5, 1.0])


@pytest.mark.parametrize(
    ("box", "matrix", "scale", "wanted"),
    [
        pytest.param((0.2, 0.3, 0.6, 0.7), IDENTITY, 1.0, (20, 30, 60, 70), id="inside"),
        pytest.param((0.2, 0.3, 0.6, 0.7), MOVED, 1.0, (70, 30, 100, 70), id="clipped"),
        pytest.param(
            (0.44, 0.0, 0.94, 1.0), MOVED, 1.0, (94, 0, 100, 100), id="little more than a tenth left"
        ),
        pytest.param((0.46, 0.0, 0.96, 1.0), MOVED, 1.0, None, id="less than a tenth left"),
        pytest.param((0.6, 0.2, 0.8, 0.4), MOVED, 1.0, None, id="outside"),
        pytest.param((0.5, 0.2, 0.8, 0.4), MOVED, 1.0, None, id="touching from outside"),
        pytest.param((0.2, 0.2, 0.8, 0.4), HALVED, 0.5, (10, 10, 40, 20), id="halved keeps its share"),
        pytest.param((0.2, 0.2, 0.24, 0.4), HALVED, 0.5, None, id="no wider than 2 px"),
        pytest.param((0.2, 0.2, 0.25, 0.4), HALVED, 0.5, (10, 10, 12.5, 20), id="wider than 2 px"),
        pytest.param((0.2, 0.2, 0.9, 0.215), IDENTITY, 1.0, None, id="flat"),
        pytest.param((0.2, 0.2, 0.2, 0.4), IDENTITY, 1.0, None, id="zero area"),
        pytest.param((0.0, 0.0, 1.0, 1.0), IDENTITY, 1.0, (0, 0, 100, 100), id="whole image"),
    ],
)
def test_which_boxes_are_clipped_and_dropped(box, matrix, scale, wanted):
    boxes, kept = boxes_through([box], matrix, scale)
    assert kept.tolist() == [wanted is not None]
    if wanted is not None:
        np.testing.assert_allclose(boxes[0], wanted, atol=1e-9)


def test_sides_beyond_one_to_a_hundred_are_dropped():
    boxes = [[0.0, 0.1, 0.3, 0.1029], [0.0, 0.1, 0.3, 0.1031]]
    assert boxes_through(boxes, IDENTITY, side=1000)[1].tolist() == [False, True]


def test_no_boxes_give_no_boxes():
    boxes, kept = boxes_through([], IDENTITY)
    assert boxes.shape == (0, 4)
    assert kept.shape == (0,)
    turned = np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]])
    assert boxes_through([], turned)[0].shape == (0, 4)


def test_what_is_behind_the_viewer_is_dropped():
    matrix = np.array([[1.0, 0, 0], [0, 1, 0], [-0.02, 0, 1]])  # the horizon is at x = 50
    boxes = [[0.0, 0.0, 0.2, 0.2], [0.3, 0.0, 0.7, 0.2], [0.6, 0.0, 0.9, 0.2]]
    warped, kept = boxes_through(boxes, matrix)
    assert kept.tolist() == [True, False, False]
    assert np.isfinite(warped).all()


@pytest.mark.parametrize(
    ("corners", "wanted"),
    [
        pytest.param([(2, 2), (8, 2), (8, 8), (2, 8)], (2, 2, 8, 8), id="inside"),
        pytest.param([(-5, -5), (20, -5), (20, 20), (-5, 20)], (0, 0, 10, 10), id="around the picture"),
        pytest.param([(-6, 5), (5, -6), (6, -5), (-5, 6)], (0, 0, 1, 1), id="band across a corner"),
        pytest.param([(-6, 4), (4, -6), (5, -5), (-5, 5)], (0, 0, 0, 0), id="touches a corner"),
        pytest.param([(-20, 4), (3, -20), (4, -19), (-19, 5)], (0, 0, 0, 0), id="beside a corner"),
        pytest.param([(5, -5), (15, 5), (5, 15), (-5, 5)], (0, 0, 10, 10), id="diamond"),
        pytest.param([(5, -3), (8, 0), (5, 3), (2, 0)], (2, 0, 8, 3), id="half of a diamond"),
        pytest.param([(11, 1), (12, 1), (12, 5), (11, 5)], (0, 0, 0, 0), id="outside"),
    ],
)
def test_boxes_around_what_is_visible(corners, wanted):
    xs, ys = np.array([corners], float).transpose(2, 0, 1)
    for turn in range(4):
        for order in (slice(None), slice(None, None, -1)):
            box = boxes_around_visible(np.roll(xs, turn, 1)[:, order], np.roll(ys, turn, 1)[:, order], 10, 10)
            np.testing.assert_allclose(box, [wanted], atol=1e-12)


def test_without_augmentation_the_pixels_are_the_letterboxs():
    image = noise((75, 100))
    objects = Objects(np.zeros(0, np.int32), np.empty((0, 4)), np.zeros(0, bool), np.zeros(0))
    matrix, scale = random_warp(np.random.default_rng(0), NONE, (96, 128), (96, 128))
    place = letterboxed((75, 100), (96, 128))
    sample = compose([Part(lambda: image, objects, place)], matrix, scale, (96, 128))
    planes = np.empty((3, 96, 128), np.uint8)
    to_planar_rgb(sample.image, random_hsv_table(np.random.default_rng(0), NONE), planes)
    wanted = np.empty((3, 96, 128), np.uint8)
    geometry = _core.letterbox_geometry((75, 100), size_hw=(96, 128), stride=32, mode="square")
    _core.Letterbox().run(image, geometry, wanted)
    # Two ways to interpolate in integers.
    assert np.abs(planes.astype(int) - wanted).max() <= 4


@pytest.mark.parametrize(("name", "axis"), [("fliplr", 1), ("flipud", 0)])
def test_a_flip_moves_every_pixel_exactly(name, axis):
    image = noise((64, 64))
    matrix, _ = random_warp(
        np.random.default_rng(0), dataclasses.replace(NONE, **{name: 1.0}), (64, 64), (64, 64)
    )
    out = np.zeros((64, 64, 3), np.uint8)
    assert warp_image(lambda: image, letterboxed((64, 64), (64, 64)), matrix, out)
    assert np.array_equal(out, np.flip(image, axis))


def test_tiles_of_a_mosaic_leave_no_gap_and_do_not_overlap():
    random = np.random.default_rng(1)
    amounts = dataclasses.replace(NONE, scale=0.5, translate=0.2, degrees=15, shear=5)
    for upright in (True, False):
        chosen = dataclasses.replace(amounts, degrees=0, shear=0) if upright else amounts
        for _ in range(20):
            places = mosaic_of([(64, 64)] * 4, 64, random)
            matrix, _ = random_warp(random, chosen, (128, 128), (64, 64))
            canvas = np.zeros((128, 128), np.uint8)
            tiles = np.zeros((64, 64), int)
            for place in places:
                x0, y0, x1, y1 = map(int, place.shown)
                canvas[y0:y1, x0:x1] = 255
                out = np.zeros((64, 64, 3), np.uint8)
                warp_image(lambda: np.full((64, 64, 3), 255, np.uint8), place, matrix, out)
                tiles += out[..., 0] // 255
            shift = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
            pixels = np.linalg.inv(shift) @ matrix @ shift
            covered = cv2.warpPerspective(canvas, pixels, (64, 64), flags=cv2.INTER_NEAREST) > 0
            assert (tiles > 0).sum() > 500
            if upright:
                assert tiles.max() == 1
            # Pixels on an edge may fall to either side of it by rounding.
            assert ((tiles > 0) != covered).mean() < 0.01


def test_an_image_outside_the_picture_is_not_read():
    matrix = np.array([[1.0, 0, 200], [0, 1, 0], [0, 0, 1]])

    def read():
        raise AssertionError("read")

    assert not warp_image(read, WHOLE, matrix, np.zeros((100, 100, 3), np.uint8))


def test_mosaics_meet_in_the_middle_half():
    random = np.random.default_rng(0)
    points = []
    for _ in range(400):
        places = mosaic_of([(50, 100), (100, 50), (10, 10), (400, 100)], 100, random)
        x, y = places[3].rect[:2]
        points.append((x, y))
        assert places[0].rect == (x - 100, y - 50, x, y)
        assert places[1].rect == (x, y - 100, x + 50, y)
        assert places[2].rect == (x - 100, y, x, y + 100)
        assert places[3].rect == (x, y, x + 25, y + 100)
        for place in places:
            assert min(place.shown) >= 0
            assert max(place.shown) <= 200
    assert np.min(points) in (50, 51)
    assert np.max(points) in (149, 150)


def test_colours_change_as_multiplied_hsv():
    image = noise((33, 47))
    amounts = dataclasses.replace(NONE, hsv_h=0.5, hsv_s=0.7, hsv_v=0.4)
    table = random_hsv_table(np.random.default_rng(5), amounts)
    gains = 1 + np.random.default_rng(5).uniform(-1, 1, 3) * [0.5, 0.7, 0.4]
    hue, saturation, value = cv2.split(cv2.cvtColor(image, cv2.COLOR_BGR2HSV))
    changed = cv2.merge(
        [
            ((hue * gains[0]) % 180).astype(np.uint8),
            np.clip(saturation * gains[1], 0, 255).astype(np.uint8),
            np.clip(value * gains[2], 0, 255).astype(np.uint8),
        ]
    )
    wanted = cv2.cvtColor(changed, cv2.COLOR_HSV2RGB).transpose(2, 0, 1)
    planes = np.empty((3, 33, 47), np.uint8)
    to_planar_rgb(image, table, planes)
    assert np.array_equal(planes, wanted)


def test_colours_stay_to_the_bit_when_nothing_is_to_change():
    image = noise((33, 47))
    table = random_hsv_table(np.random.default_rng(5), NONE)
    assert table is None
    planes = np.empty((3, 33, 47), np.uint8)
    to_planar_rgb(image, table, planes)
    assert np.array_equal(planes, image[..., ::-1].transpose(2, 0, 1))


def test_mixup_blends_images_and_keeps_all_objects():
    def sample(level, count):
        return Sample(
            np.full((8, 8, 3), level, np.uint8), np.full(count, level, np.int32), np.ones((count, 4))
        )

    shares = []
    random = np.random.default_rng(0)
    for _ in range(300):
        mixed = mixup(sample(200, 2), sample(0, 3), random)
        assert mixed.class_id.tolist() == [200, 200, 0, 0, 0]
        assert mixed.boxes.shape == (5, 4)
        shares.append(mixed.image[0, 0, 0] / 200)
    # beta(32, 32): mean 0.5, standard deviation 1 / sqrt(4 * 65).
    assert abs(np.mean(shares) - 0.5) < 0.02
    assert abs(np.std(shares) - 0.062) < 0.01


def test_groups_of_objects_are_left_out():
    boxes = np.array([[0.1, 0.1, 0.5, 0.5], [0.5, 0.5, 0.9, 0.9]])
    objects = Objects(np.array([3, 4], np.int32), boxes, np.array([True, False]), np.full(2, np.nan))
    sample = compose([Part(lambda: noise((100, 100)), objects, WHOLE)], IDENTITY, 1.0, (100, 100))
    assert sample.class_id.tolist() == [4]


def test_the_packages_load_nothing_heavy():
    code = (
        "import sys, yolo_train.anchors, yolo_train.augment, yolo_train.loading\n"
        "import yolo_train.commands.anchors\n"
        "print(sorted({'cv2', 'numpy', 'torch', 'yaml'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
