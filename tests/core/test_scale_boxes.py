import naive_postprocess as naive
import numpy as np
import pytest

from yolo_edge import _core


@pytest.mark.parametrize("mode", ["rect", "square"])
def test_random_boxes_equal_yolov5(mode):
    rng = np.random.default_rng(0)
    for _ in range(200):
        source_hw = tuple(int(n) for n in rng.integers(20, 2000, 2))
        geometry = _core.letterbox_geometry(source_hw, size_hw=(640, 416), stride=32, mode=mode)
        xyxy = rng.uniform(-100, 740, (20, 4)).astype(np.float32)
        scaled = _core.scale_boxes(xyxy, geometry)
        assert scaled.dtype == np.float32
        np.testing.assert_allclose(
            scaled,
            naive.scale_boxes(xyxy, geometry.tensor_hw, source_hw),
            rtol=2e-6,
            atol=2e-4 * max(source_hw) / 416,
        )


def test_equals_torch_bit_for_bit():
    """YOLOv5 works on float32 tensors with Python numbers; so do we."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    for _ in range(50):
        h, w = source_hw = tuple(int(n) for n in rng.integers(20, 2000, 2))
        geometry = _core.letterbox_geometry(source_hw, size_hw=(640, 640), stride=32)
        tensor_h, tensor_w = geometry.tensor_hw
        xyxy = rng.uniform(-100, 740, (50, 4)).astype(np.float32)
        boxes = torch.from_numpy(xyxy.copy())
        gain = min(tensor_h / h, tensor_w / w)
        boxes[:, [0, 2]] -= (tensor_w - w * gain) / 2
        boxes[:, [1, 3]] -= (tensor_h - h * gain) / 2
        boxes /= gain
        boxes[:, [0, 2]] = boxes[:, [0, 2]].clamp(0, w)
        boxes[:, [1, 3]] = boxes[:, [1, 3]].clamp(0, h)
        np.testing.assert_array_equal(_core.scale_boxes(xyxy, geometry), boxes.numpy())


def test_small_images_that_keep_their_pixels():
    geometry = _core.letterbox_geometry((100, 200), size_hw=(640, 640), stride=32, scale_up=False)
    top, left, _, _ = geometry.padding
    box = np.array([[10, 20, 110, 60]], np.float32)
    np.testing.assert_array_equal(_core.scale_boxes(box + np.float32([left, top, left, top]), geometry), box)


def test_stretched_images_have_a_gain_per_axis():
    geometry = _core.letterbox_geometry((320, 1280), size_hw=(640, 640), stride=32, mode="stretch")
    scaled = _core.scale_boxes(np.array([[10, 20, 60, 40]], np.float32), geometry)
    np.testing.assert_array_equal(scaled, [[20, 10, 120, 20]])


def test_no_boxes_and_bad_boxes():
    geometry = _core.letterbox_geometry((320, 1280), size_hw=(640, 640), stride=32)
    assert _core.scale_boxes(np.empty((0, 4), np.float32), geometry).shape == (0, 4)
    with pytest.raises(ValueError, match=r"xyxy is float32 \(4,\); it must be \(n, 4\)"):
        _core.scale_boxes(np.zeros(4, np.float32), geometry)
