from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import ncnn
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from checkpoints import STRIDES, write_checkpoint, yolov5, yolov5_lite

from yolo_edge.bundle import Target as EngineTarget
from yolo_edge.bundle import TargetInput, TargetOutput
from yolo_edge.engines import create_engine
from yolo_edge.engines.base import EngineOptions
from yolo_export.checkpoint import Checkpoint, read_checkpoint
from yolo_export.errors import ConversionError, MissingExtraError
from yolo_export.targets import OnnxIntermediate, Target, TargetResult, create_target, target_names

SIZES_HW = [(640, 384), (480, 640), (320, 256)]


def run_onnx(folder: Path, entry: dict[str, Any], image: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(
        str(folder / entry["files"]["model"]), providers=["CPUExecutionProvider"]
    )
    names = [output["name"] for output in entry["outputs"]]
    return [head[0] for head in session.run(names, {entry["input"]["name"]: image})]


def run_ncnn(folder: Path, entry: dict[str, Any], image: np.ndarray) -> list[np.ndarray]:
    net = ncnn.Net()
    net.opt.num_threads = 2
    for option in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(net.opt, f"use_{option}", False)
    assert net.load_param(str(folder / entry["files"]["param"])) == 0
    assert net.load_model(str(folder / entry["files"]["bin"])) == 0
    with net.create_extractor() as extractor:
        planes = np.ascontiguousarray(image[0])  # A Mat made from an array does not own it.
        extractor.input(entry["input"]["name"], ncnn.Mat(planes))
        heads = []
        for output in entry["outputs"]:
            status, head = extractor.extract(output["name"])
            assert status == 0
            heads.append(np.array(head))
        return heads


def run_engine(folder: Path, entry: dict[str, Any], image: np.ndarray) -> list[np.ndarray]:
    # Through our engines: whoever uses OpenVINO or MNN first decides for the whole process about their
    # threads, and other tests bind them.
    files = {role: folder / name for role, name in entry["files"].items()}
    target = EngineTarget(
        **{key: entry[key] for key in ("engine", "weights", "compute", "files")},
        sha256={},
        input=TargetInput(**entry["input"]),
        outputs=tuple(TargetOutput(**output) for output in entry["outputs"]),
    )
    with create_engine(target, files, EngineOptions(threads=1)) as engine:
        slot = engine.acquire(image.shape[2:])
        slot.input[...] = image
        engine.infer(slot)
        return [np.array(head) for head in slot.heads]


RUN = {
    "onnx": (run_onnx, 1e-4),
    "openvino": (run_engine, 1e-4),
    "mnn": (run_engine, 1e-4),
    "ncnn": (run_ncnn, 1e-3),
}


@pytest.fixture(scope="module", params=[yolov5, yolov5_lite], ids=["yolov5", "yolov5 lite"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return read_checkpoint(write_checkpoint(tmp_path_factory.mktemp("made") / "best.pt", request.param()))


def convert(name: str, checkpoint: Checkpoint, folder: Path, **options: Any) -> TargetResult:
    return create_target(name).convert(checkpoint, folder, size_hw=(64, 96), **options)


def check_heads(
    name: str, checkpoint: Checkpoint, folder: Path, entry: dict[str, Any], sizes: int = len(SIZES_HW)
) -> None:
    """The engine's heads equal the network's at every size, or at the first few."""
    run, tolerance = RUN[name]
    for height, width in SIZES_HW[:sizes]:
        image = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height))
        with torch.no_grad():
            expected = checkpoint.network(image)
        got = run(folder, entry, image.numpy())
        for head, (mine, theirs) in enumerate(zip(got, expected)):
            assert mine.shape == tuple(theirs.shape[1:])
            assert np.abs(mine - theirs[0].numpy()).max() <= tolerance, (height, width, head)


@pytest.mark.parametrize("name", RUN)
def test_one_export_runs_at_every_size(tmp_path: Path, checkpoint: Checkpoint, name: str) -> None:
    result = convert(name, checkpoint, tmp_path)
    check_heads(name, checkpoint, tmp_path, result.entry)


@pytest.mark.shared
@pytest.mark.parametrize(
    "model",
    [
        "models/v5lite-e",
        "models/v5lite-s",
        "models/yolov5n",
        "fixtures/yolov5-mobilenetv3s",
        "fixtures/yolov5-shufflenetv2",
        "fixtures/yolov5-v1.0-s",
        "fixtures/yolov5-v3.1-s",
        "fixtures/yolov5-v5.0-s",
        "fixtures/yolov5-v7.0-m",
        "fixtures/yolov5-v7.0-s-ghost",
        "fixtures/yolov5lite-c",
        "fixtures/yolov5lite-g",
    ],
)
def test_real_architectures(tmp_path: Path, shared: Path, model: str) -> None:
    checkpoint = read_checkpoint(shared / f"{model}.pt")
    intermediate = OnnxIntermediate(checkpoint)
    for name, sizes in (("onnx", 3), ("ncnn", 3), ("mnn", 1), ("openvino", 1)):  # OpenVINO loads for seconds
        result = convert(name, checkpoint, tmp_path, intermediate=intermediate)
        check_heads(name, checkpoint, tmp_path, result.entry, sizes)
    # Shapes that are computed need an ncnn from 2025 or later; ours do without.
    assert '"' not in (tmp_path / "model.ncnn.param").read_text()


def test_onnx_entry(tmp_path: Path, checkpoint: Checkpoint) -> None:
    result = convert("onnx", checkpoint, tmp_path)
    assert result.entry == {
        "engine": "onnxruntime",
        "weights": "fp32",
        "compute": ["fp32"],
        "files": {"model": "model.onnx"},
        "input": {"name": "images", "dtype": "float32", "layout": "nchw", "shapes": "dynamic"},
        "outputs": [
            {"name": f"head_{s}", "head": i, "layout": "c,h,w", "activation": "none", "dtype": "float32"}
            for i, s in enumerate(STRIDES)
        ],
    }
    assert set(result.versions) == {"torch", "onnx", "onnxsim"}
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_ncnn_entry(tmp_path: Path, checkpoint: Checkpoint) -> None:
    result = convert("ncnn", checkpoint, tmp_path)
    assert result.entry == {
        "engine": "ncnn",
        "weights": "fp32",
        "compute": ["fp32", "fp16-storage", "bf16"],
        "files": {"param": "model.ncnn.param", "bin": "model.ncnn.bin"},
        "input": {"name": "in0", "dtype": "float32", "layout": "chw", "shapes": "dynamic"},
        "outputs": [
            {"name": f"out{i}", "head": i, "layout": "c,h,w", "activation": "none", "dtype": "float32"}
            for i in range(3)
        ],
    }
    assert set(result.versions) == {"torch", "onnx", "onnxsim", "pnnx"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.ncnn.bin", "model.ncnn.param"]


def test_openvino_entry(tmp_path: Path, checkpoint: Checkpoint) -> None:
    result = convert("openvino", checkpoint, tmp_path)
    assert result.entry == {
        "engine": "openvino",
        "weights": "fp32",
        "compute": ["fp32"],
        "files": {"model": "model.xml", "weights": "model.bin"},
        "input": {"name": "images", "dtype": "float32", "layout": "nchw", "shapes": "dynamic"},
        "outputs": [
            {"name": f"head_{s}", "head": i, "layout": "c,h,w", "activation": "none", "dtype": "float32"}
            for i, s in enumerate(STRIDES)
        ],
    }
    assert set(result.versions) == {"torch", "onnx", "onnxsim", "openvino"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.bin", "model.xml"]
    graph = (tmp_path / "model.xml").read_text()
    assert "f16" not in graph
    assert 'shape="1,3,?,?"' in graph


def test_mnn_entry(tmp_path: Path, checkpoint: Checkpoint, capfd: pytest.CaptureFixture[str]) -> None:
    result = convert("mnn", checkpoint, tmp_path)
    assert result.entry == {
        "engine": "mnn",
        "weights": "fp32",
        "compute": ["fp32"],
        "files": {"model": "model.mnn"},
        "input": {"name": "images", "dtype": "float32", "layout": "nchw", "shapes": "dynamic"},
        "outputs": [
            {"name": f"head_{s}", "head": i, "layout": "c,h,w", "activation": "none", "dtype": "float32"}
            for i, s in enumerate(STRIDES)
        ],
    }
    assert set(result.versions) == {"torch", "onnx", "onnxsim", "mnn"}
    assert [path.name for path in tmp_path.iterdir()] == ["model.mnn"]
    assert capfd.readouterr() == ("", ""), "what the converter says is not the user's"


def test_mnn_conversion_reports_to_nobody(
    tmp_path: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package's own command first installs what it needs for its report to MNN's makers."""
    called = tmp_path / "called"
    pip = tmp_path / "pip"
    pip.write_text(f"#!/bin/sh\ntouch {called}\n")
    pip.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    convert("mnn", checkpoint, tmp_path)
    assert not called.exists()
    assert not [name for name in sys.modules if name.startswith("MNN.tools")]


@pytest.mark.parametrize(
    ("program", "message"),
    [
        pytest.param(
            "print('broken'); raise SystemExit(3)",
            "MNN's converter ended with exit code 3 and did not write model.mnn; it said last:\nbroken",
            id="exit code",
        ),
        pytest.param("print('odd operator')", "exit code 0 and did not write model.mnn", id="silent failure"),
        pytest.param("open('model.mnn', 'wb').write(b'x' * 99)", "MNN cannot read what it", id="no model"),
    ],
)
def test_failing_mnn_converter(
    tmp_path: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, program: str, message: str
) -> None:
    monkeypatch.setattr("yolo_export.targets.mnn._CONVERT", program)
    with pytest.raises(ConversionError) as caught:
        convert("mnn", checkpoint, tmp_path)
    assert message in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_onnx_graph_is_plain(tmp_path: Path, checkpoint: Checkpoint) -> None:
    """Batch norm folded, no arithmetic on shapes, height and width open, batch one."""
    convert("onnx", checkpoint, tmp_path)
    model = onnx.load(str(tmp_path / "model.onnx"))
    kinds = {node.op_type for node in model.graph.node}
    assert not kinds & {"BatchNormalization", "Shape", "Gather", "Unsqueeze", "Cast"}
    shapes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in [*model.graph.input, *model.graph.output]
    }
    assert shapes["images"] == [1, 3, "images_height", "images_width"]
    assert shapes["head_8"] == [1, 24, "head_8_height", "head_8_width"]


def test_same_checkpoint_gives_the_same_bytes(tmp_path: Path, checkpoint: Checkpoint) -> None:
    files = {}
    for run in ("first", "second"):
        folder = tmp_path / run
        folder.mkdir()
        for name in RUN:
            convert(name, checkpoint, folder)
        files[run] = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert files["first"] == files["second"]


def test_intermediate_is_made_once(tmp_path: Path, checkpoint: Checkpoint) -> None:
    steps: list[str] = []
    intermediate = OnnxIntermediate(checkpoint)
    for name in ("onnx", "ncnn", "openvino", "mnn"):
        convert(name, checkpoint, tmp_path, intermediate=intermediate, progress=steps.append)
    assert steps == [
        "tracing the network to ONNX",
        "simplifying the ONNX graph",
        "converting to ncnn with pnnx",
        "converting to OpenVINO",
        "converting to MNN",
    ]


@pytest.mark.parametrize("opset", [13, 20])
@pytest.mark.parametrize("name", RUN)
def test_operator_set(tmp_path: Path, name: str, opset: int) -> None:
    checkpoint = read_checkpoint(write_checkpoint(tmp_path / "best.pt", yolov5_lite()))
    result = convert(name, checkpoint, tmp_path, opset=opset)
    if name == "onnx":
        model = onnx.load(str(tmp_path / "model.onnx"))
        assert [each.version for each in model.opset_import] == [opset]
    check_heads(name, checkpoint, tmp_path, result.entry)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"opset": 7}, "opset is 7; allowed: 13 to 20", id="opset"),
        pytest.param(
            {"size_hw": (640, 100)},
            "size (height, width) is (640, 100); both must be multiples of 32",
            id="size",
        ),
        pytest.param(
            {"size_hw": (0, 64)}, "size (height, width) is (0, 64); both must be multiples of 32", id="zero"
        ),
    ],
)
def test_bad_arguments(tmp_path: Path, checkpoint: Checkpoint, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        create_target("onnx").convert(checkpoint, tmp_path, **{"size_hw": (64, 64), **options})
    assert str(caught.value) == message
    assert not list(tmp_path.iterdir())


def test_intermediate_of_another_checkpoint(tmp_path: Path, checkpoint: Checkpoint) -> None:
    other = read_checkpoint(write_checkpoint(tmp_path / "other.pt", yolov5()))
    with pytest.raises(ValueError, match="made from another model"):
        convert("onnx", checkpoint, tmp_path, intermediate=OnnxIntermediate(other))


def test_unknown_target() -> None:
    assert target_names() == ["mnn", "ncnn", "onnx", "openvino"]
    with pytest.raises(ValueError) as caught:
        create_target("tflite")
    assert str(caught.value) == "unknown target 'tflite'; known targets: mnn, ncnn, onnx, openvino"


def test_targets_are_abstract() -> None:
    with pytest.raises(TypeError):
        Target()  # type: ignore[abstract]


@pytest.mark.parametrize(
    ("target", "package", "purpose", "extra"),
    [
        pytest.param("onnx", "onnxsim", "exporting to ONNX", "export", id="onnxsim"),
        pytest.param("ncnn", "pnnx", "the ncnn target", "export", id="pnnx"),
        pytest.param("openvino", "openvino", "the openvino target", "openvino", id="openvino"),
        pytest.param("mnn", "MNN", "the mnn target", "mnn", id="mnn"),
    ],
)
def test_missing_package_names_the_command(
    tmp_path: Path,
    checkpoint: Checkpoint,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    package: str,
    purpose: str,
    extra: str,
) -> None:
    class Hidden:
        def find_spec(self, name: str, *_: Any) -> None:
            if name == package:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.delitem(sys.modules, package, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Hidden(), *sys.meta_path])
    with pytest.raises(MissingExtraError) as caught:
        convert(target, checkpoint, tmp_path)
    assert str(caught.value) == (
        f"{purpose} needs the Python package {package}, which is not installed: "
        f"pip install 'yolo-edge[{extra}]'"
    )


@pytest.mark.parametrize(
    ("script", "message"),
    [
        pytest.param("echo broken; exit 3", "pnnx ended with exit code 3 and did not write", id="exit code"),
        pytest.param(
            "echo odd operator", "pnnx ended with exit code 0 and did not write", id="silent failure"
        ),
        pytest.param(
            "printf '7767517\\n1 1\\naten::foo x 0 1 a\\n' > model.ncnn.param; echo > model.ncnn.bin",
            "pnnx could not convert these operators to ncnn: aten::foo",
            id="foreign operator",
        ),
        pytest.param(
            "echo nonsense > model.ncnn.param; echo > model.ncnn.bin",
            "pnnx did not write an ncnn graph",
            id="no graph",
        ),
    ],
)
def test_failing_pnnx(
    tmp_path: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    program = tmp_path / "pnnx"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr("pnnx.EXEC_PATH", str(program))
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(ConversionError) as caught:
        convert("ncnn", checkpoint, folder)
    assert message in str(caught.value)
    assert not list(folder.iterdir())


def test_forms_of_the_graph(checkpoint: Checkpoint) -> None:
    intermediate = OnnxIntermediate(checkpoint)
    for name in target_names():
        intermediate.in_form(create_target(name).form)
    with pytest.raises(ValueError) as caught:
        intermediate.in_form("winograd")
    assert str(caught.value) == "unknown form 'winograd'; known forms: plain, shuffle-free"
