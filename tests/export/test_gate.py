"""The gate: what it measures, what it refuses."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from made_datasets import write_folder

from yolo_edge import Detector
from yolo_edge.bundle import Bundle, load_bundle, parse_bundle, sha256_of
from yolo_edge.checking import check_bundle
from yolo_edge.errors import BundleError, DatasetError
from yolo_edge.scene import draw_scene
from yolo_export.checkpoint import read_checkpoint
from yolo_export.errors import GateError
from yolo_export.export import export_bundle
from yolo_export.gate import Gate, GateResult, gate_table
from yolo_export.gate_options import GateOptions
from yolo_export.yardstick import Labelled, Unlabelled, open_yardstick

Command = Callable[..., "subprocess.CompletedProcess[str]"]

PASSED = GateResult(
    engine="onnxruntime",
    weights="int8",
    compute="int8",
    figure="ap",
    value=0.33,
    value_fp32=0.335,
    limit=0.01,
    speed_ratio=0.8,
    speed_interval=(0.7, 0.9),
)


@pytest.mark.parametrize(
    ("changes", "refusals"),
    [
        pytest.param({}, [], id="passes"),
        pytest.param({"value": 0.34}, [], id="better"),
        pytest.param({"value": 0.32}, ["AP@[.50:.95] drops by 0.0150"], id="drop"),
        pytest.param({"value": math.nan}, ["AP@[.50:.95] drops by nan"], id="no number"),
        pytest.param({"speed_ratio": 1.1, "speed_interval": (0.98, 1.3)}, [], id="perhaps slower"),
        pytest.param({"speed_ratio": 1.02, "speed_interval": (1.01, 1.03)}, [], id="as fast"),
        pytest.param(
            {"speed_ratio": 1.1, "speed_interval": (1.06, 1.3)},
            ["it is slower than float32 (1.10 of the time)"],
            id="slower",
        ),
        pytest.param(
            {"figure": "agreement", "value": 0.5, "value_fp32": 1.0, "limit": 0.1, "speed_interval": (2, 3)},
            [
                "agreement with the checkpoint's boxes drops by 0.5000",
                "it is slower than float32 (0.80 of the time)",
            ],
            id="both",
        ),
    ],
)
def test_what_is_refused(changes: dict[str, object], refusals: list[str]) -> None:
    result = dataclasses.replace(PASSED, **changes)  # type: ignore[arg-type]
    assert result.refusals == refusals
    assert result.to_dict(forced=True)["forced"] == bool(refusals)
    assert not result.to_dict(forced=False)["forced"]
    assert ("passed" in gate_table([result])) == (not refusals)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(3):
        cv2.imwrite(str(folder / f"{seed}.png"), draw_scene((90, 160), seed))
    return folder


@pytest.fixture
def damaged(tiny_bundle: Path, tmp_path: Path) -> Bundle:
    """The tiny bundle with a target that calls itself int8 and finds other things."""
    model = onnx.load(str(tiny_bundle / "model.onnx"))
    weights = next(tensor for tensor in model.graph.initializer if len(tensor.dims) == 4)
    values = onnx.numpy_helper.to_array(weights)
    weights.CopyFrom(onnx.numpy_helper.from_array(np.zeros_like(values), weights.name))
    for name in ("model.onnx", "golden.npz"):
        (tmp_path / name).write_bytes((tiny_bundle / name).read_bytes())
    onnx.save(model, str(tmp_path / "model.int8.onnx"))
    manifest = json.loads((tiny_bundle / "bundle.json").read_text())
    exact = next(target for target in manifest["targets"] if target["engine"] == "onnxruntime")
    other = {
        **exact,
        "weights": "int8",
        "compute": ["int8"],
        "files": {"model": "model.int8.onnx"},
        "sha256": {"model.int8.onnx": sha256_of(tmp_path / "model.int8.onnx")},
    }
    return parse_bundle({**manifest, "targets": [exact, other]}, tmp_path)


def test_agreement_without_labels(
    tiny_bundle: Path, tiny_checkpoint: Path, damaged: Bundle, pictures: Path
) -> None:
    yardstick = open_yardstick(pictures, read_checkpoint(tiny_checkpoint), damaged.input)
    assert isinstance(yardstick, Unlabelled)
    with Detector(tiny_bundle, engine="ncnn", threads=1, precision="fp32") as detector:
        assert yardstick.measure(detector) == 1.0
    exact, other = damaged.targets
    gate = Gate(yardstick)
    result = gate.measure(damaged.only(other), damaged.only(exact), "int8")
    assert result.value_fp32 == 1.0
    assert result.value < 0.9
    assert result.speed_interval[0] <= result.speed_ratio <= result.speed_interval[1]
    with pytest.raises(GateError) as caught:
        gate.decide([result])
    message = str(caught.value)
    assert "the gate refuses this export, nothing was replaced; --force writes it" in message
    assert f"{result.value:.4f}" in message
    assert "onnxruntime with int8 weights: agreement with the checkpoint's boxes drops by" in message
    Gate(yardstick, force=True).decide([result])
    gate.decide([])


def test_average_precision_with_labels(
    tiny_bundle: Path, tiny_checkpoint: Path, damaged: Bundle, tmp_path: Path, pictures: Path
) -> None:
    """The labels are what the model finds, so that float32 is right about them."""
    data = tmp_path / "data"
    for folder in ("images", "labels"):
        (data / folder).mkdir(parents=True)
    with Detector(tiny_bundle, engine="onnxruntime", threads=1) as detector:
        for path in sorted(pictures.iterdir()):
            image = cv2.imread(str(path))
            cv2.imwrite(str(data / "images" / path.name), image)
            sides = np.array([160, 90, 160, 90], np.float32)
            found = detector.detect(image)
            rows = [
                f"{int(class_id)} {(x0 + x1) / 2} {(y0 + y1) / 2} {x1 - x0} {y1 - y0}"
                for class_id, (x0, y0, x1, y1) in zip(found.class_id, found.xyxy / sides)
            ]
            (data / "labels" / f"{path.stem}.txt").write_text("\n".join(rows))
    yardstick = open_yardstick(data, read_checkpoint(tiny_checkpoint), damaged.input)
    assert isinstance(yardstick, Labelled)
    exact, other = damaged.targets
    result = Gate(yardstick, max_drop=0.05).measure(damaged.only(other), damaged.only(exact), "int8")
    assert result.figure == "ap"
    assert result.value_fp32 > 0.3
    assert result.refusals[0].startswith("AP@[.50:.95] drops by 0.")
    assert result.limit == 0.05


def test_int8_cannot_be_checked_without_figures(damaged: Bundle) -> None:
    with pytest.raises(BundleError, match="does not say how well onnxruntime does in int8"):
        check_bundle(damaged.only(damaged.targets[1]), "onnxruntime", precision="int8")


@pytest.mark.parametrize(
    ("labels", "error", "text"),
    [
        pytest.param(
            {"a": None}, GateError, "too few to judge a precision by (needed: 1000)", id="few boxes"
        ),
        pytest.param({"a": ""}, DatasetError, "no objects are marked", id="no objects"),
        pytest.param({}, DatasetError, "holds no images", id="no images"),
    ],
)
def test_what_cannot_be_judged(
    tiny_checkpoint: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    labels: dict[str, str | None],
    error: type[Exception],
    text: str,
) -> None:
    monkeypatch.setattr("yolo_export.yardstick._FEWEST_BOXES", 1000)
    folder = write_folder(tmp_path / "data", labels)
    (folder / "images").mkdir(exist_ok=True)
    with pytest.raises(error) as caught:
        open_yardstick(folder, read_checkpoint(tiny_checkpoint), load_bundle(tiny_bundle).input)
    assert text in str(caught.value)


def test_an_image_that_cannot_be_read(tiny_checkpoint: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"a\.png"):
        open_yardstick(tmp_path, read_checkpoint(tiny_checkpoint), load_bundle(tiny_bundle).input)


def test_command(yolo_export: Command, tiny_checkpoint: Path, pictures: Path, tmp_path: Path) -> None:
    """Forced, for on a loaded machine equal speeds may look different."""
    place = tmp_path / "best.edge"
    flags = ["--precision", "fp16", "--data", pictures, "--force", "--imgsz", 128, "--out", place]
    done = yolo_export("--to", "onnx", tiny_checkpoint, *flags)
    assert done.returncode == 0, done.stderr
    assert "agreement with the checkpoint's boxes" in done.stdout
    bundle = load_bundle(place)
    # The float32 that it was compared with was not asked for.
    assert [(target.engine, target.weights) for target in bundle.targets] == [("onnxruntime", "fp16")]
    assert sorted(path.name for path in place.iterdir()) == ["bundle.json", "golden.npz", "model.fp16.onnx"]
    (row,) = bundle.verification
    assert row["agreement_fp32"] == 1.0
    assert row["agreement"] >= 0.9
    assert len(row["speed_interval_95"]) == 2
    assert isinstance(row["forced"], bool)


def test_a_refused_export_leaves_the_bundle(
    tiny_checkpoint: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "best.edge"
    export_bundle(tiny_checkpoint, ["onnx"], out=place, size_hw=(128, 128))
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    monkeypatch.setattr("yolo_export.yardstick._MAX_LOST_AGREEMENT", -1.0)
    arguments = {"precisions": ["fp16"], "out": place, "gate": GateOptions(pictures)}
    with pytest.raises(GateError, match="the gate refuses this export, nothing was replaced"):
        export_bundle(tiny_checkpoint, ["onnx"], **arguments)  # type: ignore[arg-type]
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
    assert list(tmp_path.iterdir()) == [place]
    export_bundle(tiny_checkpoint, ["onnx"], **arguments, force=True)  # type: ignore[arg-type]
    assert load_bundle(place).verification[-1]["forced"] is True
