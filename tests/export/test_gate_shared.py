"""The gate on a real checkpoint: it lets int8 of real images through, and refuses int8 of black ones."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from yolo_edge.bundle import load_bundle
from yolo_export.checkpoint import Checkpoint, read_checkpoint
from yolo_export.errors import GateError
from yolo_export.export import export_bundle
from yolo_export.gate_options import CalibrationOptions, GateOptions

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def checkpoint(shared: Path) -> Checkpoint:
    return read_checkpoint(shared / "models" / "v5lite-e.pt")


@pytest.mark.parametrize(
    ("to", "engine"),
    [
        pytest.param("onnx", "onnxruntime", id="onnxruntime"),
        pytest.param("openvino", "openvino", id="openvino", marks=pytest.mark.long),  # NNCF takes a minute
    ],
)
def test_black_images_are_refused_and_real_ones_pass(
    checkpoint: Checkpoint,
    shared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    to: str,
    engine: str,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # Time is not judged here: other programs may run on this machine.
    monkeypatch.setattr("yolo_export.gate._SAME_SPEED", np.inf)
    black = tmp_path / "black"
    black.mkdir()
    for number in range(4):
        cv2.imwrite(str(black / f"{number}.png"), np.zeros((240 + number, 320, 3), np.uint8))
    place = tmp_path / "best.edge"
    gate = GateOptions(shared / "data" / "coco-val64")

    def export(images: Path) -> None:
        calibration = CalibrationOptions(images)
        export_bundle(
            checkpoint,
            [to],
            precisions=["int8"],
            out=place,
            size_hw=(320, 320),
            calibration=calibration,
            gate=gate,
        )

    with pytest.raises(GateError) as caught:
        export(black)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("the gate refuses this export, nothing was replaced; --force writes it")
    assert lines[-1].startswith(f"{engine} with int8 weights: AP@[.50:.95] drops by 0.")
    assert not place.exists()

    export(shared / "data" / "coco-train64")
    (row,) = load_bundle(place).verification
    assert (row["engine"], row["compute"], row["forced"]) == (engine, "int8", False)
    assert row["ap_fp32"] == pytest.approx(0.2721, abs=0.001)
    assert row["ap_fp32"] - row["ap"] <= 0.01
