from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest

from yolo_edge.tuning.statistics import Ratio, is_known, median, paired_ratio, quantile


@pytest.mark.parametrize(
    ("values", "middle", "p95"),
    [
        pytest.param([3.0], 3.0, 3.0, id="one"),
        pytest.param([4.0, 2.0], 3.0, 4.0, id="two"),
        pytest.param([9.0, 1.0, 5.0], 5.0, 9.0, id="odd"),
        pytest.param([float(i) for i in range(101)], 50.0, 95.0, id="many"),
    ],
)
def test_median_and_quantile(values: Sequence[float], middle: float, p95: float) -> None:
    assert (median(values), quantile(values, 0.95)) == (middle, p95)


@pytest.mark.parametrize(
    ("count", "inside"),
    [
        pytest.param(5, None, id="five pairs say nothing"),
        pytest.param(6, (0, 5), id="six: all of them"),
        pytest.param(8, (0, 7), id="eight"),
        pytest.param(9, (1, 7), id="nine"),
        pytest.param(30, (9, 20), id="thirty"),
        pytest.param(40, (13, 26), id="forty"),
    ],
)
def test_the_interval_is_that_of_the_sign_test(count: int, inside: tuple[int, int] | None) -> None:
    ratios = [1.0 + i / 100 for i in range(count)]
    found = paired_ratio(ratios[::-1], [1.0] * count)
    expected = (0.0, math.inf) if inside is None else (ratios[inside[0]], ratios[inside[1]])
    assert (found.low, found.high) == expected
    assert is_known(found) == (inside is not None)


def test_drift_that_slows_both_does_not_count() -> None:
    drift = [1.0 + i for i in range(20)]
    assert paired_ratio([2 * x for x in drift], drift) == Ratio(2.0, 2.0, 2.0)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    chance = random.Random(0)
    hits = 0
    for _ in range(400):
        pairs = [(chance.lognormvariate(0.1, 0.3), chance.lognormvariate(0, 0.3)) for _ in range(20)]
        found = paired_ratio([a for a, _ in pairs], [b for _, b in pairs])
        hits += found.low <= math.exp(0.1) <= found.high
    assert hits >= 0.93 * 400
