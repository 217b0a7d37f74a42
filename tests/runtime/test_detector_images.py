"""Images of any shape and memory layout through the whole detector, in both engines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from runtimes import RUNTIMES, runtime_options

from yolo_edge import Detector
from yolo_edge.scene import draw_scene

SCENE = draw_scene((120, 200), 3)

View = Callable[[np.ndarray], np.ndarray]


@pytest.fixture(scope="module", params=RUNTIMES)
def detector(request: pytest.FixtureRequest, tiny_bundle: Path) -> Detector:
    with Detector(tiny_bundle, **runtime_options(request.param), threads=1) as made:
        yield made


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 2), (2, 1), (1, 4000), (4000, 1), (33, 31), (3000, 5000)])
def test_shapes(detector: Detector, size_hw: tuple[int, int]) -> None:
    height, width = size_hw
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    found = detector.detect(image, conf=0.01)
    assert np.isfinite(found.xyxy).all()
    assert ((found.xyxy >= 0) & (found.xyxy <= [width, height, width, height])).all()
    assert (found.xyxy[:, 2:] >= found.xyxy[:, :2]).all()


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(lambda a: a[::-1], id="bottom up"),
        pytest.param(lambda a: a[:, ::-1], id="mirrored"),
        pytest.param(lambda a: a[::-1, ::-1, ::-1], id="all strides negative"),
        pytest.param(lambda a: a[10:90, 20:150], id="crop"),
        pytest.param(lambda a: a[::2, ::3], id="every second row, every third column"),
        pytest.param(lambda a: a.transpose(1, 0, 2), id="transposed"),
        pytest.param(lambda a: np.asfortranarray(a), id="fortran order"),
        pytest.param(lambda a: np.dstack([a, a[..., :1]])[..., :3], id="three of four channels"),
        pytest.param(lambda a: np.broadcast_to(a[:1], a.shape), id="one row repeated"),
    ],
)
def test_views_give_what_their_copies_give(detector: Detector, view: View) -> None:
    image = view(SCENE)
    expected = detector.detect(np.ascontiguousarray(image), conf=0.1)
    found = detector.detect(image, conf=0.1)
    assert len(expected)
    assert np.array_equal(found.xyxy, expected.xyxy)
    assert np.array_equal(found.confidence, expected.confidence)


@pytest.mark.parametrize(
    ("image", "text"),
    [
        pytest.param(
            np.zeros((8, 0, 3), np.uint8), "both sides must be 1|at least one pixel", id="no columns"
        ),
        pytest.param(np.zeros((8, 8, 3), np.int8), "int8", id="signed"),
        pytest.param(np.zeros((8, 8, 3), np.uint16), "uint16", id="16 bits"),
        pytest.param(np.zeros((8, 8, 3), bool), "bool", id="mask"),
        pytest.param(np.zeros((8, 8, 1), np.uint8), r"\(8, 8, 1\)", id="one channel"),
        pytest.param(np.zeros((3, 8, 8), np.uint8), r"\(3, 8, 8\)", id="channels first"),
        pytest.param(np.zeros((1, 8, 8, 3), np.uint8), r"\(1, 8, 8, 3\)", id="batch"),
        pytest.param(np.zeros((1, 40000, 3), np.uint8), r"\(1, 40000\); both sides", id="wider than allowed"),
        pytest.param([[[0, 0, 0]]], "image is list", id="list"),
        pytest.param(None, "image is NoneType", id="what cv2.imread gives for no file"),
    ],
)
def test_refused(detector: Detector, image: object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        detector.detect(image)
    assert len(detector.detect(SCENE)), "the slot was given back"
