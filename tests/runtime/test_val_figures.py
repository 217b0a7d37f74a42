"""COCO's figures: cases with known answers, and every number against pycocotools' own COCOeval."""

from __future__ import annotations

import contextlib
import io
import math
from dataclasses import astuple

import numpy as np
import pytest
from random_evaluation import make_image

from yolo_edge.val import Figures, ImageBoxes, average_precision

NAMES = ("cat", "dog", "bird", "cow")


def _cocoeval(images: list[ImageBoxes]) -> tuple[list[float], dict[int, float]]:
    """The twelve figures and the AP of each class by the original."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def xywh(xyxy: np.ndarray) -> list[list[float]]:
        return [[x0, y0, x1 - x0, y1 - y0] for x0, y0, x1, y1 in xyxy.astype(np.float64).tolist()]

    truth, found = [], []
    for index, image in enumerate(images):
        columns = zip(image.class_id.tolist(), xywh(image.xyxy), image.area_px.tolist(), image.crowd.tolist())
        truth += [
            {"image_id": index, "category_id": c, "bbox": b, "area": a, "iscrowd": int(crowd)}
            for c, b, a, crowd in columns
        ]
        columns = zip(image.found.class_id.tolist(), xywh(image.found.xyxy), image.found.confidence.tolist())
        found += [{"image_id": index, "category_id": c, "bbox": b, "score": s} for c, b, s in columns]
    coco = COCO()
    coco.dataset = {
        "info": {},
        "images": [{"id": index} for index in range(len(images))],
        "categories": [{"id": index} for index in range(len(NAMES))],
        "annotations": [{"id": number, **row} for number, row in enumerate(truth, 1)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        evaluator = COCOeval(coco, coco.loadRes(found), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    precision = evaluator.eval["precision"][:, :, :, 0, 2]
    return list(evaluator.stats), {k: float(precision[:, :, k].mean()) for k in range(len(NAMES))}


def _twelve(figures: Figures) -> list[float]:
    return [-1.0 if value is None else value for value in astuple(figures)[:12]]


def test_the_objects_themselves_as_boxes_are_perfect() -> None:
    objects = [(0, 10, 10, 30, 30), (0, 50, 50, 150, 150), (1, 5, 5, 60, 60)]
    figures = average_precision([make_image(objects, [(*row, 0.9) for row in objects])], NAMES)
    assert _twelve(figures)[:6] == pytest.approx([1.0] * 6)
    assert (figures.ar1, figures.ar10, figures.ar100) == pytest.approx((0.75, 1.0, 1.0))
    assert (figures.objects, figures.objects_small, figures.objects_medium, figures.objects_large) == (
        3,
        1,
        1,
        1,
    )
    assert [(row.name, row.images, row.objects) for row in figures.classes] == [("cat", 1, 2), ("dog", 1, 1)]


def test_a_case_worked_out_by_hand() -> None:
    # Two objects. Found in this order: right (IoU 1), wrong, right (IoU 0.6: of the first three thresholds).
    objects = [(0, 0, 0, 100, 100), (0, 200, 0, 300, 100)]
    found = [(0, 0, 0, 100, 100, 0.9), (0, 400, 0, 500, 100, 0.8), (0, 200, 0, 300, 60, 0.7)]
    figures = average_precision([make_image(objects, found)], NAMES)
    # Recall 0.5 with precision 1 (levels 0 … 0.50: 51 of 101), recall 1 with precision 2/3 (the other 50).
    both, one = (51 + 50 * 2 / 3) / 101, 51 / 101
    assert figures.ap50 == pytest.approx(both)
    assert figures.ap75 == pytest.approx(one)
    assert figures.ap == pytest.approx((3 * both + 7 * one) / 10)
    assert figures.ar100 == pytest.approx((3 * 1.0 + 7 * 0.5) / 10)
    assert figures.ar1 == pytest.approx(0.5)
    assert (figures.ap_small, figures.ap_medium) == (None, None)


def test_nothing_found_and_nothing_marked() -> None:
    figures = average_precision([make_image([(2, 0, 0, 10, 10)], [])], NAMES)
    assert (figures.ap, figures.ar100, figures.ap_small, figures.ap_large) == (0.0, 0.0, 0.0, None)
    figures = average_precision([make_image([], [(0, 0, 0, 10, 10, 0.5)])], NAMES)
    assert (figures.ap, figures.ar100, figures.objects, figures.classes) == (None, None, 0, ())
    assert average_precision([], NAMES).ap is None


def test_boxes_of_classes_without_objects_change_nothing() -> None:
    objects, right = [(0, 0, 0, 100, 100)], [(0, 0, 0, 100, 100, 0.5)]
    with_others = make_image(objects, [*right, (1, 0, 0, 100, 100, 0.9)])
    assert average_precision([with_others], NAMES) == average_precision([make_image(objects, right)], NAMES)


def test_what_is_found_in_a_crowd_does_not_count() -> None:
    objects = [(0, 0, 0, 100, 100), (0, 200, 200, 400, 400)]
    found = [(0, 0, 0, 100, 100, 0.5), (0, 210, 210, 250, 250, 0.9), (0, 300, 300, 350, 350, 0.8)]
    figures = average_precision([make_image(objects, found, [False, True])], NAMES)
    assert (figures.ap, figures.objects, figures.crowds) == (pytest.approx(1.0), 1, 1)
    assert average_precision([make_image(objects, found)], NAMES).ap < 0.5


@pytest.mark.parametrize("seed", range(12))
def test_every_number_equals_pycocotools(seed: int) -> None:
    """Random scenes: overlaps, equal confidences, crowds, all sizes, more than 100 boxes of a class."""
    chance = np.random.default_rng(seed)
    images = []
    for _ in range(8):
        count = int(chance.integers(0, 12))
        corner = chance.uniform(0, 300, (count, 2))
        side = chance.choice([12.0, 32.0, 60.0, 96.0, 200.0], (count, 2)) * chance.choice(
            [1.0, 0.9], (count, 2)
        )
        xyxy = np.concatenate([corner, corner + side], 1)
        class_id = chance.integers(0, 3, count)
        objects = np.concatenate([class_id[:, None], xyxy], 1)
        repeats = np.repeat(objects, chance.integers(0, 6, count), axis=0)
        repeats[:, 1:] += chance.normal(0, 6, (len(repeats), 4))
        noise = np.empty((130 if seed % 3 == 0 else 20, 5))
        noise[:, 0] = chance.integers(0, 2 if seed % 2 else 4, len(noise))
        noise[:, 1:3] = chance.uniform(0, 400, (len(noise), 2))
        noise[:, 3:] = noise[:, 1:3] + chance.uniform(1, 150, (len(noise), 2))
        boxes = np.concatenate([repeats, noise])
        boxes[:, 3:] = np.maximum(boxes[:, 3:], boxes[:, 1:3] + 1)
        confidence = np.round(chance.uniform(0.001, 1, len(boxes)), 1 if seed % 2 else 6)
        found = np.concatenate([boxes, confidence[:, None]], 1)[np.argsort(-confidence, kind="stable")]
        crowd = (chance.uniform(size=count) < 0.15).tolist()
        images.append(make_image(objects.tolist(), found.tolist(), crowd))
    stats, classes = _cocoeval(images)
    figures = average_precision(images, NAMES)
    assert _twelve(figures) == pytest.approx(stats, abs=1e-12)
    assert {row.class_id: row.ap for row in figures.classes} == pytest.approx(
        {k: ap for k, ap in classes.items() if ap > -1}, abs=1e-12
    )
    assert not any(math.isnan(value) for value in _twelve(figures))
