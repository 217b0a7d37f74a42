import platform

import numpy as np
import pytest

from yolo_edge import _core

x86_only = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="cv2's bilinear resize has other bits on ARM"
)


def cv2_letterbox(image, geometry, pad_value=114):
    """What a YOLOv5 user writes: the uint8 canvas, still in the image's channel order."""
    import cv2

    if image.shape[:2] != geometry.resized_hw:
        image = cv2.resize(image, geometry.resized_hw[::-1], interpolation=cv2.INTER_LINEAR)
    top, left, bottom, right = geometry.padding
    return cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(pad_value,) * 3)


def assert_equals_cv2(letterbox, image, geometry):
    planes = cv2_letterbox(image, geometry)[..., ::-1].transpose(2, 0, 1)
    levels = np.empty((3, *geometry.tensor_hw), np.uint8)
    values = np.full((1, 3, *geometry.tensor_hw), np.nan, np.float32)
    letterbox.run(image, geometry, levels)
    letterbox.run(image, geometry, values)
    np.testing.assert_array_equal(levels, planes)
    np.testing.assert_array_equal(values[0], planes.astype(np.float32) / 255)


@x86_only
def test_300_random_geometries_equal_cv2():
    rng = np.random.default_rng(0)
    letterbox = _core.Letterbox()
    for i in range(300):
        limit = 24 if i < 60 else 1400
        height, width = (int(n) for n in rng.integers(1, limit, 2))
        image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        geometry = _core.letterbox_geometry(
            (height, width),
            size_hw=tuple(int(n) * 32 for n in rng.integers(1, 21, 2)),
            stride=32,
            mode=("rect", "square", "stretch")[i % 3],
            scale_up=bool(rng.integers(2)),
        )
        assert_equals_cv2(letterbox, image, geometry)


@x86_only
@pytest.mark.parametrize(
    "source_hw", [(720, 1280), (1080, 1920), (576, 768), (480, 640), (640, 640), (1, 1), (1, 4000)]
)
def test_usual_and_extreme_sizes_equal_cv2(source_hw):
    image = np.random.default_rng(1).integers(0, 256, (*source_hw, 3), dtype=np.uint8)
    for mode in ("rect", "square", "stretch"):
        geometry = _core.letterbox_geometry(source_hw, size_hw=(640, 640), stride=32, mode=mode)
        assert_equals_cv2(_core.Letterbox(), image, geometry)


@x86_only
@pytest.mark.shared
def test_real_images_equal_cv2(shared):
    import cv2

    letterbox = _core.Letterbox()
    paths = sorted((shared / "data" / "coco-val64").rglob("*.jpg"))
    assert len(paths) == 64
    for path in paths:
        image = cv2.imread(str(path))
        for size, mode in ((640, "rect"), (640, "square"), (320, "rect")):
            geometry = _core.letterbox_geometry(image.shape[:2], size_hw=(size, size), stride=32, mode=mode)
            assert_equals_cv2(letterbox, image, geometry)


def test_all_simd_levels_give_the_same_bits():
    rng = np.random.default_rng(4)
    for source_hw in ((720, 1280), (576, 768), (333, 517), (1080, 1920), (64, 61)):
        image = rng.integers(0, 256, (*source_hw, 3), dtype=np.uint8)
        geometry = _core.letterbox_geometry(source_hw, size_hw=(640, 640), stride=32)
        for options in ({}, {"mean": (103.5, 116.3, 123.7), "scale": (0.0174, 0.0175, 0.0171)}):
            outs = []
            for simd in _core.simd_levels():
                outs.append(np.empty((3, *geometry.tensor_hw), np.float32))
                _core.Letterbox(simd=simd, **options).run(image, geometry, outs[-1])
                np.testing.assert_array_equal(outs[-1], outs[0])


def test_scale_is_float32_division_for_all_grey_levels():
    image = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    geometry = _core.letterbox_geometry((16, 16), size_hw=(16, 16), stride=16)
    out = np.empty((3, 16, 16), np.float32)
    _core.Letterbox().run(image, geometry, out)
    np.testing.assert_array_equal(out[0].ravel(), np.arange(256).astype(np.float32) / np.float32(255))


