"""scripts/hard-scenes: which images a model gets wrong."""

from __future__ import annotations

import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from yolo_edge import Detections
from yolo_edge.datasets.labels import Objects
from yolo_edge.markers import draw_qr
from yolo_edge.model_selection import default_model

SCRIPT = Path(__file__).parents[2] / "scripts" / "hard-scenes"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = spec_from_loader("hard_scenes", SourceFileLoader("hard_scenes", str(SCRIPT)))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _found(*boxes: tuple[float, float, float, float, float, int]) -> Detections:
    rows = np.array(boxes, np.float32).reshape(-1, 6)
    return Detections(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int32), ("a", "b"))


def _objects(*boxes: tuple[float, float, float, float, int]) -> Objects:
    rows = np.array(boxes, np.float64).reshape(-1, 5)
    nothing = np.zeros(len(rows))
    return Objects(rows[:, 4].astype(np.int32), rows[:, :4], nothing.astype(np.bool_), nothing)


LEFT = (0.0, 0.0, 0.5, 1.0, 0)
ON_LEFT = (0, 0, 50, 40, 0.75, 0)


@pytest.mark.parametrize(
    ("found", "objects", "error"),
    [
        pytest.param(_found(), _objects(), 0, id="nothing"),
        pytest.param(_found(ON_LEFT), _objects(LEFT), 0.25, id="found"),
        pytest.param(_found(), _objects(LEFT), 1, id="missed"),
        pytest.param(_found(ON_LEFT), _objects(), 0.75, id="found in vain"),
        pytest.param(_found((0, 0, 50, 40, 0.75, 1)), _objects(LEFT), 1.75, id="another class"),
        pytest.param(_found((0, 0, 24, 40, 0.75, 0)), _objects(LEFT), 1.75, id="too small"),
        pytest.param(_found(ON_LEFT, (0, 0, 50, 40, 0.5, 0)), _objects(LEFT), 0.75, id="twice"),
        pytest.param(_found(ON_LEFT), _objects(LEFT, LEFT), 1.25, id="one box for two"),
    ],
)
def test_error(script: ModuleType, found: Detections, objects: Objects, error: float) -> None:
    assert script.error(found, objects, (40, 100)) == pytest.approx(error)


def test_the_hardest_are_listed(tmp_path: Path) -> None:
    """A code without a label and a label without a code, and not what is right."""
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.mkdir()
    labels.mkdir()
    code = draw_qr("https://example.org", module_px=6)
    shown = np.full((320, 320, 3), 235, np.uint8)
    height, width = code.image.shape
    shown[60 : 60 + height, 60 : 60 + width] = code.image[..., None]
    left, top, right, bottom = ((60 + edge) / 320 for edge in code.extent)
    row = f"0 {(left + right) / 2} {(top + bottom) / 2} {right - left} {bottom - top}\n"
    for name, picture, label in (
        ("empty", np.full_like(shown, 235), ""),
        ("found", shown, row),
        ("missed", np.full_like(shown, 235), row),
        ("vain", shown, ""),
    ):
        cv2.imwrite(str(images / f"{name}.png"), picture)
        (labels / f"{name}.txt").write_text(label)
    bundle = default_model()
    assert bundle is not None
    command = [sys.executable, SCRIPT, bundle, tmp_path / "hard.txt", f"{images}=2", "--workers", "1"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    listed = (tmp_path / "hard.txt").read_text().splitlines()
    assert listed == [str(images / "missed.png"), str(images / "vain.png")]
    assert f"{images}: 2 of 4 images, errors from " in done.stdout


@pytest.mark.parametrize("word", ["images", "=3", "images=", "images=0", "images=-1", "images=two"])
def test_bad_words_are_refused(tmp_path: Path, word: str) -> None:
    command = [sys.executable, str(SCRIPT), "a.edge", str(tmp_path / "out.txt"), word]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "is not FOLDER=COUNT with a count of at least 1" in done.stderr


def test_what_cannot_be_read_is_told_in_a_line(tmp_path: Path) -> None:
    bundle = default_model()
    for words, text in (
        ((tmp_path / "no.edge", tmp_path / "out.txt", f"{tmp_path}=1"), "no.edge"),
        ((bundle, tmp_path / "out.txt", f"{tmp_path}=1"), "holds neither a folder images/ nor images"),
    ):
        command = [sys.executable, SCRIPT, *words]
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith("hard-scenes: error: ")
        assert text in done.stderr
        assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out.txt").exists()
