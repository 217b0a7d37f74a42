from __future__ import annotations

import numpy as np
import pytest

from yolo_edge.checking.agreement import box_agreement, nms_agreement
from yolo_edge.checking.reference import Boxes
from yolo_edge.detections import Detections


def _boxes(*rows: tuple[float, ...]) -> Detections:
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int32), ("a", "b"))


A = (0, 0, 100, 100, 0.9, 0)
B = (200, 200, 300, 300, 0.5, 1)


@pytest.mark.parametrize(
    ("found", "expected", "share"),
    [
        pytest.param([], [], 1.0, id="both empty"),
        pytest.param([A, B], [B, A], 1.0, id="other order"),
        pytest.param([A], [A, B], 0.5, id="one missing"),
        pytest.param([A, B], [A], 0.5, id="one extra"),
        pytest.param([(*A[:5], 1)], [A], 0.0, id="other class"),
        pytest.param([(*A[:4], 0.93, 0)], [A], 0.0, id="other confidence"),
        pytest.param([(1, 0, 101, 100, 0.9, 0)], [A], 1.0, id="moved a little"),
        pytest.param([(6, 0, 106, 100, 0.9, 0)], [A], 0.0, id="moved too far"),
        pytest.param([A, A], [A], 0.5, id="one to one"),
        pytest.param([(5, 5, 5, 9, 0.9, 0)], [(5, 5, 5, 9.05, 0.9, 0)], 1.0, id="boxes without area"),
    ],
)
def test_share(found: list[tuple[float, ...]], expected: list[tuple[float, ...]], share: float) -> None:
    assert box_agreement(_boxes(*found), _boxes(*expected)) == share


# Three boxes in a row, of which the one in the middle overlaps both others by more than 0.45.
ROW = [(0, 0, 100, 100), (30, 0, 130, 100), (60, 0, 160, 100)]
LEFT, MIDDLE, RIGHT = ((*box, 0.5, 0) for box in ROW)


@pytest.mark.parametrize(
    ("scores", "found", "share"),
    [
        pytest.param((0.5, 0.5, 0.5), [LEFT, RIGHT], 1.0, id="the outer two"),
        pytest.param((0.5, 0.5, 0.5), [MIDDLE], 1.0, id="the middle one"),
        pytest.param((0.5, 0.50009, 0.5), [LEFT, RIGHT], 1.0, id="within rounding"),
        pytest.param((0.5, 0.53, 0.5), [LEFT, RIGHT], 2 / 3, id="a better one was dropped"),
        pytest.param((0.5, 0.5, 0.5), [LEFT, MIDDLE, RIGHT], 2 / 3, id="no suppression"),
        pytest.param((0.5, 0.5, 0.5), [LEFT], 2 / 3, id="too much suppression"),
        pytest.param((0.5, 0.5, 0.5), [(*ROW[1], 0.5, 1)], 0.0, id="another class"),
        pytest.param((0.5, 0.5, 0.5), [(*ROW[1], 0.6, 0)], 0.0, id="another score"),
        pytest.param((0.5, 0.5, 0.5), [(5, 20, 135, 100, 0.5, 0)], 0.0, id="another box"),
        pytest.param((0.5, 0.5, 0.5), [], 0.0, id="nothing found"),
        pytest.param((0.1, 0.1, 0.1), [], 1.0, id="nothing to find"),
        pytest.param((0.1, 0.1, 0.1), [LEFT], 0.0, id="something out of nothing"),
        pytest.param((0.25005, 0.1, 0.1), [], 1.0, id="at the threshold"),
    ],
)
def test_results_that_nms_may_give(
    scores: tuple[float, ...], found: list[tuple[float, ...]], share: float
) -> None:
    candidates = Boxes(np.array(ROW, np.float64), np.array([(score, 0.01) for score in scores]))
    size = (200, 200)
    assert nms_agreement(
        _boxes(*found), candidates, tensor_hw=size, source_hw=size, conf=0.25, iou=0.45, slack=1e-4
    ) == pytest.approx(share)
