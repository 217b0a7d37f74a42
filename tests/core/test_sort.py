import numpy as np
import pytest

from yolo_edge import _core


@pytest.mark.parametrize("count", [0, 1, 2, 500, 20000])
@pytest.mark.parametrize("max_candidates", [1, 100, 30000])
def test_equals_a_stable_numpy_sort(count, max_candidates):
    rng = np.random.default_rng(count)
    xyxy = rng.normal(0, 100, (count, 4)).astype(np.float32)
    score = (rng.integers(0, 200, count) / 200).astype(np.float32)  # many equals
    class_id = rng.integers(0, 80, count).astype(np.int32)
    order = np.argsort(-score, kind="stable")[:max_candidates]
    sorted_ = _core.sort_descending(xyxy, score, class_id, max_candidates=max_candidates)
    for array, expected in zip(sorted_, (xyxy, score, class_id)):
        np.testing.assert_array_equal(array, expected[order])


def test_other_number_types_are_converted():
    xyxy, score, class_id = _core.sort_descending(np.zeros((2, 4)), np.array([0.1, 0.2]), np.array([7, 8]))
    assert (xyxy.dtype, score.dtype, class_id.dtype) == (np.float32, np.float32, np.int32)
    assert class_id.tolist() == [8, 7]


@pytest.mark.parametrize(
    ("shapes", "options", "message"),
    [
        pytest.param(
            [(3, 5), (3,), (3,)], {}, r"xyxy is float64 \(3, 5\); it must be \(n, 4\)", id="five corners"
        ),
        pytest.param([(3, 4), (2,), (3,)], {}, r"score float64 \(2,\) and class_id", id="scores"),
        pytest.param([(3, 4), (3,), (3, 1)], {}, r"they must be \(n, 4\), \(n,\) and \(n,\)", id="class ids"),
        pytest.param(
            [(3, 4), (3,), (3,)], {"max_candidates": 0}, "max_candidates is 0; it must be", id="empty cut"
        ),
    ],
)
def test_refused(shapes, options, message):
    with pytest.raises(ValueError, match=message):
        _core.sort_descending(*(np.zeros(shape) for shape in shapes), **options)
