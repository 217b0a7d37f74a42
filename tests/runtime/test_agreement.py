from __future__ import annotations

import numpy as np
import pytest

from yolo_edge.agreement import box_agreement
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
