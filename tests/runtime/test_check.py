from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from yolo_edge.bundle import load_bundle
from yolo_edge.checking import check_bundle, load_golden
from yolo_edge.errors import BundleError

Command = Callable[..., object]


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy.edge"))


def _change_golden(bundle: Path, **changes: np.ndarray) -> None:
    with np.load(bundle / "golden.npz") as data:
        arrays = dict(data)
    np.savez(bundle / "golden.npz", **{**arrays, **changes})


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "mnn", "ncnn"])
def test_a_sound_bundle_passes(tiny_bundle: Path, engine: str) -> None:
    result = check_bundle(load_bundle(tiny_bundle), engine, threads=1)
    assert result.passed
    assert result.letterbox_exact
    assert result.max_head_error <= (1e-3 if engine == "ncnn" else 1e-4)
    assert result.boxes >= 5


def test_golden_image_has_to_be_scaled_and_padded(tiny_bundle: Path) -> None:
    golden = load_golden(load_bundle(tiny_bundle))
    height, width = golden.image.shape[:2]
    assert height != width
    assert golden.letterboxed.shape[2] < width
    assert (golden.letterboxed[:, 0] == 114).all()


def test_each_stage_is_caught(bundle: Path) -> None:
    golden = load_golden(load_bundle(bundle))
    letterboxed = golden.letterboxed.copy()
    letterboxed[0, 40, 40] ^= 1
    _change_golden(bundle, letterboxed=letterboxed)
    result = check_bundle(load_bundle(bundle), "ncnn")
    assert (result.letterbox_exact, result.passed) == (False, False)
    head = golden.heads[1].copy()
    head[3, 1, 1] += 0.01
    _change_golden(bundle, letterboxed=golden.letterboxed, head_1=head)
    result = check_bundle(load_bundle(bundle), "ncnn")
    assert result.letterbox_exact
    assert result.max_head_error == pytest.approx(0.01, rel=0.05)
    assert not result.passed
    boxes = golden.xyxy.copy()
    boxes += 10
    _change_golden(bundle, head_1=golden.heads[1], xyxy=boxes)
    result = check_bundle(load_bundle(bundle), "ncnn")
    assert result.box_agreement < 1
    assert not result.passed


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        pytest.param(lambda path: path.unlink(), "is missing; export the bundle again", id="missing"),
        pytest.param(lambda path: path.write_bytes(b""), "is damaged", id="empty"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:5000]), "is damaged", id="cut off"),
        pytest.param(lambda path: np.savez(path, conf=np.zeros(1)), "is damaged", id="arrays missing"),
        pytest.param(
            lambda path: np.savez(path, size_hw=np.array([{}], dtype=object)),
            "is damaged",
            id="pickle inside",
        ),
    ],
)
def test_damaged_golden_file(bundle: Path, damage: Callable[[Path], None], text: str) -> None:
    damage(bundle / "golden.npz")
    with pytest.raises(BundleError, match=text):
        check_bundle(load_bundle(bundle), "ncnn")


def test_command(tiny_bundle: Path, bundle: Path, yolo_edge: Command) -> None:
    done = yolo_edge("check", tiny_bundle)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(" ok\n") == len(load_bundle(tiny_bundle).targets)
    done = yolo_edge("check", tiny_bundle, "--engine", "ncnn", "--json")
    report = json.loads(done.stdout)
    assert report["passed"]
    assert [row["engine"] for row in report["results"]] == ["ncnn"]
    golden = load_golden(load_bundle(bundle))
    _change_golden(bundle, confidence=golden.confidence * np.float32(0.9))
    done = yolo_edge("check", bundle)
    assert done.returncode == 1
    assert done.stdout.count("FAILED") == len(load_bundle(bundle).targets)


def test_command_with_a_changed_model_file(bundle: Path, yolo_edge: Command) -> None:
    (bundle / "model.onnx").write_bytes(b"other")
    done = yolo_edge("check", bundle)
    assert done.returncode == 1
    assert "ncnn" in done.stdout
    assert "model.onnx: the content does not match the bundle" in done.stderr
    assert "Traceback" not in done.stderr


def test_command_with_a_target_for_an_engine_of_another_version(bundle: Path, yolo_edge: Command) -> None:
    manifest = json.loads((bundle / "bundle.json").read_text())
    manifest["targets"].append({**manifest["targets"][0], "engine": "board"})
    (bundle / "bundle.json").write_text(json.dumps(manifest))
    done = yolo_edge("check", bundle)
    assert done.returncode == 1
    assert done.stdout.count(" ok\n") == len(manifest["targets"]) - 1
    assert "has a target for engine 'board', which this version does not know" in done.stderr


def test_info(tiny_bundle: Path, yolo_edge: Command, tmp_path: Path) -> None:
    done = yolo_edge("info", tiny_bundle)
    assert done.returncode == 0
    for part in ("0 cat, 1 dog, 2 bird", "head of stride 32", "onnxruntime", "CPUs this process may use"):
        assert part in done.stdout
    report = json.loads(yolo_edge("info", tiny_bundle, "--json").stdout)
    assert report["bundle"]["names"] == ["cat", "dog", "bird"]
    alone = yolo_edge("info", cwd=tmp_path)
    assert alone.returncode == 0
    assert "model: the one that comes with yolo-edge" in alone.stdout
