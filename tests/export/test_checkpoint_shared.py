"""The real checkpoints, and one of each architecture against what its original code computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from yolo_export.checkpoint import read_checkpoint

pytestmark = pytest.mark.shared

ANCHORS_PX = [
    [[10, 13], [16, 30], [33, 23]],
    [[30, 61], [62, 45], [59, 119]],
    [[116, 90], [156, 198], [373, 326]],
]


@pytest.mark.parametrize(
    ("name", "parameters", "family", "sha256_start"),
    [
        pytest.param("v5lite-e", 787_085, "yolov5-lite", "c4ab7dd6", id="v5lite-e"),
        pytest.param("v5lite-s", 1_649_853, "yolov5-lite", "13e49165", id="v5lite-s"),
        pytest.param("yolov5n", 1_872_157, "yolov5", "edd2e5cc", id="yolov5n"),
    ],
)
def test_published_checkpoints(
    shared: Path, name: str, parameters: int, family: str, sha256_start: str
) -> None:
    checkpoint = read_checkpoint(shared / "models" / f"{name}.pt")

    assert checkpoint.parameters == parameters
    assert checkpoint.family == family
    assert checkpoint.sha256.startswith(sha256_start)
    assert checkpoint.names == (shared / "data" / "coco.names").read_text().split("\n")[:80]
    assert checkpoint.strides == [8, 16, 32]
    assert np.array_equal(checkpoint.anchors_px, ANCHORS_PX)
    assert checkpoint.training == {"epoch": -1}
    assert checkpoint.notes == []


@pytest.mark.parametrize(
    "name",
    [
        "yolov5-mobilenetv3s",
        "yolov5-shufflenetv2",
        "yolov5-v1.0-s",
        "yolov5-v3.1-s",
        "yolov5-v5.0-s",
        "yolov5-v7.0-m",
        "yolov5-v7.0-s-ghost",
        "yolov5lite-c",
        "yolov5lite-g",
    ],
)
def test_heads_equal_those_of_the_original_code(shared: Path, name: str) -> None:
    checkpoint = read_checkpoint(shared / "fixtures" / f"{name}.pt")
    expected = np.load(shared / "fixtures" / f"{name}.npz")

    with torch.no_grad():
        heads = checkpoint.network(torch.from_numpy(expected["images"]))

    assert checkpoint.strides == expected["strides"].tolist()
    assert np.array_equal(checkpoint.anchors_px, expected["anchors_px"])
    for index, head in enumerate(heads):
        raw = expected[f"raw{index}"]
        _, anchors, rows, columns, numbers = raw.shape
        got = head.view(1, anchors, numbers, rows, columns).permute(0, 1, 3, 4, 2).numpy()
        assert np.abs(got - raw).max() < 1e-4
    assert len(checkpoint.names) == numbers - 5
