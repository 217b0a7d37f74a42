from __future__ import annotations

import inspect

import pytest

from yolo_edge import _core
from yolo_edge.options import DetectOptions, parse_size, resolve_classes, validate_size


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        pytest.param("conf", 2, "conf is 2; it must be a number from 0 to 1", id="conf above"),
        pytest.param("conf", -0.1, "conf is -0.1", id="conf below"),
        pytest.param("iou", float("nan"), "iou is nan", id="iou nan"),
        pytest.param("max_detections", 0, "max_detections is 0; it must be a whole number", id="none kept"),
        pytest.param("max_candidates", 1.5, "max_candidates is 1.5", id="half"),
    ],
)
def test_refuses(field: str, value: object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        DetectOptions(**{field: value})


def test_defaults_are_those_of_the_core() -> None:
    # The binding takes its defaults from the C++ structs and shows them in its signature.
    text = inspect.getdoc(_core.Postprocessor.run) or ""
    defaults = DetectOptions()
    for cpp, python in {
        "confidence": defaults.conf,
        "iou": defaults.iou,
        "class_agnostic": defaults.agnostic,
        "multi_label": defaults.multi_label,
        "max_detections": defaults.max_detections,
        "max_candidates": defaults.max_candidates,
    }.items():
        start = text.index(f"{cpp}: ")
        shown = text[start:].split("=", 1)[1].split(",")[0].split(")")[0].strip()
        assert float(shown.replace("True", "1").replace("False", "0")) == pytest.approx(float(python)), cpp


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("640", (640, 640), id="one number"),
        pytest.param("384x640", (384, 640), id="height x width"),
        pytest.param("384,640", (384, 640), id="comma"),
        pytest.param("0", None, id="zero"),
        pytest.param("-32", None, id="negative"),
        pytest.param("a", None, id="word"),
        pytest.param("", None, id="empty"),
        pytest.param("1x2x3", None, id="three"),
    ],
)
def test_parse_size(text: str, expected: tuple[int, int] | None) -> None:
    if expected is None:
        with pytest.raises(ValueError, match="is not an image size"):
            parse_size(text)
    else:
        assert parse_size(text) == expected


def test_validate_size_names_the_nearest() -> None:
    validate_size((320, 640), 32)
    with pytest.raises(ValueError, match=r"100 is not a multiple of the model's stride 32; .*: 96, 128"):
        validate_size((100, 100), 32)
    with pytest.raises(ValueError, match="the nearest that are: 32, 64"):
        validate_size((16, 32), 32)


def test_resolve_classes() -> None:
    names = ("person", "car", "7")
    assert resolve_classes(None, names) is None
    assert resolve_classes(["car", 0, "1", "7"], names) == [0, 1, 2]
    with pytest.raises(ValueError, match="the model has no class dog, 9; it has: 0 person, 1 car"):
        resolve_classes(["dog", 9, "person"], names)
