"""Mosaic, warp and flips: boxes against a recomputation by hand, and against the pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from painted import box_of_color, painted_dataset

from yolo_train.augment import Augmentation
from yolo_train.loading import TrainingBatches

SIZE = 128
STRONG = {"degrees": 25.0, "translate": 0.2, "scale": 0.5, "shear": 8.0, "perspective": 0.0008}
CASES = [
    pytest.param({"mosaic": 1.0}, id="mosaic alone"),
    pytest.param({"mosaic": 1.0, "translate": 0.1, "scale": 0.5}, id="mosaic moved and scaled"),
    pytest.param({"mosaic": 1.0, "degrees": 90.0}, id="mosaic turned"),
    pytest.param({"mosaic": 1.0, "fliplr": 0.5, "flipud": 0.5}, id="mosaic mirrored"),
    pytest.param({"mosaic": 1.0, "fliplr": 0.5, "flipud": 0.5, **STRONG}, id="mosaic with everything"),
    pytest.param({}, id="letterboxed"),
    pytest.param({"translate": 0.3, "scale": 0.5, "fliplr": 0.5}, id="letterboxed, moved and scaled"),
    pytest.param({"fliplr": 0.5, "flipud": 0.5, **STRONG}, id="letterboxed, with everything"),
]


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return painted_dataset(tmp_path_factory.mktemp("painted"))


def batches_of(samples, amounts, **changed):
    options = {"batch": 4, "imgsz": SIZE, "seed": 3, "workers": 0, "cache_mb": 10, **changed}
    augmentation = Augmentation(**{**vars(Augmentation.none()), **amounts})
    return TrainingBatches(samples, augmentation=augmentation, **options)


@pytest.mark.parametrize("amounts", CASES)
def test_each_box_encloses_the_pixels_of_its_object(samples, amounts):
    batches = batches_of(samples, amounts)
    seen = 0
    for epoch in range(12):
        order, position = order_of(samples, epoch), -1
        for batch in batches.epoch(epoch):
            for slot, planes in enumerate(batch.images):
                position += 1
                chosen = chosen_for(random_of(epoch, position), order, position, amounts)
                if len(set(chosen)) < len(chosen):
                    continue  # an image stands in the mosaic twice, and its colours too
                image = planes[::-1].transpose(1, 2, 0)
                for _, number, x, y, w, h in batch.targets[batch.targets[:, 0] == slot].tolist():
                    found = box_of_color(image, int(number))[1]
                    box = np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2]) * SIZE
                    # Pixels at the edges are blends; what is enlarged has wider ones.
                    reaches_out = (box - found) * [-1, -1, 1, 1]
                    assert reaches_out.min() >= -1, (epoch, slot, number, found, box)
                    # A flat corner that the picture's edge cuts off is a blend for longer.
                    cut = box.min() < 0.01 or box.max() > SIZE - 0.01
                    assert reaches_out.max() <= (8 if cut else 3), (epoch, slot, number, found, box)
                    seen += 1
    assert seen > 60


@pytest.mark.parametrize("amounts", CASES)
def test_what_has_no_box_is_hardly_in_the_picture(samples, amounts):
    sizes = {
        int(number): (box * np.array(sample.size_hw * 2)[[1, 0, 1, 0]], max(sample.size_hw))
        for sample in samples
        for number, box in zip(sample.objects.class_id, sample.objects.boxes)
    }
    for batch in batches_of(samples, amounts).epoch(0):
        for slot, planes in enumerate(batch.images):
            image = planes[::-1].transpose(1, 2, 0)
            known = set(batch.targets[batch.targets[:, 0] == slot][:, 1].astype(int).tolist())
            for number, ((x0, y0, x1, y1), long_side) in sizes.items():
                if number not in known:
                    largest = (x1 - x0) * (y1 - y0) * (SIZE / long_side * 1.5) ** 2
                    pixels, (left, top, right, bottom) = box_of_color(image, number)
                    thin = min(right - left, bottom - top) <= 3
                    assert thin or pixels <= 0.12 * largest, (slot, number)


@pytest.mark.parametrize("amounts", CASES)
def test_boxes_equal_a_recomputation_by_hand(samples, amounts):
    batches = batches_of(samples, amounts)
    compared = 0
    for epoch in range(6):
        order, position = order_of(samples, epoch), 0
        for batch in batches.epoch(epoch):
            for slot in range(len(batch)):
                wanted = by_hand(samples, order, position, epoch, amounts)
                got = batch.targets[batch.targets[:, 0] == slot][:, 1:]
                assert got.shape == (len(wanted), 5)
                assert np.abs(got - np.array(wanted).reshape(-1, 5)).max(initial=0) < 1e-6
                position += 1
                compared += len(wanted)
    assert compared > 40


def order_of(samples, epoch):
    return np.random.default_rng((3, epoch, 0, 0)).permutation(len(samples)).tolist()


def random_of(epoch, position):
    return np.random.default_rng((3, epoch, 2, position))


def chosen_for(random, order, position, amounts):
    """The samples of one picture: four of a mosaic, or one."""
    if random.random() >= amounts.get("mosaic", 0):
        return [order[position]]
    steps = random.integers(1, len(order), 3)
    chosen = [order[position], *(order[(position + step) % len(order)] for step in steps)]
    return [chosen[i] for i in random.permutation(4)]


def by_hand(samples, order, position, epoch, amounts):
    """The targets of one sample, number by number, step by step, from the same random numbers."""
    amount = {**vars(Augmentation.none()), **amounts}
    random = random_of(epoch, position)
    chosen = chosen_for(random, order, position, amounts)
    placed = []
    if len(chosen) == 4:
        side = 2 * SIZE
        x, y = random.integers(SIZE // 2, SIZE + SIZE // 2 + 1, 2)
        for quarter, index in enumerate(chosen):
            height, width = samples[index].size_hw
            ratio = SIZE / max(height, width)
            height, width = round(height * ratio), round(width * ratio)
            left, top = (x if quarter % 2 else x - width), (y if quarter >= 2 else y - height)
            placed.append((samples[index], left, top, width, height))
    else:
        side = SIZE
        height, width = samples[order[position]].size_hw
        ratio = SIZE / max(height, width)
        height, width = round(height * ratio), round(width * ratio)
        left, top = round((SIZE - width) / 2 - 0.1), round((SIZE - height) / 2 - 0.1)
        placed.append((samples[order[position]], left, top, width, height))

    px, py = random.uniform(-1, 1, 2) * amount["perspective"]
    angle = math.radians(random.uniform(-1, 1) * amount["degrees"])
    scale = 1 + random.uniform(-1, 1) * amount["scale"]
    shear_x, shear_y = (math.tan(math.radians(v * amount["shear"])) for v in random.uniform(-1, 1, 2))
    move_x, move_y = random.uniform(-1, 1, 2) * amount["translate"]
    upside_down, mirrored = random.random(), random.random()

    def through(x, y):
        x, y = x - side / 2, y - side / 2
        depth = px * x + py * y + 1
        x, y = (
            scale * (math.cos(angle) * x + math.sin(angle) * y),
            scale * (-math.sin(angle) * x + math.cos(angle) * y),
        )
        x, y = x + shear_x * y, shear_y * x + y
        x, y = x / depth + (0.5 + move_x) * SIZE, y / depth + (0.5 + move_y) * SIZE
        return (
            SIZE - x if mirrored < amount["fliplr"] else x,
            SIZE - y if upside_down < amount["flipud"] else y,
        )

    def within(value, low, high):
        return min(max(value, low), high)

    targets = []
    for sample, left, top, width, height in placed:
        for number, (x0, y0, x1, y1) in zip(sample.objects.class_id, sample.objects.boxes):
            x0, x1 = (within(left + v * width, max(left, 0), min(left + width, side)) for v in (x0, x1))
            y0, y1 = (within(top + v * height, max(top, 0), min(top + height, side)) for v in (y0, y1))
            corners = [through(x0, y0), through(x1, y0), through(x1, y1), through(x0, y1)]
            visible = clip_polygon(corners, SIZE)
            if not visible:
                continue
            left_out, right_out = (f(corner[0] for corner in visible) for f in (min, max))
            top_out, bottom_out = (f(corner[1] for corner in visible) for f in (min, max))
            w, h = right_out - left_out, bottom_out - top_out
            large_enough = w > 2 and h > 2 and w * h > 0.1 * (x1 - x0) * (y1 - y0) * scale**2
            if large_enough and max(w / h, h / w) < 100:
                center_x, center_y = (left_out + right_out) / 2, (top_out + bottom_out) / 2
                targets.append([number, center_x / SIZE, center_y / SIZE, w / SIZE, h / SIZE])
    return targets


def clip_polygon(corners, side):
    """A polygon within the square from 0 to side, by Sutherland and Hodgman's way, one edge after another."""
    for axis in (0, 1):
        for sign, limit in ((1, 0), (-1, -side)):
            kept = []
            for start, end in zip(corners, [*corners[1:], *corners[:1]]):
                before, after = sign * start[axis] - limit, sign * end[axis] - limit
                if before >= 0:
                    kept.append(start)
                if (before >= 0) != (after >= 0):
                    at = before / (before - after)
                    kept.append(tuple(s + at * (e - s) for s, e in zip(start, end)))
            corners = kept
    return corners
