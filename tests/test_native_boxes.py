"""The C++ runtime finds what the Python runtime over the engine's package finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from runtimes import runtime_options

from yolo_edge import Detections, DetectOptions, Detector


@pytest.mark.shared
@pytest.mark.parametrize(("model", "imgsz"), [("v5lite-e", 320), ("yolov5n", 320)])
def test_same_boxes_on_every_image(shared: Path, real_bundles: Path, model: str, imgsz: int) -> None:
    import cv2

    options = DetectOptions(conf=0.05)
    paths = sorted((shared / "data" / "coco-val64" / "images").iterdir())
    assert len(paths) == 64
    total = 0
    with (
        Detector(real_bundles / f"{model}.edge", **runtime_options("ncnn native"), imgsz=imgsz) as native,
        Detector(real_bundles / f"{model}.edge", **runtime_options("ncnn"), imgsz=imgsz) as package,
    ):
        for path in paths:
            image = cv2.imread(str(path))
            found, expected = (each.detect(image, options=options) for each in (native, package))
            check_equal(found, expected)
            total += len(found)
    assert total > 64


def check_equal(found: Detections, expected: Detections) -> None:
    assert len(found) == len(expected)
    overlaps = iou(found.xyxy, expected.xyxy)
    for i in range(len(found)):
        # Rounding can swap neighbours of equal confidence.
        same = (
            (overlaps[i] >= 0.999)
            & (found.class_id[i] == expected.class_id)
            & (np.abs(found.confidence[i] - expected.confidence) <= 1e-3)
        )
        assert same.any(), f"box {i}: {found[i]}"


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Of every box of ``a`` with every box of ``b``."""
    a, b = a[:, None].astype(float), b[None].astype(float)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared_area = np.clip(sides, 0, None).prod(-1)
    areas = [np.clip(boxes[..., 2:] - boxes[..., :2], 0, None).prod(-1) for boxes in (a, b)]
    return shared_area / np.maximum(areas[0] + areas[1] - shared_area, 1e-9)
