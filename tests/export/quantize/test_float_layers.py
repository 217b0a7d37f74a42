"""What layers in float gain, and the automatic choice of those that stay there."""

from __future__ import annotations

import pytest

from yolo_export.quantize import LayerNoise, fewest_float_layers, noisiest_first, with_gains

ROWS = [
    LayerNoise(name, noise, 0.0)
    for name, noise in zip("abcdefghijkl", (9, 8, 3, 1, 7, 5, 99, 0, 98, 6, 97, 2))
]
WORST_FIRST = list("hdlcfjebakig")


def test_the_noisiest_come_first():
    assert noisiest_first(ROWS) == WORST_FIRST
    assert noisiest_first([]) == []


def test_gains_are_measured_from_the_noisiest():
    asked: list[tuple[str, ...]] = []
    said: list[str] = []

    def score(kept: tuple[str, ...]) -> float:
        asked.append(kept)
        return 0.5 if kept == ("d",) else 0.25

    found = with_gains(ROWS, score, 0.25, said.append)
    assert asked == [(name,) for name in WORST_FIRST]
    assert said[0] == "measuring with h in float, 1 of 12"
    assert [row.name for row in found] == [row.name for row in ROWS]
    assert {row.name: row.gain for row in found if row.gain} == {"d": 0.25}


def test_gains_end_with_the_time():
    assert with_gains(ROWS, lambda _: 1.0, 0.5, limit_s=0) == ROWS
    assert with_gains([], lambda _: 1.0, 0.5) == []


@pytest.mark.parametrize("needed", range(len(WORST_FIRST) + 1))
def test_the_fewest_layers_stay_in_float(needed: int):
    wanted = set(WORST_FIRST[:needed])
    said: list[str] = []
    result = fewest_float_layers(lambda kept: wanted <= set(kept), lambda: WORST_FIRST, said.append)
    assert result.passed
    assert result.kept == tuple(WORST_FIRST[:needed])
    assert result.tried[needed]
    assert len(result.tried) == len(said) <= 9


def test_no_noise_is_measured_when_all_layers_pass():
    def order() -> list[str]:
        raise AssertionError("it was asked for")

    assert fewest_float_layers(lambda _: True, order).tried == {0: True}


@pytest.mark.parametrize("names", [[], ["a"], ["a", "b", "c"]])
def test_a_gate_that_never_opens(names: list[str]):
    result = fewest_float_layers(lambda _: False, lambda: names)
    assert not result.passed
    assert result.tried == dict.fromkeys(range(len(names) + 1), False)
    assert result.kept == tuple(names)


def test_the_time_is_bounded():
    result = fewest_float_layers(lambda _: False, lambda: WORST_FIRST, limit_s=0)
    assert (result.passed, dict(result.tried)) == (False, {0: False})
