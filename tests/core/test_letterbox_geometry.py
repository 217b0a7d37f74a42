import numpy as np
import pytest

from yolo_edge import _core


def yolov5_geometry(source_hw, size_hw, stride, mode, scale_up):
    """The formulas of YOLOv5's letterbox, restated: (resized_hw, (top, left, bottom, right), tensor_hw)."""
    ratio = min(size_hw[0] / source_hw[0], size_hw[1] / source_hw[1])
    if not scale_up:
        ratio = min(ratio, 1.0)
    resized = (round(source_hw[0] * ratio), round(source_hw[1] * ratio))
    dh, dw = size_hw[0] - resized[0], size_hw[1] - resized[1]
    if mode == "rect":
        dh, dw = dh % stride, dw % stride
    elif mode == "stretch":
        dh, dw = 0, 0
        resized = tuple(size_hw)
    dh, dw = dh / 2, dw / 2
    top, bottom = round(dh - 0.1), round(dh + 0.1)
    left, right = round(dw - 0.1), round(dw + 0.1)
    return resized, (top, left, bottom, right), (resized[0] + top + bottom, resized[1] + left + right)


@pytest.mark.parametrize("mode", ["rect", "square", "stretch"])
def test_random_sizes_equal_yolov5(mode):
    rng = np.random.default_rng(0)
    for _ in range(3000):
        source_hw = tuple(int(n) for n in rng.integers(1, 2500, 2))
        size_hw = tuple(int(n) * 32 for n in rng.integers(1, 41, 2))
        scale_up = bool(rng.integers(2))
        resized, padding, tensor = yolov5_geometry(source_hw, size_hw, 32, mode, scale_up)
        if min(resized) == 0:  # YOLOv5 fails there
            continue
        geometry = _core.letterbox_geometry(
            source_hw, size_hw=size_hw, stride=32, mode=mode, scale_up=scale_up
        )
        assert geometry.source_hw == source_hw
        assert geometry.resized_hw == resized
        assert geometry.padding == padding
        assert geometry.tensor_hw == tensor
        assert geometry.mode == mode


def test_a_side_never_vanishes():
    geometry = _core.letterbox_geometry((1, 4000), size_hw=(640, 640), stride=32)
    assert geometry.resized_hw == (1, 640)
    assert geometry.tensor_hw == (32, 640)


@pytest.mark.parametrize(
    ("source_hw", "options", "message"),
    [
        pytest.param((0, 5), {}, r"source_hw is \(0, 5\); both sides must be 1..32768", id="empty image"),
        pytest.param((5, -1), {}, r"source_hw is \(5, -1\)", id="negative width"),
        pytest.param((5, 5), {"size_hw": (0, 64)}, r"size_hw is \(0, 64\)", id="empty tensor"),
        pytest.param((5, 5), {"stride": 0}, "stride is 0; it must be at least 1", id="no stride"),
        pytest.param(
            (5, 5), {"size_hw": (64, 50)}, "rect mode needs multiples of the stride, 32", id="odd size"
        ),
        pytest.param(
            (5, 5), {"mode": "auto"}, "mode is 'auto'; it must be 'rect', 'square'", id="unknown mode"
        ),
    ],
)
def test_refused(source_hw, options, message):
    with pytest.raises(ValueError, match=message):
        _core.letterbox_geometry(source_hw, **{"size_hw": (64, 64), "stride": 32, **options})


def test_is_read_only_comparable_and_printable():
    geometry = _core.letterbox_geometry((720, 1280), size_hw=(640, 640), stride=32)
    with pytest.raises(AttributeError):
        geometry.tensor_hw = (1, 1)
    same = _core.letterbox_geometry((720, 1280), size_hw=(640, 640), stride=32)
    other = _core.letterbox_geometry((720, 1280), size_hw=(640, 640), stride=32, mode="square")
    assert geometry == same
    assert hash(geometry) == hash(same)
    assert geometry != other
    assert repr(geometry) == (
        "LetterboxGeometry(mode='rect', source_hw=(720, 1280), tensor_hw=(384, 640), resized_hw=(360, 640), "
        "padding=(12, 0, 12, 0))"
    )
