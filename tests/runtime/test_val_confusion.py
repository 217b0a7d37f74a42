"""The confusion matrix: cases worked out by hand, and random scenes against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from random_evaluation import class_names, make_image, overlap_of, random_images

from yolo_edge.val import ConfusionMatrix, ConfusionThresholds, ImageBoxes
from yolo_edge.val.confusion import ConfusionCounter

CAT, DOG, BIRD, COW, BACKGROUND = range(5)
BOX, ELSEWHERE = (0, 0, 100, 100), (300, 300, 400, 400)


def _matrix(images: list[ImageBoxes], classes: int = 4, **thresholds: float) -> ConfusionMatrix:
    counter = ConfusionCounter(class_names(classes), ConfusionThresholds(**thresholds))
    for image in images:
        counter.add(image)
    return counter.matrix()


def _cells(matrix: ConfusionMatrix) -> dict[tuple[int, int], int]:
    return {(row, column): n for (row, column), n in np.ndenumerate(matrix.counts) if n}


def _by_loops(images: list[ImageBoxes], classes: int, conf: float, iou: float) -> np.ndarray:
    """Box after box by descending confidence, object after object."""
    counts = np.zeros((classes + 1, classes + 1), np.int64)
    for image in images:
        found = image.found
        boxes = sorted(range(len(found)), key=lambda i: -found.confidence[i])
        objects = list(zip(image.xyxy.tolist(), image.class_id.tolist(), image.crowd.tolist()))
        taken: set[int] = set()
        for i in boxes:
            if found.confidence[i] <= conf:
                continue
            predicted, best, best_iou, in_crowd = int(found.class_id[i]), None, 0.0, False
            for j, (xyxy, true, crowd) in enumerate(objects):
                overlap = overlap_of(found.xyxy[i].astype(np.float64).tolist(), xyxy, crowd)
                if overlap < iou or j in taken:
                    continue
                if crowd:
                    in_crowd = in_crowd or true == predicted
                elif overlap >= best_iou:
                    best, best_iou = j, overlap
            if best is not None:
                taken.add(best)
                counts[predicted, objects[best][1]] += 1
            elif not in_crowd:
                counts[predicted, classes] += 1
        for j, (_, true, crowd) in enumerate(objects):
            if j not in taken and not crowd:
                counts[classes, true] += 1
    return counts


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("conf", "iou"), [(0.25, 0.45), (0.0, 0.1), (0.6, 0.8)])
def test_random_scenes(seed: int, conf: float, iou: float) -> None:
    images = random_images(seed, classes=5, ties=bool(seed % 2))
    expected = _by_loops(images, 5, conf, iou)
    matrix = _matrix(images, 5, conf=conf, iou=iou)
    assert matrix.counts.tolist() == expected.tolist()
    assert matrix.counts.sum() > 50
    assert matrix.counts[:-1, :-1].sum() > 0


@pytest.mark.parametrize(
    ("objects", "found", "cells"),
    [
        pytest.param([], [], {}, id="an empty image"),
        pytest.param([(CAT, *BOX)], [], {(BACKGROUND, CAT): 1}, id="nothing found"),
        pytest.param([], [(DOG, *BOX, 0.9)], {(DOG, BACKGROUND): 1}, id="nothing marked"),
        pytest.param([(CAT, *BOX)], [(CAT, *BOX, 0.9)], {(CAT, CAT): 1}, id="right"),
        pytest.param([(CAT, *BOX)], [(DOG, *BOX, 0.9)], {(DOG, CAT): 1}, id="another class"),
        pytest.param([(CAT, *BOX)], [(CAT, *BOX, 0.25)], {(BACKGROUND, CAT): 1}, id="at the threshold"),
        pytest.param(
            [(CAT, *BOX)],
            [(CAT, *ELSEWHERE, 0.9)],
            {(BACKGROUND, CAT): 1, (CAT, BACKGROUND): 1},
            id="elsewhere",
        ),
        pytest.param(
            [(CAT, *BOX)],
            [(CAT, *BOX, 0.5), (DOG, *BOX, 0.9)],
            {(DOG, CAT): 1, (CAT, BACKGROUND): 1},
            id="the more confident box has its turn first",
        ),
        pytest.param(
            [(CAT, *BOX), (CAT, 0, 0, 100, 60)],
            [(CAT, 0, 0, 100, 99, 0.9), (CAT, *BOX, 0.8)],
            {(CAT, CAT): 2},
            id="the second takes what is left",
        ),
    ],
)
def test_known_cases(objects: list[tuple], found: list[tuple], cells: dict[tuple[int, int], int]) -> None:
    assert _cells(_matrix([make_image(objects, found)])) == cells


def test_crowds() -> None:
    found = [(CAT, 10, 10, 50, 50, 0.9), (CAT, 40, 40, 90, 90, 0.8), (DOG, 20, 20, 60, 60, 0.7)]
    image = make_image([(CAT, *BOX)], found, [True])
    assert _cells(_matrix([image])) == {(DOG, BACKGROUND): 1}
    # An object in the crowd goes before it.
    image = make_image([(CAT, 0, 0, 100, 100), (CAT, 10, 10, 50, 50)], found, [True, False])
    assert _cells(_matrix([image])) == {(CAT, CAT): 1, (DOG, BACKGROUND): 1}


def test_shares_and_the_most_confused() -> None:
    images = [make_image([(CAT, *BOX)], [(DOG, *BOX, 0.9)])] * 3
    images += [make_image([(CAT, *BOX)], [(CAT, *BOX, 0.9)]), make_image([(BIRD, *BOX)], [(COW, *BOX, 0.9)])]
    matrix = _matrix(images)
    assert matrix.normalised()[:, CAT].tolist() == [0.25, 0.75, 0, 0, 0]
    assert matrix.normalised()[:, BACKGROUND].tolist() == [0] * 5
    confused = matrix.most_confused(9)
    assert [(c.true, c.predicted, c.boxes, c.share) for c in confused] == [
        (CAT, DOG, 3, 0.75),
        (BIRD, COW, 1, 1.0),
    ]
    assert len(matrix.most_confused(1)) == 1
    assert matrix.as_dict() == {"conf": 0.25, "iou": 0.45, "cells": [[0, 0, 1], [1, 0, 3], [3, 2, 1]]}


def test_background_is_null_in_json() -> None:
    image = make_image([(CAT, *BOX)], [(DOG, *ELSEWHERE, 0.9)])
    assert _matrix([image]).as_dict()["cells"] == [[1, None, 1], [None, 0, 1]]


def test_no_images() -> None:
    matrix = _matrix([])
    assert (matrix.counts.shape, matrix.counts.sum(), matrix.most_confused(5)) == ((5, 5), 0, [])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param({"conf": 1.5}, "conf of the confusion matrix is 1.5; .* from 0 to 1", id="conf"),
        pytest.param({"iou": 0}, "iou of the confusion matrix is 0; .* above 0", id="iou of zero"),
        pytest.param({"iou": float("nan")}, "iou of the confusion matrix is nan", id="NaN"),
    ],
)
def test_thresholds(arguments: dict[str, float], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ConfusionThresholds(**arguments)
