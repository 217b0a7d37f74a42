"""int8 weights from the command line to the boxes, with the gate between."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from yolo_edge import Detector
from yolo_edge.bundle import load_bundle
from yolo_edge.errors import BundleError
from yolo_edge.scene import draw_scene

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(8):
        cv2.imwrite(str(folder / f"{seed}.png"), draw_scene((90, 160), seed))
    return folder


@pytest.mark.parametrize(("to", "engine"), [("onnx", "onnxruntime"), ("openvino", "openvino")])
def test_forced_int8_runs_and_is_checked(
    yolo_export: Command,
    yolo_edge: Command,
    tiny_checkpoint: Path,
    pictures: Path,
    tmp_path: Path,
    to: str,
    engine: str,
) -> None:
    """Forced, for random weights lose more boxes than trained ones."""
    place = tmp_path / "best.edge"
    flags = ["--precision", "fp32,int8", "--calib", pictures, "--force", "--imgsz", 128, "--out", place]
    done = yolo_export("--to", to, tiny_checkpoint, *flags, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    assert "agreement with the checkpoint's boxes" in done.stdout
    if to == "onnx":
        assert "calibrating on image 6 of 6" in done.stderr, "a quarter is held out"
    bundle = load_bundle(place)
    assert [(target.weights, target.compute) for target in bundle.targets] == [
        ("fp32", ("fp32",)),
        ("int8", ("int8",)),
    ]
    row = bundle.verification[1]
    assert (row["weights"], row["compute"]) == ("int8", "int8")
    assert 0 < row["agreement"] <= 1
    with Detector(place, threads=1) as detector:
        assert detector.target.weights == "fp32", "nobody gets int8 unasked"
    image = cv2.imread(str(pictures / "0.png"))
    with Detector(place, threads=1, precision="int8") as detector:
        assert (detector.target.weights, detector.compute) == ("int8", "int8")
        assert len(detector.detect(image)) > 0
    done = yolo_edge("check", place)
    assert (done.returncode, done.stdout.count(" ok\n")) == (0, 2), done.stdout
    # A machine whose int8 is further off than it was here.
    manifest = json.loads((place / "bundle.json").read_text())
    manifest["verification"][1]["mean_head_error"] /= 2
    (place / "bundle.json").write_text(json.dumps(manifest))
    done = yolo_edge("check", place, "--precision", "int8", "--engine", engine)
    assert (done.returncode, done.stdout.count("FAILED")) == (1, 1), done.stdout
    with pytest.raises(BundleError, match="auto never takes int8"):
        Detector(bundle.only(bundle.targets[1]))


def test_black_images_are_refused(
    yolo_export: Command, tiny_checkpoint: Path, pictures: Path, tmp_path: Path
) -> None:
    black = tmp_path / "black"
    black.mkdir()
    for number in range(4):
        cv2.imwrite(str(black / f"{number}.png"), np.zeros((90, 160, 3), np.uint8))
    place = tmp_path / "best.edge"
    flags = ["--precision", "int8", "--calib", black, "--data", pictures, "--imgsz", 128, "--out", place]
    done = yolo_export("--to", "onnx", tiny_checkpoint, *flags, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.returncode == 1, done.stdout
    assert "the gate refuses this export, nothing was replaced" in done.stderr
    assert "agreement with the checkpoint's boxes drops by 0." in done.stderr
    assert not place.exists()


@pytest.mark.parametrize(
    ("flags", "code", "text"),
    [
        pytest.param(["--calib", "none"], 1, "none: no such file or folder", id="no folder"),
        pytest.param(["--calib-method", "magic"], 2, "unknown calibration method 'magic'", id="method"),
        pytest.param(["--calib-count", "0"], 2, "it must be at least 1", id="count"),
        pytest.param(["--calib-count", "3"], 1, "too few to hold some out for the gate", id="too few"),
    ],
)
def test_what_cannot_be_calibrated(
    yolo_export: Command,
    tiny_checkpoint: Path,
    pictures: Path,
    tmp_path: Path,
    flags: list[str],
    code: int,
    text: str,
) -> None:
    given = ["--to", "onnx", "--precision", "int8", "--calib", pictures, *flags]
    done = yolo_export(tiny_checkpoint, *given, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def calibrated(
    yolo_export: Command, tiny_checkpoint: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command with calibration images and one cache folder."""
    cache = tmp_path_factory.mktemp("cache")

    def run(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
        flags = ["--calib", pictures, "--calib-count", 2, "--imgsz", 128]
        return yolo_export(*words, *flags, cwd=cwd, XDG_CACHE_HOME=str(cache))

    return run


def test_named_layers_stay_in_float(
    calibrated: Command, tiny_checkpoint: Path, pictures: Path, tmp_path: Path
):
    report = calibrated("sensitivity", tiny_checkpoint, "--json", "--quiet", cwd=tmp_path)
    names = [layer["name"] for layer in json.loads(report.stdout)["layers"]][1:3]
    given = ["--to", "onnx", "--precision", "int8", "--data", pictures, "--force", "--out", "best.edge"]
    done = calibrated(tiny_checkpoint, *given, "--float-layers", ",".join(names), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (row,) = load_bundle(tmp_path / "best.edge").verification
    assert row["float_layers"] == names
    graph = onnx.load(str(tmp_path / "best.edge" / "model.int8.onnx")).graph
    floats = {each.name for each in graph.initializer if each.data_type == onnx.TensorProto.FLOAT}
    assert {node.name for node in graph.node if node.op_type == "Conv" and node.input[1] in floats} == set(
        names
    )


@pytest.mark.parametrize(("to", "engine"), [("onnx", "onnxruntime"), ("openvino", "openvino")])
def test_automatic_float_layers(
    calibrated: Command, tiny_checkpoint: Path, pictures: Path, tmp_path: Path, to: str, engine: str
):
    """Forced, for so small a network is no faster in int8."""
    given = ["--to", to, "--precision", "int8", "--data", pictures, "--force", "--out", "best.edge"]
    done = calibrated(tiny_checkpoint, *given, "--float-layers", "auto", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "trying int8 with 0 layers in float" in done.stderr
    (note,) = (line for line in done.stderr.splitlines() if line.startswith(f"note: {engine}: "))
    (row,) = load_bundle(tmp_path / "best.edge").verification
    kept = row.get("float_layers", [])
    assert note.startswith(f"note: {engine}: {len(kept)} layers stay in float (tried: 0 ")
    assert row["agreement_fp32"] - row["agreement"] <= 0.05
    if kept:
        assert "0 did not" in note
        assert note.endswith(", ".join(kept))


@pytest.mark.parametrize(
    ("names", "text"),
    [
        pytest.param("/nowhere", "has no convolution /nowhere; it has: /", id="unknown"),
        pytest.param("auto,/nowhere", "has no convolution /nowhere, auto; it has: /", id="auto and another"),
        pytest.param(",", "--float-layers names no layers", id="empty"),
    ],
)
def test_layers_that_cannot_stay_in_float(
    calibrated: Command, tiny_checkpoint: Path, pictures: Path, tmp_path: Path, names: str, text: str
):
    given = ["--to", "onnx", "--precision", "int8", "--data", pictures, "--float-layers", names]
    done = calibrated(tiny_checkpoint, *given, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert text in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_float_layers_are_for_int8(yolo_export: Command, tiny_checkpoint: Path, tmp_path: Path):
    done = yolo_export(tiny_checkpoint, "--float-layers", "auto", cwd=tmp_path)
    assert done.returncode == 2
    assert "--float-layers: for int8 weights, which --precision does not name" in done.stderr
