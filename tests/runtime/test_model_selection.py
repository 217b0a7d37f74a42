from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from yolo_edge import Detector, model_selection
from yolo_edge.errors import BundleError
from yolo_edge.markers import CLASS_NAMES
from yolo_edge.model_selection import MODEL_VARIABLE, default_model, find_model

Command = Callable[..., Any]
NOTE = "model: the one that comes with yolo-edge"


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MODEL_VARIABLE, raising=False)


def test_order_of_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file.edge").write_text("not a folder")
    assert find_model(None, tmp_path) == default_model()
    (tmp_path / "only.edge").mkdir()
    assert find_model(None, tmp_path) == tmp_path / "only.edge"
    monkeypatch.setenv(MODEL_VARIABLE, "from-variable.edge")
    assert find_model(None, tmp_path) == Path("from-variable.edge")
    assert find_model("given.edge", tmp_path) == Path("given.edge")


def test_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_selection, "_SHIPPED", tmp_path / "left-out.edge")
    assert default_model() is None
    with pytest.raises(BundleError, match="no model: give --model"):
        find_model(None, tmp_path)


def test_several_are_listed(tmp_path: Path) -> None:
    for name in ("b.edge", "a.edge"):
        (tmp_path / name).mkdir()
    with pytest.raises(BundleError, match=r"several bundles here: a\.edge, b\.edge; choose one with --model"):
        find_model(None, tmp_path)


def test_detector_without_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Detector() as detector:
        assert detector.bundle.names == CLASS_NAMES


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["run", "demo", "--max-frames", "1"], id="run"),
        pytest.param(["check"], id="check"),
        pytest.param(["bench", "--pairs", "1", "--engine", "onnxruntime"], id="bench"),
    ],
)
def test_commands_say_once_that_the_default_model_runs(
    yolo_edge: Command, tmp_path: Path, command: list[str]
) -> None:
    done = yolo_edge(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(NOTE) == 1
    assert NOTE not in done.stdout


def test_a_bundle_in_the_folder_needs_no_note(yolo_edge: Command, tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.edge").symlink_to(tiny_bundle)
    done = yolo_edge("run", "demo", "--max-frames", "1", cwd=tmp_path)
    assert done.returncode == 0 and NOTE not in done.stderr
    quiet = yolo_edge("run", "demo", "--max-frames", "1", "--quiet", cwd=tiny_bundle)
    assert quiet.returncode == 0 and quiet.stderr == ""


def test_info_shows_it(yolo_edge: Command, tmp_path: Path) -> None:
    done = yolo_edge("info", cwd=tmp_path)
    assert done.returncode == 0 and NOTE in done.stdout
    report = json.loads(yolo_edge("info", "--json", cwd=tmp_path).stdout)
    assert report["bundle"]["names"] == list(CLASS_NAMES)
    assert report["note"].startswith(NOTE)
