"""``yolo-export sensitivity``: table, JSON, chart, and what it refuses."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from yolo_edge.scene import draw_scene

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(3):
        cv2.imwrite(str(folder / f"{seed}.png"), draw_scene((90, 160), seed))
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("cache"))


def test_report(
    yolo_export: Command, tiny_checkpoint: Path, pictures: Path, cache: str, tmp_path: Path
) -> None:
    words = ["sensitivity", tiny_checkpoint, "--calib", pictures, "--imgsz", 128]
    done = yolo_export(*words, "--chart", "layers.png", cwd=tmp_path, XDG_CACHE_HOME=cache)
    assert done.returncode == 0, done.stderr
    header, *rows = done.stdout.splitlines()
    assert header.split("  ")[0] == "layer"
    assert all(row.startswith("/") for row in rows)
    noise = [float(row.split()[1]) for row in rows]
    assert noise == sorted(noise)
    assert min(noise) > 5
    assert f"layer 1 of {len(rows)}: " in done.stderr
    assert "wrote layers.png" in done.stderr
    assert cv2.imread(str(tmp_path / "layers.png")).std() > 1
    # Again, with gains, from the cache.
    done = yolo_export(
        *words, "--data", pictures, "--limit", 600, "--json", cwd=tmp_path, XDG_CACHE_HOME=cache
    )
    assert done.returncode == 0, done.stderr
    assert "noise of the layers: measured before" in done.stderr
    report = json.loads(done.stdout)
    assert (report["method"], report["calibration_images"], report["size_hw"]) == (
        "percentile",
        3,
        [128, 128],
    )
    assert report["score"]["figure"] == "agreement"
    assert report["score"]["fp32"] == 1.0
    assert 0 < report["score"]["int8"] <= 1
    assert len(report["layers"]) == len(rows)
    assert all(-1 <= layer["gain"] <= 1 for layer in report["layers"])


def test_nothing_is_tried_without_time(
    yolo_export: Command, tiny_checkpoint: Path, pictures: Path, cache: str, tmp_path: Path
) -> None:
    words = ["sensitivity", tiny_checkpoint, "--calib", pictures, "--imgsz", 128, "--quiet"]
    done = yolo_export(*words, "--data", pictures, "--limit", 0, cwd=tmp_path, XDG_CACHE_HOME=cache)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    *table, _, scores = done.stdout.splitlines()
    assert all(row.endswith(" -") for row in table[1:])
    assert scores.startswith("share of boxes that agree with the checkpoint's: 1.0000 in float32, ")


@pytest.mark.parametrize(
    ("flags", "code", "text"),
    [
        pytest.param([], 2, "the following arguments are required: --calib", id="no images"),
        pytest.param(["--calib", "none"], 1, "none: no such file or folder", id="no folder"),
        pytest.param(["--calib", ".", "--chart", "a.svg"], 2, "it must end in .png", id="chart"),
        pytest.param(["--calib", ".", "--limit", "3"], 2, "--limit is for the measurements", id="limit"),
        pytest.param(
            ["--calib", ".", "--data", ".", "--limit", "nan"], 2, "--limit is nan; it must be", id="no number"
        ),
        pytest.param(
            ["--calib", ".", "--names", "a,b"], 2, "--names: only for .onnx files", id="import facts"
        ),
        pytest.param(["--calib", "."], 1, "holds neither a folder images/ nor images", id="empty folder"),
    ],
)
def test_what_is_refused(
    yolo_export: Command, tiny_checkpoint: Path, tmp_path: Path, flags: list[str], code: int, text: str
) -> None:
    done = yolo_export("sensitivity", tiny_checkpoint, *flags, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
