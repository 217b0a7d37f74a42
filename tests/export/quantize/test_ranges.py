"""Distributions of maps, and which range each method covers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from yolo_export.errors import ConversionError
from yolo_export.quantize import METHODS, Calibration
from yolo_export.quantize.ranges import Distribution, measure, range_of


def distribution(*parts: np.ndarray) -> Distribution:
    result = Distribution.empty()
    for part in parts:
        result.add(part.astype(np.float32))
    return result


def test_bins_grow_and_count_every_value():
    random = np.random.default_rng(0)
    parts = [random.normal(0, scale, 1000) for scale in (0.01, 3.0, 700.0)]
    found = distribution(*parts)
    values = np.concatenate(parts).astype(np.float32)
    assert found.counts.sum() == values.size
    assert (found.lowest, found.highest) == (values.min(), values.max())
    below = found.counts[: len(found.counts) // 2].sum()
    assert below == (values < 0).sum()


def test_means_of_channels():
    random = np.random.default_rng(0)
    images = [random.normal(channel_mean, 1, (1, 1, 4, size)) for channel_mean, size in ((3, 5), (3, 9))]
    images = [np.concatenate([each, -2 * each], axis=1) for each in images]
    wanted = np.concatenate([each.reshape(2, -1) for each in images], axis=1).mean(1)
    np.testing.assert_allclose(distribution(*images).means, wanted, rtol=1e-5)
    assert distribution(np.ones(3)).means.size == distribution().means.size == 0


def test_a_value_at_the_limit_is_counted():
    found = distribution(np.array([1.0, -1.0, np.nextafter(np.float32(2), np.float32(0))]))
    assert found.counts.sum() == 3


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize(
    ("values", "inside"),
    [
        pytest.param(np.zeros(0), (0, 0), id="nothing"),
        pytest.param(np.zeros(9), (0, 0), id="zeros"),
        pytest.param(np.full(9, 3.0), (0, 3.0), id="one value"),
        pytest.param(np.full(9, -3.0), (-3.0, 0), id="one negative value"),
        pytest.param(np.linspace(-1, 5, 4000), (-1, 5), id="even"),
    ],
)
def test_ranges_hold_zero_and_no_more_than_was_seen(method: str, values: np.ndarray, inside: tuple):
    low, high = range_of(distribution(values), method)
    assert inside[0] <= low <= 0 <= high <= inside[1]
    assert high - low >= 0.9 * (inside[1] - inside[0])


def test_methods_differ_on_an_outlier():
    values = np.append(np.random.default_rng(1).normal(0, 1, 200_000), 60.0)
    ranges = {method: range_of(distribution(values), method) for method in METHODS}
    assert ranges["min-max"][1] == 60
    for method in ("entropy", "mse", "percentile"):
        assert 2 < ranges[method][1] < 60, method


def test_mse_minds_the_activation():
    values = np.random.default_rng(2).normal(0, 4, 100_000)
    plain = range_of(distribution(values), "mse")
    before_relu = range_of(distribution(values), "mse", lambda x: np.maximum(x, 0))
    assert before_relu[0] > 0.1 * plain[0]
    assert before_relu[1] == pytest.approx(plain[1], rel=0.3)


def test_an_unknown_method():
    with pytest.raises(
        ValueError, match="unknown calibration method 'kl'; known methods: entropy, min-max, mse"
    ):
        range_of(distribution(np.ones(3)), "kl")


def test_values_that_are_not_finite():
    with pytest.raises(ConversionError, match="not finite"):
        distribution(np.array([1.0, np.nan]))


def test_measurements_are_kept(model: bytes, calibration: Calibration, tmp_path: Path):
    said: list[str] = []
    first = measure(model, calibration, said.append, cache=tmp_path)
    assert said == [f"calibrating on image {number} of 3" for number in (1, 2, 3)]
    (place,) = tmp_path.iterdir()
    second = measure(model, calibration, said.append, cache=tmp_path)
    assert said[3:] == ["calibration: measured before"]
    assert first.keys() == second.keys()
    for name, each in first.items():
        np.testing.assert_array_equal(each.counts, second[name].counts)
        np.testing.assert_array_equal(each.means, second[name].means)
        assert (each.lowest, each.highest, each.limit) == (
            second[name].lowest,
            second[name].highest,
            second[name].limit,
        )
    place.write_bytes(place.read_bytes()[:100])
    third = measure(model, calibration, said.append, cache=tmp_path)
    assert said[-1] == "calibrating on image 3 of 3"
    assert third.keys() == first.keys()
