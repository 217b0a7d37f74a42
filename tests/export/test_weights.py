"""Half-precision weights: every target, and how they stand in a bundle."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from checkpoints import write_checkpoint, yolov5_lite

from yolo_edge import Detector
from yolo_edge.bundle import load_bundle
from yolo_edge.engines.base import WEIGHTS_TOLERANCE
from yolo_export.checkpoint import Checkpoint, read_checkpoint
from yolo_export.export import export_bundle
from yolo_export.targets import create_target, target_names
from yolo_export.targets.base import file_name
from yolo_export.targets.onnx_half import half_weights

Command = Callable[..., "subprocess.CompletedProcess[str]"]

ENGINES = ("mnn", "ncnn", "onnxruntime", "openvino")


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("lite") / "best.pt", yolov5_lite())


@pytest.fixture(scope="module")
def checkpoint(lite: Path) -> Checkpoint:
    return read_checkpoint(lite)


@pytest.fixture(scope="module")
def both(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with float32 and half-precision weights for every engine."""
    place = tmp_path_factory.mktemp("both") / "best.edge"
    report = export_bundle(
        checkpoint, target_names(), precisions=["fp32", "fp16"], out=place, size_hw=(128, 128)
    )
    assert set(report.sizes) == {(engine, weights) for engine in ENGINES for weights in ("fp32", "fp16")}
    return report.bundle


@pytest.mark.parametrize("engine", ENGINES)
def test_half_the_size_and_nearly_the_same_heads(both: Path, checkpoint: Checkpoint, engine: str) -> None:
    bundle = load_bundle(both)
    targets = {target.weights: target for target in bundle.targets if target.engine == engine}
    tensor = np.random.default_rng(0).random((1, 3, 64, 96), np.float32)
    heads, sizes = {}, {}
    for weights, target in targets.items():
        files = bundle.open_files(target)
        assert all((".fp16." in path.name) == (weights == "fp16") for path in files.values())
        assert target.compute[0] == "fp32"
        sizes[weights] = max(
            (path.stat().st_size for path in files.values() if path.suffix in (".bin", ".mnn")), default=0
        )
        with Detector(bundle.only(target), engine=engine, threads=1, precision="fp32") as detector:
            assert detector.head_tolerance == max(
                WEIGHTS_TOLERANCE.get(weights, 0.0), 1e-3 if engine == "ncnn" else 1e-4
            )
            heads[weights] = detector.compute_heads(tensor)
    expected = checkpoint.compute_heads(tensor)
    error = {
        weights: max(float(np.abs(ours - theirs).max()) for ours, theirs in zip(found, expected))
        for weights, found in heads.items()
    }
    assert error["fp32"] < error["fp16"] <= WEIGHTS_TOLERANCE["fp16"]
    # An ONNX file this small is mostly the description of its graph.
    assert engine == "onnxruntime" or sizes["fp16"] < 0.8 * sizes["fp32"]


def test_the_precision_picks_the_weights(both: Path) -> None:
    for precision, weights in (("fp32", "fp32"), ("fp16-storage", "fp16"), ("bf16", "fp32")):
        with Detector(both, engine="ncnn", threads=1, precision=precision) as detector:
            assert (detector.target.weights, detector.compute) == (weights, precision)
            assert len(detector.detect(np.zeros((64, 96, 3), np.uint8))) >= 0
            wanted = f"{precision}," if weights == "fp32" else f"{precision} (weights {weights}),"
            assert f" {wanted} 1 threads" in detector.describe()


