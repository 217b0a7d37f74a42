"""The boxes of a run against those of the authors' own PyTorch code, through the real commands."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from yolo_edge.bundle import load_bundle

Command = Callable[..., "subprocess.CompletedProcess[str]"]

CASES = [
    *("v5lite-e-320-rect", "v5lite-e-320-square", "v5lite-s-320-rect", "v5lite-s-320-square"),
    *("v5lite-s-640-rect", "v5lite-s-640-square", "yolov5n-640-rect", "yolov5n-640-square"),
]


@pytest.mark.shared
@pytest.mark.parametrize(
    ("engine", "case"),
    [*itertools.product(["onnxruntime", "ncnn"], CASES), *itertools.product(["openvino", "mnn"], CASES[:1])],
)
def test_boxes_equal_the_training_framework_s(
    shared: Path, real_bundles: Path, yolo_edge: Command, tmp_path: Path, case: str, engine: str
) -> None:
    name, size, mode = case.rsplit("-", 2)
    out = tmp_path / "boxes.jsonl"
    done = yolo_edge(
        *("run", "--quiet", "--model", real_bundles / f"{name}.edge", "--engine", engine),
        *("--imgsz", size, "--letterbox", mode, "--conf", 0.25, "--iou", 0.45),
        *("--jsonl", out, shared / "data" / "coco-val64" / "images"),
    )
    assert done.returncode == 0, done.stderr
    agree = [sys.executable, shared / "tools" / "agree.py", shared / "reference" / f"{case}.json", out]
    counted = subprocess.run(agree, capture_output=True, text=True, check=False)
    print(case, engine, counted.stdout.strip())
    assert counted.returncode == 0, counted.stdout


@pytest.mark.shared
def test_heads_equal_the_checkpoint_s(real_bundles: Path) -> None:
    limits = {"onnxruntime": 1e-4, "openvino": 1e-4, "mnn": 1e-4, "ncnn": 1e-3}
    for folder in sorted(real_bundles.glob("*.edge")):
        rows = {row["engine"]: row for row in load_bundle(folder).verification}
        print(folder.name, json.dumps(rows))
        assert set(rows) >= {"onnxruntime", "ncnn"}
        for engine, row in rows.items():
            assert row["max_head_error"] <= limits[engine]
            assert row["box_agreement"] >= 0.99


@pytest.mark.shared
def test_check_command_on_real_bundles(real_bundles: Path, yolo_edge: Command) -> None:
    for folder in sorted(real_bundles.glob("*.edge")):
        done = yolo_edge("check", folder)
        assert done.returncode == 0, done.stdout + done.stderr