def test_mean_scale_padding_and_channel_orders():
    rng = np.random.default_rng(2)
    image = rng.integers(0, 256, (8, 16, 3), dtype=np.uint8)
    geometry = _core.letterbox_geometry((8, 16), size_hw=(16, 16), stride=16)
    mean, scale = np.array([123.7, 116.3, 103.5]), np.array([0.0171, 0.0175, -0.0174])
    for tensor_channels in ("rgb", "bgr"):
        letterbox = _core.Letterbox(tensor_channels=tensor_channels, mean=mean, scale=scale, pad_value=7)
        for image_channels in ("rgb", "bgr"):
            out = np.empty((3, 16, 16), np.float32)
            letterbox.run(image, geometry, out, image_channels=image_channels)
            canvas = np.full((16, 16, 3), 7)
            canvas[4:12] = image if tensor_channels == image_channels else image[..., ::-1]
            np.testing.assert_array_equal(
                out, ((canvas - mean) * scale).astype(np.float32).transpose(2, 0, 1)
            )


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(lambda a: a[10:50, 20:90], id="crop"),
        pytest.param(lambda a: a[::-1], id="bottom up"),
        pytest.param(lambda a: a[::2], id="every second row"),
        pytest.param(lambda a: a[:, ::-1], id="mirrored"),
        pytest.param(lambda a: a[:, ::3], id="every third column"),
        pytest.param(lambda a: a[..., ::-1], id="reversed channels"),
        pytest.param(lambda a: a.transpose(1, 0, 2), id="transposed"),
        pytest.param(lambda a: np.asfortranarray(a), id="fortran order"),
        pytest.param(lambda a: a[:1], id="one row"),
        pytest.param(lambda a: a[:, :1], id="one column"),
        pytest.param(lambda a: np.broadcast_to(a[:1], a.shape), id="one row repeated"),
    ],
)
def test_any_view_equals_its_contiguous_copy(view):
    image = view(np.random.default_rng(3).integers(0, 256, (60, 100, 3), dtype=np.uint8))
    geometry = _core.letterbox_geometry(image.shape[:2], size_hw=(64, 64), stride=32)
    expected, out = np.empty((2, 3, *geometry.tensor_hw), np.float32)
    _core.Letterbox().run(image.copy(), geometry, expected)
    _core.Letterbox().run(image, geometry, out)
    np.testing.assert_array_equal(out, expected)


def test_read_only_images_are_read():
    image = np.zeros((8, 8, 3), np.uint8)
    image.flags.writeable = False
    out = np.ones((3, 8, 8), np.float32)
    _core.Letterbox().run(image, _core.letterbox_geometry((8, 8), size_hw=(8, 8), stride=8), out)
    assert not out.any()


@pytest.mark.parametrize(
    ("image", "given"),
    [
        pytest.param(np.zeros((8, 8, 3), np.float32), r"float32 \(8, 8, 3\)", id="float image"),
        pytest.param(np.zeros((8, 8), np.uint8), r"uint8 \(8, 8\)", id="grey image"),
        pytest.param(np.zeros((8, 8, 4), np.uint8), r"uint8 \(8, 8, 4\)", id="four channels"),
        pytest.param(np.zeros((1, 8, 8, 3), np.uint8), r"uint8 \(1, 8, 8, 3\)", id="batch"),
        pytest.param(np.zeros((0, 8, 3), np.uint8), r"uint8 \(0, 8, 3\)", id="no rows"),
        pytest.param(np.zeros((8, 0, 3), np.uint8), r"uint8 \(8, 0, 3\)", id="no columns"),
    ],
)
def test_bad_images_are_named(image, given):
    geometry = _core.letterbox_geometry((8, 8), size_hw=(8, 8), stride=8)
    with pytest.raises(ValueError, match=rf"image is {given}; it must be uint8 \(height, width, 3\)"):
        _core.Letterbox().run(image, geometry, np.empty((3, 8, 8), np.float32))


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "out",
    [
        pytest.param(np.empty((3, 8, 8), np.float64), id="double"),
        pytest.param(np.empty((3, 8, 9), np.float32), id="wrong width"),
        pytest.param(np.empty((4, 8, 8), np.float32), id="four planes"),
        pytest.param(np.empty((2, 3, 8, 8), np.float32), id="batch of two"),
        pytest.param(np.empty((8, 8, 3), np.float32).transpose(2, 0, 1), id="not contiguous"),
        pytest.param(read_only(np.empty((3, 8, 8), np.float32)), id="read only"),
    ],
)
def test_bad_outputs_are_refused(out):
    geometry = _core.letterbox_geometry((8, 8), size_hw=(8, 8), stride=8)
    message = r"writable C-contiguous float32 or uint8 array of shape \(3, 8, 8\) or \(1, 3, 8, 8\)"
    with pytest.raises(ValueError, match=message):
        _core.Letterbox().run(np.zeros((8, 8, 3), np.uint8), geometry, out)


def test_other_bad_arguments():
    geometry = _core.letterbox_geometry((8, 8), size_hw=(8, 8), stride=8)
    out = np.empty((3, 8, 8), np.float32)
    with pytest.raises(ValueError, match=r"the image is 9x8 \(height x width\) but the geometry is for 8x8"):
        _core.Letterbox().run(np.zeros((9, 8, 3), np.uint8), geometry, out)
    with pytest.raises(ValueError, match="image_channels is 'gbr'; it must be 'bgr' or 'rgb'"):
        _core.Letterbox().run(np.zeros((8, 8, 3), np.uint8), geometry, out, image_channels="gbr")
    with pytest.raises(ValueError, match="tensor_channels is 'RGB'; it must be 'bgr' or 'rgb'"):
        _core.Letterbox(tensor_channels="RGB")
    with pytest.raises(ValueError, match=r"pad_value is 256; it must be in 0\.\.255"):
        _core.Letterbox(pad_value=256)
    with pytest.raises(ValueError, match="every normalised value must be finite"):
        _core.Letterbox(scale=(1.0, 1.0, np.inf))


def test_prints_itself():
    assert repr(_core.Letterbox(pad_value=3, scale=(1, 2, 3))) == (
        "Letterbox(tensor_channels='rgb', mean=(0.0, 0.0, 0.0), scale=(1.0, 2.0, 3.0), pad_value=3)"
    )
