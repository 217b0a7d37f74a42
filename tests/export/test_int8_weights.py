"""Weights of 8 bits that are computed in float32: MNN's, from the command line to the boxes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from yolo_edge import Detector
from yolo_edge.bundle import load_bundle
from yolo_edge.errors import BundleError
from yolo_export.export import export_bundle

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def exported(
    yolo_export: Command, tiny_checkpoint: Path, scenes: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[subprocess.CompletedProcess[str], Path]:
    """A bundle with both weights. Forced, for random weights lose more boxes than trained ones."""
    place = tmp_path_factory.mktemp("quarter") / "best.edge"
    flags = ["--precision", "fp32,int8-weights", "--data", scenes, "--force", "--imgsz", 128, "--out", place]
    return yolo_export("--to", "mnn", tiny_checkpoint, *flags), place


def test_the_export_says_what_it_measured(exported: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, place = exported
    assert done.returncode == 0, done.stderr
    assert "agreement with the checkpoint's boxes" in done.stdout
    assert "mnn     int8-weights" in done.stdout
    assert sorted(path.name for path in place.iterdir()) == [
        "bundle.json",
        "golden.npz",
        "model.int8-weights.mnn",
        "model.mnn",
    ]
    bundle = load_bundle(place)
    assert [(target.weights, target.compute) for target in bundle.targets] == [
        ("fp32", ("fp32",)),
        ("int8-weights", ("int8-weights",)),
    ]
    row = bundle.verification[1]
    assert (row["weights"], row["compute"]) == ("int8-weights", "int8-weights")
    assert 0 < row["mean_head_error"] < row["max_head_error"]
    assert 0.5 < row["agreement"] <= row["agreement_fp32"] == 1.0
    assert len(row["speed_interval_95"]) == 2


def test_stored_in_8_bits_and_computed_in_float(
    exported: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    _, place = exported
    bundle = load_bundle(place)
    tensor = np.random.default_rng(0).random((1, 3, 64, 96), np.float32)
    heads, sizes = {}, {}
    for target in bundle.targets:
        sizes[target.weights] = (place / target.files["model"]).stat().st_size
        with Detector(bundle.only(target), threads=1, precision=target.compute[0]) as detector:
            heads[target.weights] = [head.copy() for head in detector.compute_heads(tensor)]
            assert f"engine mnn {target.compute[0]}, 1 threads" in detector.describe()
            scaled = detector.compute_heads(tensor * np.float32(1 + 2**-12))
            # Maps of 8 bits would put out the same or move by whole steps.
            moved = [np.abs(now - before) for now, before in zip(scaled, heads[target.weights])]
            assert 0 < max(float(each.max()) for each in moved) < 0.01
            assert np.mean([float((each > 0).mean()) for each in moved]) > 0.9
    # A file this small is mostly the description of its graph.
    assert sizes["int8-weights"] < 0.9 * sizes["fp32"]
    for ours, right in zip(heads["int8-weights"], heads["fp32"]):
        noise = float(np.square(ours - right).mean() / np.square(right).mean())
        assert 1e-7 < noise < 1e-2


def test_only_who_asks_gets_them(exported: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, place = exported
    bundle = load_bundle(place)
    for precision, weights in (("auto", "fp32"), ("fp32", "fp32"), ("int8-weights", "int8-weights")):
        with Detector(place, threads=1, precision=precision) as detector:
            assert detector.target.weights == weights
            assert len(detector.detect(np.zeros((64, 96, 3), np.uint8))) >= 0
    alone = bundle.only(bundle.targets[1])
    with pytest.raises(BundleError, match="auto never takes int8-weights: --precision int8-weights asks"):
        Detector(alone)
    with pytest.raises(BundleError, match="no target that runs in precision 'fp32'"):
        Detector(alone, precision="fp32")
    with pytest.raises(ValueError, match="engine 'mnn' has no precision 'int8'"):
        Detector(alone, engine="mnn", precision="int8")


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        pytest.param(["check"], 0, "mnn     int8-weights  int8-weights", id="check"),
        pytest.param(
            ["bench", "--engine", "mnn", "--precision", "int8-weights", "--pairs", 2, "--imgsz", 64],
            0,
            "int8-weights",
            id="bench",
        ),
    ],
)
def test_commands(
    yolo_edge: Command,
    exported: tuple[subprocess.CompletedProcess[str], Path],
    words: list[object],
    code: int,
    text: str,
) -> None:
    done = yolo_edge(words[0], exported[1], *words[1:])
    assert done.returncode == code, done.stderr
    assert text in done.stdout


def test_check_compares_with_what_the_export_measured(
    yolo_edge: Command, exported: tuple[subprocess.CompletedProcess[str], Path], tmp_path: Path
) -> None:
    place = tmp_path / "best.edge"
    place.mkdir()
    for path in exported[1].iterdir():
        (place / path.name).write_bytes(path.read_bytes())
    manifest = json.loads((place / "bundle.json").read_text())
    manifest["verification"][1]["mean_head_error"] /= 2
    (place / "bundle.json").write_text(json.dumps(manifest))
    done = yolo_edge("check", place)
    assert (done.returncode, done.stdout.count("FAILED")) == (1, 1), done.stdout
    (failed,) = (line for line in done.stdout.splitlines() if "FAILED" in line)
    assert ", mean " in failed


@pytest.mark.parametrize(
    ("flags", "code", "text"),
    [
        pytest.param(["--to", "mnn"], 2, "int8-weights need images to be judged on", id="no images"),
        pytest.param(
            ["--to", "mnn,ncnn", "--data", "d"],
            2,
            "the target for ncnn cannot store 'int8-weights'; it stores: fp32, fp16",
            id="another engine",
        ),
        pytest.param(["--to", "mnn", "--data", "d"], 1, "d: ", id="no folder"),
        pytest.param(
            ["--to", "mnn", "--data", "d", "--calib", "d"],
            2,
            "--calib: for int8 weights, which --precision does not name",
            id="calibration",
        ),
    ],
)
def test_what_cannot_be_exported(
    yolo_export: Command, tiny_checkpoint: Path, tmp_path: Path, flags: list[str], code: int, text: str
) -> None:
    done = yolo_export(tiny_checkpoint, "--precision", "int8-weights", *flags, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_library_asks_for_a_gate_too(tiny_checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="int8-weights need images for the gate, and none were given"):
        export_bundle(tiny_checkpoint, ["mnn"], precisions=["int8-weights"], out=tmp_path / "a.edge")
