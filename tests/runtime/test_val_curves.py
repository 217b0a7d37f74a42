"""Precision, recall and F1 over confidence, against loops and against COCO's own AP at IoU 0.5."""

from __future__ import annotations

import json

import numpy as np
import pytest
from random_evaluation import class_names, make_image, overlap_of, random_images

from yolo_edge.val import ConfidenceCurves, ImageBoxes, average_precision
from yolo_edge.val.comparison import Parameters, compare
from yolo_edge.val.confidence_curves import confidence_curves

BOX, ELSEWHERE = (0, 0, 100, 100), (300, 300, 400, 400)


def _curves(images: list[ImageBoxes], classes: int = 4) -> ConfidenceCurves:
    parameters = Parameters.of_coco()
    compared = [compare(image, parameters) for image in images]
    return confidence_curves(compared, class_names(classes), parameters)


def _by_loops(images: list[ImageBoxes], class_id: int) -> tuple[list[tuple[float, bool]], int]:
    """Each box of a class that counts, with whether it is right; and how many objects there are."""
    boxes, count = [], 0
    for image in images:
        found = image.found
        objects = [j for j in range(len(image.class_id)) if image.class_id[j] == class_id]
        count += sum(1 for j in objects if not image.crowd[j])
        taken: set[int] = set()
        ours = [i for i in range(len(found)) if found.class_id[i] == class_id]
        for i in sorted(ours, key=lambda i: -found.confidence[i]):
            box = found.xyxy[i].astype(np.float64).tolist()
            best, best_iou, in_crowd = None, 0.0, False
            for j in objects:
                overlap = overlap_of(box, image.xyxy[j].tolist(), bool(image.crowd[j]))
                if overlap < 0.5 or j in taken:
                    continue
                if image.crowd[j]:
                    in_crowd = True
                elif overlap >= best_iou:
                    best, best_iou = j, overlap
            if best is not None:
                taken.add(best)
            if best is not None or not in_crowd:
                boxes.append((float(found.confidence[i]), best is not None))
    return boxes, count


@pytest.mark.parametrize("seed", range(6))
def test_random_scenes(seed: int) -> None:
    images = random_images(seed, classes=4, ties=bool(seed % 2))
    curves = _curves(images)
    assert curves.class_ids.tolist() == [0, 1, 2]  # nothing of the last class is marked
    for number, class_id in enumerate(curves.class_ids.tolist()):
        boxes, objects = _by_loops(images, class_id)
        assert curves.objects[number] == objects
        for place in range(0, 1001, 50):
            conf = curves.confidence[place]
            found = sum(1 for score, _ in boxes if score > conf)
            right = sum(1 for score, is_right in boxes if is_right and score > conf)
            precision = right / found if found else float("nan")
            assert curves.precision[number, place] == pytest.approx(precision, nan_ok=True)
            assert curves.recall[number, place] == pytest.approx(right / objects)
            assert curves.f1[number, place] == pytest.approx(2 * right / (found + objects))


@pytest.mark.parametrize("seed", range(8))
def test_the_area_under_precision_over_recall_is_ap50(seed: int) -> None:
    images = random_images(seed, classes=5, images=12, ties=bool(seed % 2))
    figures = average_precision(images, class_names(5))
    curves = _curves(images, 5)
    assert dict(zip(curves.class_ids.tolist(), curves.ap50.tolist())) == pytest.approx(
        {row.class_id: row.ap50 for row in figures.classes}, abs=1e-12
    )
    assert float(curves.mean(curves.ap50)) == pytest.approx(figures.ap50, abs=1e-12)


def test_a_case_worked_out_by_hand() -> None:
    objects = [(0, *BOX), (0, *ELSEWHERE)]
    found = [(0, *BOX, 0.9), (0, 500, 0, 600, 100, 0.625), (0, *ELSEWHERE, 0.375)]
    curves = _curves([make_image(objects, found)])
    at = {conf: round(conf * 1000) for conf in (0.0, 0.375, 0.5, 0.625, 0.7, 0.95)}
    assert [curves.precision[0, at[c]] for c in (0.0, 0.375, 0.5, 0.625, 0.7)] == pytest.approx(
        [2 / 3, 1 / 2, 1 / 2, 1, 1]
    )
    assert np.isnan(curves.precision[0, at[0.95]])
    assert [curves.recall[0, at[c]] for c in (0.0, 0.5, 0.95)] == [1, 0.5, 0]
    assert [curves.f1[0, at[c]] for c in (0.0, 0.5, 0.7, 0.95)] == pytest.approx([4 / 5, 1 / 2, 2 / 3, 0])
    best = curves.best_f1()
    assert best is not None
    assert (best.f1, best.precision, best.recall) == pytest.approx((4 / 5, 2 / 3, 1))
    # The middle of 0 … 0.374, where nothing changes.
    assert best.confidence == pytest.approx(0.187)


def test_a_class_that_is_never_found_lowers_the_mean_but_not_precision() -> None:
    curves = _curves([make_image([(0, *BOX), (1, *ELSEWHERE)], [(0, *BOX, 0.9)])])
    best = curves.best_f1()
    assert best is not None
    assert (best.f1, best.precision, best.recall) == (0.5, 1.0, 0.5)
    assert curves.best_f1(1) is None
    assert curves.best_f1(0) is not None


@pytest.mark.parametrize(
    ("images", "classes"),
    [
        pytest.param([], 0, id="no images"),
        pytest.param([make_image([], [])], 0, id="an empty image"),
        pytest.param([make_image([], [(0, *BOX, 0.5)])], 0, id="no objects"),
        pytest.param([make_image([(2, *BOX)], [])], 1, id="no boxes"),
        pytest.param([make_image([(2, *BOX)], [(2, *ELSEWHERE, 0.9)])], 1, id="nothing right"),
        pytest.param([make_image([(2, *BOX)], [(2, *BOX, 0.9)], [True])], 0, id="only a crowd"),
    ],
)
def test_nothing_to_suggest(images: list[ImageBoxes], classes: int) -> None:
    curves = _curves(images)
    assert (len(curves.class_ids), curves.best_f1()) == (classes, None)
    content = curves.as_dict()
    assert (content["best_f1"], len(content["classes"])) == (None, classes)
    json.dumps(content, allow_nan=False)


def test_json_is_bounded() -> None:
    objects = [(number, 0, 0, 9, 9) for number in range(300) for _ in range(1 + number % 2)]
    image = make_image(objects, [(7, 0, 0, 9, 9, 0.5)], classes=300)
    content = _curves([image], 300).as_dict()
    assert len(content["classes"]) == 100
    assert {row["class_id"] % 2 for row in content["classes"]} == {1}  # those with most objects
    for curves in (content["mean"], *content["classes"]):
        assert {len(curves[name]) for name in ("precision", "recall", "f1", "precision_at_recall")} == {101}
    assert len(json.dumps(content)) < 400_000
