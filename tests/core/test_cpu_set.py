import os

import numpy as np
import pytest

from yolo_edge._core import CpuSet


@pytest.mark.parametrize(
    ("given", "cpus"),
    [
        pytest.param("0-3,6", [0, 1, 2, 3, 6], id="list"),
        pytest.param("4", [4], id="a bare number is a CPU"),
        pytest.param("10", [10], id="also when it could be a mask"),
        pytest.param("0xf0", [4, 5, 6, 7], id="mask"),
        pytest.param("0x1" + "0" * 256, [1024], id="long mask"),
        pytest.param("1020-1024,8191", [1020, 1021, 1022, 1023, 1024, 8191], id="high numbers"),
        pytest.param([3, 1, 3], [1, 3], id="numbers"),
        pytest.param({0, 64}, [0, 64], id="set"),
        pytest.param(range(2), [0, 1], id="range"),
        pytest.param(np.array([2, 5]), [2, 5], id="numpy"),
        pytest.param(CpuSet("1,2"), [1, 2], id="another"),
        pytest.param((), [], id="none"),
        pytest.param("0x0", [], id="empty mask"),
    ],
)
def test_is_made_from_text_and_numbers(given, cpus):
    made = CpuSet(given)
    assert list(made) == cpus
    assert len(made) == len(cpus)
    assert bool(made) == bool(cpus)
    assert made == CpuSet(cpus)
    assert eval(repr(made)) == made


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        pytest.param("", ValueError, "'' is no set of CPUs: it is empty; write a list such", id="empty text"),
        pytest.param(
            "f0", ValueError, "'f0' is no CPU number; .* or a mask such as '0xf0'", id="mask without 0x"
        ),
        pytest.param("3-1", ValueError, "the range '3-1' runs backwards", id="backwards"),
        pytest.param("0-99999999999", ValueError, "CPU numbers end at 8191", id="huge range"),
        pytest.param("0-\N{ARABIC-INDIC DIGIT THREE}", ValueError, "is no CPU number", id="not ASCII"),
        pytest.param("0\0", ValueError, "is no CPU number", id="zero byte"),
        pytest.param([-1], ValueError, r"CPU number is -1; it must be 0\.\.8191", id="negative"),
        pytest.param([10**30], ValueError, f"CPU number is {10**30}; it must be", id="huge number"),
        pytest.param([1.0], TypeError, "float", id="float"),
        pytest.param(["1"], TypeError, "str", id="texts"),
        pytest.param(b"1", TypeError, "cpus is bytes; it must be a str or whole numbers", id="bytes"),
        pytest.param(3, TypeError, "incompatible", id="one number"),
        pytest.param(None, TypeError, "incompatible", id="None"),
    ],
)
def test_refuses(given, error, message):
    with pytest.raises(error, match=message):
        CpuSet(given)


def test_behaves_as_a_set():
    low, high = CpuSet("0-4"), CpuSet("3-100")
    assert low & high == CpuSet("3-4")
    assert low | high == CpuSet("0-100")
    assert low - high == CpuSet("0-2")
    assert CpuSet([1]) <= low
    assert not high <= low
    assert 4 in low
    assert 5 not in low
    assert "4" not in low
    assert 10**30 not in low
    assert low != high
    assert low != {0, 1, 2, 3, 4}
    assert hash(CpuSet("0-1")) == hash(CpuSet([1, 0]))
    assert str(CpuSet("0x4f")) == "0-3,6"
    assert str(CpuSet()) == ""
    assert repr(CpuSet()) == "CpuSet()"
    assert repr(low) == "CpuSet('0-4')"


def test_an_iterator_outlives_its_set():
    assert list(iter(CpuSet("0-2"))) == [0, 1, 2]


def test_agrees_with_python_about_this_process():
    assert set(CpuSet(os.sched_getaffinity(0))) == os.sched_getaffinity(0)
