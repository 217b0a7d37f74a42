from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from yolo_edge.detections import Detections

NAMES = ("person", "car")


def _detections() -> Detections:
    return Detections(
        np.array([[0, 0, 10, 10], [5.123456, 5, 20, 30], [1, 2, 3, 4]]),
        np.array([0.9, 0.5, 0.123456789]),
        np.array([1, 0, 1]),
        NAMES,
    )


def test_arrays_have_their_types() -> None:
    found = _detections()
    assert (found.xyxy.dtype, found.confidence.dtype, found.class_id.dtype) == (
        np.float32,
        np.float32,
        np.int32,
    )
    assert len(found) == 3
    assert found.class_names == ["car", "person", "car"]


def test_empty() -> None:
    found = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0), NAMES)
    assert len(found) == 0
    assert found.to_dict() == {"detections": []}
    assert len(found[[]]) == 0


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        pytest.param(slice(1, None), [0, 1], id="slice"),
        pytest.param(np.array([True, False, True]), [1, 1], id="mask"),
        pytest.param([2, 0], [1, 1], id="list"),
        pytest.param(-2, [0], id="one"),
        pytest.param(np.array([], bool), None, id="wrong mask"),
    ],
)
def test_selection(index: object, expected: list[int] | None) -> None:
    if expected is None:
        assert len(_detections()[index]) == 0
        return
    assert _detections()[index].class_id.tolist() == expected


def test_index_out_of_range() -> None:
    with pytest.raises(IndexError, match="index 3 of 3 detections"):
        _detections()[3]


@pytest.mark.parametrize(
    ("xyxy", "confidence", "class_id", "text"),
    [
        pytest.param(np.zeros((2, 4)), np.zeros(1), np.zeros(1), "shapes do not fit", id="counts"),
        pytest.param(np.zeros((1, 5)), np.zeros(1), np.zeros(1), "shapes do not fit", id="five columns"),
        pytest.param(
            np.zeros((1, 4)), np.zeros(1), np.array([2]), "there are names for 0 to 1", id="no name"
        ),
        pytest.param(
            np.zeros((1, 4)), np.zeros(1), np.array([-1]), "there are names for 0 to 1", id="negative"
        ),
    ],
)
def test_refuses(xyxy: object, confidence: object, class_id: object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Detections(xyxy, confidence, class_id, NAMES)


def test_to_dict_is_json_with_at_least_four_decimals() -> None:
    rows = json.loads(json.dumps(_detections().to_dict()))["detections"]
    assert rows[1] == {
        "class_id": 0,
        "name": "person",
        "confidence": 0.5,
        "xyxy": [5.1235, 5.0, 20.0, 30.0],
    }
    assert rows[2]["confidence"] == pytest.approx(0.123457, abs=1e-9)


@pytest.mark.skipif(sys.version_info < (3, 10), reason="supervision needs Python 3.10")
def test_to_supervision() -> None:
    pytest.importorskip("supervision")
    found = _detections().to_supervision()
    assert np.array_equal(found.xyxy, _detections().xyxy)
    assert np.array_equal(found.confidence, _detections().confidence)
    assert found.class_id.tolist() == [1, 0, 1]
    assert found.data["class_name"].tolist() == ["car", "person", "car"]
    assert found[found.confidence > 0.4].data["class_name"].tolist() == ["car", "person"]
    empty = _detections()[[]].to_supervision()
    assert empty.is_empty()


def test_to_supervision_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    from yolo_edge.errors import MissingExtraError

    real = importlib.import_module

    def without(name: str) -> object:
        if name == "supervision":
            raise ModuleNotFoundError(name="supervision")
        return real(name)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(MissingExtraError, match=r"pip install 'yolo-edge\[supervision\]'"):
        _detections().to_supervision()