def test_weights_join_those_that_are_there(
    yolo_export: Command, yolo_edge: Command, lite: Path, scenes: Path, tmp_path: Path
) -> None:
    place = tmp_path / "best.edge"
    assert yolo_export("--to", "onnx,ncnn", lite, "--imgsz", 128, "--out", place).returncode == 0
    before = (place / "model.onnx").read_bytes()
    done = yolo_export("--to", "onnx", lite, "--precision", "fp16", "--out", place)
    assert done.returncode == 0, done.stderr
    assert "onnxruntime  fp16" in done.stdout
    assert "verifying onnxruntime fp16" in done.stderr
    kinds = [("onnxruntime", "fp32"), ("ncnn", "fp32"), ("onnxruntime", "fp16")]
    bundle = load_bundle(place)
    assert [(target.engine, target.weights) for target in bundle.targets] == kinds
    assert [(row["engine"], row["weights"]) for row in bundle.verification] == kinds
    assert (place / "model.onnx").read_bytes() == before
    # Once more, and nothing is there twice.
    assert yolo_export("--to", "onnx", lite, "--precision", "fp16", "--out", place).returncode == 0
    assert len(load_bundle(place).targets) == 3
    done = yolo_edge("check", place, "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["results"]
    assert sorted((row["engine"], row["weights"]) for row in rows) == sorted(kinds)
    done = yolo_edge("info", place)
    assert [line.split()[:2] for line in done.stdout.splitlines()[-3:]] == [list(kind) for kind in kinds]
    done = yolo_edge("run", "--model", place, "--precision", "int8", scenes)
    assert done.returncode == 1
    assert "no target that runs in precision 'int8'; it has: onnxruntime with weights fp32" in done.stderr


def test_the_same_export_gives_the_same_bytes(checkpoint: Checkpoint, tmp_path: Path) -> None:
    written = []
    for run in ("a", "b"):
        (tmp_path / run).mkdir()
        for name in target_names():
            create_target(name).convert(checkpoint, tmp_path / run, size_hw=(64, 64), weights="fp16")
        written.append({path.name: path.read_bytes() for path in (tmp_path / run).iterdir()})
    assert written[0] == written[1]
    assert all(".fp16." in name for name in written[0])


def test_onnx_weights_are_rounded_and_unpacked_once(checkpoint: Checkpoint, tmp_path: Path) -> None:
    model = checkpoint.intermediate(None).model()
    halved = onnx.load_from_string(half_weights(model))
    before = {
        tensor.name: onnx.numpy_helper.to_array(tensor)
        for tensor in onnx.load_from_string(model).graph.initializer
    }
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in halved.graph.initializer}
    casts = {node.output[0]: node.input[0] for node in halved.graph.node if node.op_type == "Cast"}
    convolutions = [node for node in halved.graph.node if node.op_type == "Conv"]
    assert {name for node in convolutions for name in node.input[1:]} == set(casts)
    for name, half in casts.items():
        assert stored[half].dtype == np.float16
        np.testing.assert_array_equal(stored[half], before[name].astype(np.float16))
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(halved.SerializeToString(), options, providers=["CPUExecutionProvider"])
    loaded = onnx.load(str(tmp_path / "loaded.onnx"))
    assert "Cast" not in {node.op_type for node in loaded.graph.node}


def _one_convolution(weight: float) -> bytes:
    tensor = onnx.numpy_helper.from_array(np.full((1, 1, 1, 1), weight, np.float32), "w")
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["x", "w"], ["y"])],
        "g",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 1, 2, 2])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 1, 2, 2])],
        [tensor],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    data: bytes = model.SerializeToString()
    return data


@pytest.mark.parametrize(
    ("weight", "kind"),
    [
        pytest.param(0.1, onnx.TensorProto.FLOAT16, id="rounded"),
        pytest.param(7e4, onnx.TensorProto.FLOAT, id="too large"),
        pytest.param(float("nan"), onnx.TensorProto.FLOAT, id="no number"),
    ],
)
def test_what_half_precision_cannot_hold_stays(weight: float, kind: int) -> None:
    halved = onnx.load_from_string(half_weights(_one_convolution(weight)))
    assert [tensor.data_type for tensor in halved.graph.initializer] == [kind]


def test_a_graph_without_weights() -> None:
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    halved = onnx.load_from_string(half_weights(model.SerializeToString()))
    assert [node.op_type for node in halved.graph.node] == ["Relu"]


@pytest.mark.parametrize(
    ("name", "weights", "expected"),
    [
        pytest.param("model.onnx", "fp32", "model.onnx", id="float32"),
        pytest.param("model.onnx", "int8", "model.int8.onnx", id="one ending"),
        pytest.param("model.ncnn.bin", "fp16", "model.ncnn.fp16.bin", id="two endings"),
    ],
)
def test_file_names(name: str, weights: str, expected: str) -> None:
    assert file_name(name, weights) == expected


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        pytest.param(
            ["--to", "onnx", "--precision", "int4"],
            "cannot store 'int4'; it stores: fp32, fp16, int8",
            id="unknown",
        ),
        pytest.param(
            ["--to", "ncnn", "--precision", "int8", "--calib", "d"],
            "cannot store 'int8'; it stores: fp32, fp16",
            id="not in this engine",
        ),
        pytest.param(
            ["--to", "onnx", "--precision", "int8"], "need images to calibrate with", id="no calibration"
        ),
        pytest.param(["--seed", "1"], "--seed: for int8 weights", id="no int8"),
        pytest.param(["--precision", ","], "no precision was given", id="none"),
        pytest.param(["--max-drop", "0.1"], "--max-drop is for the gate's labelled images", id="no data"),
        pytest.param(["--data", "d"], "for the gate of other precisions than fp32", id="nothing to judge"),
        pytest.param(
            ["--precision", "fp16", "--data", "d", "--max-drop", "2"],
            "max_drop is 2.0; it must be a number from 0 to 1",
            id="drop",
        ),
    ],
)
def test_wrong_usage(yolo_export: Command, lite: Path, tmp_path: Path, flags: list[str], text: str) -> None:
    done = yolo_export(lite, *flags, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert text in done.stderr
    assert list(tmp_path.iterdir()) == []
