"""ONNX and ncnn files that would take all memory or time, or read other files: one line, within limits."""

from __future__ import annotations

import multiprocessing
import resource
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from foreign_exports import write_onnx
from onnx import TensorProto, helper, numpy_helper

from yolo_edge.errors import BundleError
from yolo_edge.importing import ImportOptions, import_model, open_imported, trial_process

MIB = 1 << 20


def _save(path: Path, nodes: list[Any], constants: tuple[Any, ...] = (), sides: Any = ("h", "w")) -> Path:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, *sides])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        list(constants),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    path.write_bytes(model.SerializeToString())
    return path


def _constants_of_8_gib(path: Path) -> Path:
    shape = numpy_helper.from_array(np.array([1 << 16, 1 << 15], np.int64), "shape")
    half = helper.make_tensor("half", TensorProto.FLOAT, [1], [0.5])
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["large"], value=half),
        helper.make_node("ReduceSum", ["large"], ["sum"], keepdims=0),
        helper.make_node("Add", ["images", "sum"], ["out"]),
    ]
    return _save(path, nodes, (shape,))


def _endless_loop(path: Path) -> Path:
    flag, value = TensorProto.BOOL, TensorProto.FLOAT
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["on2"]), helper.make_node("Identity", ["x"], ["x2"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", flag, []),
            helper.make_tensor_value_info("x", value, None),
        ],
        [helper.make_tensor_value_info("on2", flag, []), helper.make_tensor_value_info("x2", value, None)],
    )
    count = numpy_helper.from_array(np.array(1 << 60, np.int64), "count")
    first = numpy_helper.from_array(np.array(True), "first")
    return _save(
        path, [helper.make_node("Loop", ["count", "first", "images"], ["out"], body=body)], (count, first)
    )


def _huge_input(path: Path) -> Path:
    return _save(path, [helper.make_node("Identity", ["images"], ["out"])], sides=(30_000, 30_000))


def _huge_output(path: Path) -> Path:
    scale = numpy_helper.from_array(np.array([1, 1, 200, 200], np.float32), "scale")
    node = helper.make_node("Resize", ["images", "", "scale"], ["out"], mode="nearest")
    return _save(path, [node], (scale,))


def _numbers_of(location: str) -> Any:
    def write(path: Path) -> Path:
        tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1])
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", "4")):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
        return _save(path, [helper.make_node("Add", ["images", "w"], ["out"])], (tensor,))

    return write


def _ncnn(*layers: str, says: str = "") -> Any:
    def write(path: Path) -> Path:
        param = path.with_suffix(".param")
        rows = ["Input in 0 1 in0", *layers]
        param.write_text("\n".join(["7767517", says or f"{len(rows)} {len(rows)}", *rows]) + "\n")
        param.with_suffix(".bin").write_bytes(bytes(64))
        return param

    return write


CASES = [
    pytest.param(_constants_of_8_gib, "needs more than 1024 MiB of memory", id="constants of 8 GiB"),
    pytest.param(_endless_loop, "onnxruntime did not finish within 5 s", id="endless loop"),
    pytest.param(_huge_input, "images of 30000x30000 only; sides of 1 to 8192 px", id="huge input"),
    pytest.param(_huge_output, "needs more than 1024 MiB of memory at 128x256", id="huge output"),
    pytest.param(_numbers_of("../../../etc/passwd"), "onnxruntime cannot read it: ", id="numbers outside"),
    pytest.param(_numbers_of("/etc/passwd"), "onnxruntime cannot read it: ", id="absolute path"),
    pytest.param(_ncnn(says="1000000000 2"), "it has 1 layers, but says 1000000000", id="a billion layers"),
    pytest.param(_ncnn("ReLU r 1 1 in0 out", says="2 2000000000"), "ncnn cannot load it: ", id="blobs"),
    pytest.param(
        _ncnn("Convolution c 1 1 in0 out 0=1000000 1=1 6=2000000000"), "ncnn cannot load it: ", id="weights"
    ),
    pytest.param(_ncnn("Slice s 1 1 in0 out -23300=2000000000,1"), "ncnn cannot load it: ", id="array"),
    pytest.param(
        _ncnn("Interp i 1 1 in0 out 0=1 1=300.0 2=300.0"), "it does not run at 128x128: ", id="upsampling"
    ),
    pytest.param(
        _ncnn("Padding p 1 1 in0 out 0=50000 1=50000 2=50000 3=50000"), "does not run at", id="padding"
    ),
]


@pytest.mark.parametrize(("write", "message"), CASES)
def test_refused_within_limits(
    write: Any, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_process, "TIMEOUT_S", 5)
    monkeypatch.setattr(trial_process, "MEMORY_BYTES", 1 << 30)
    path = write(tmp_path / "hostile.onnx")
    sizes = (128, 128) if path.suffix == ".param" else None
    options = ImportOptions(names=("a", "b"), size_hw=sizes)
    # A process of its own, whose children are this file's trials alone.
    with multiprocessing.get_context("fork").Pool(1) as pool:
        said, most_kib = pool.apply(_refusal, (path, options, tmp_path / "x.edge"))
    assert message in said and str(path) in said
    assert "\n" not in said and "Traceback" not in said
    assert not (tmp_path / "x.edge").exists()
    assert most_kib < 1100 * MIB // 1024


def _refusal(path: Path, options: ImportOptions, out: Path) -> tuple[str, int]:
    """What an import says, and the most memory that a process of it took, in KiB."""
    with pytest.raises(BundleError) as caught:
        import_model(path, options, out=out)
    return str(caught.value), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def test_numbers_in_another_file(tiny_checkpoint: Path, tmp_path: Path) -> None:
    """onnxruntime reads them where the model lies; the bundle would lack them."""
    file = write_onnx(tmp_path / "one.onnx", tiny_checkpoint, "decoded")
    parts = tmp_path / "two.onnx"
    onnx.save(onnx.load(file), parts, save_as_external_data=True, location="two.data", size_threshold=100)
    options = ImportOptions(names=("a", "b", "c"))
    with pytest.raises(BundleError, match=r"two\.onnx: runs where it is, but not as a copy; .* as one file"):
        import_model(parts, options, out=tmp_path / "x.edge")
    assert len(open_imported(parts, options)[0].names) == 3
