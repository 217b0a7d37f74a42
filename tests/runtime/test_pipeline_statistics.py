from __future__ import annotations

import numpy as np
import pytest

from yolo_edge import Detections
from yolo_edge.pipeline import AgeHistogram, RunStatistics, SourceStatistics

ONE = Detections(np.array([[0, 0, 1, 1]]), np.array([0.5]), np.array([0]), ("cat",))


@pytest.mark.parametrize("percent", [0, 1, 50, 95, 100])
@pytest.mark.parametrize("scale_ms", [0.02, 30.0, 1e6])
def test_percentiles_are_within_a_half_percent(percent: int, scale_ms: float) -> None:
    ages_ms = np.random.default_rng(0).lognormal(np.log(scale_ms), 0.5, 5000).clip(0.011)
    histogram = AgeHistogram()
    for age_ms in ages_ms:
        histogram.add(float(age_ms))
    expected = np.percentile(ages_ms, percent, method="inverted_cdf")
    assert histogram.percentile(percent) == pytest.approx(expected, rel=0.0051)
    assert histogram.max_ms == ages_ms.max()


@pytest.mark.parametrize(
    ("ages_ms", "expected"),
    [
        pytest.param([], {"median": 0, "p95": 0, "max": 0}, id="none"),
        pytest.param([42.0], {"median": 42, "p95": 42, "max": 42}, id="one"),
        pytest.param([0.0, 0.0], {"median": 0, "p95": 0, "max": 0}, id="no time at all"),
        pytest.param([-1.0], {"median": 0, "p95": 0, "max": 0}, id="clock of the camera ahead"),
    ],
)
def test_few_ages(ages_ms: list[float], expected: dict[str, float]) -> None:
    histogram = AgeHistogram()
    for age_ms in ages_ms:
        histogram.add(age_ms)
    assert histogram.to_dict() == expected


def test_memory_does_not_grow() -> None:
    histogram = AgeHistogram()
    for number in range(200_000):
        histogram.add(number * 50.0)  # up to hours
    assert len(histogram._counts) < 2100


def test_figures_by_source() -> None:
    statistics = RunStatistics()
    a = statistics.sources.setdefault("a", SourceStatistics())
    assert statistics.describe() == (
        "0 frames in 0.0 s (0.0 per second): letterbox 0.0 ms, inference 0.0 ms, postprocess 0.0 ms; "
        "0 detections"
    )
    statistics.add(a, ONE, 20.0, 2.0)
    assert "\n" not in statistics.describe(), "one source needs no line of its own"
    b = statistics.sources.setdefault("b", SourceStatistics(dropped=3, damaged=2))
    statistics.add_failure(b)
    assert statistics.describe().splitlines()[1:] == [
        "  a: 1 frames (0.5 per second); 1 detections; frame age median 20 ms, p95 20 ms, max 20 ms",
        "  b: 0 frames (0.0 per second); 0 detections; 3 frames dropped; 2 damaged; 1 failed",
    ]
    figures = statistics.to_dict()
    assert (figures["frames"], figures["fps"], figures["failures"]) == (1, 0.5, 1)
    assert figures["sources"]["b"]["dropped"] == 3
    assert figures["sources"]["b"]["damaged"] == 2
    assert figures["sources"]["a"]["age_ms"] == {"median": 20, "p95": 20, "max": 20}


def test_hundreds_of_sources_do_not_fill_the_screen() -> None:
    statistics = RunStatistics(sources={str(number): SourceStatistics() for number in range(300)})
    assert len(statistics.describe().splitlines()) == 18
    assert statistics.describe().endswith("and 284 more sources")
