"""OpenVINO's graphs: what is left out of them, and that they compute the same."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from yolo_edge.packages import require_openvino
from yolo_export.errors import ConversionError
from yolo_export.openvino_ir import compact_ir, read_network, save_network


@pytest.fixture(scope="module")
def openvino() -> Any:
    return require_openvino("the test", "")


def heads(openvino: Any, network: Any, size_hw: tuple[int, int]) -> list[np.ndarray]:
    compiled = openvino.Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    tensor = np.random.default_rng(0).random((1, 3, *size_hw), np.float32)
    return [np.array(values) for values in compiled([tensor]).to_tuple()]


def kinds(network: Any) -> set[str]:
    return {node.get_type_name() for node in network.get_ops()}


def test_computed_constants_are_constants(openvino: Any, tiny_bundle: Path) -> None:
    model = (tiny_bundle / "model.onnx").read_bytes()
    plain = openvino.Core().read_model(io.BytesIO(model))
    network = read_network(openvino, model)
    assert "ShapeOf" in kinds(plain)
    assert "ShapeOf" not in kinds(network)
    for size_hw in ((64, 96), (96, 64)):
        for wanted, found in zip(heads(openvino, plain, size_hw), heads(openvino, network, size_hw)):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("half", [False, True])
def test_compact_files_compute_the_same(openvino: Any, tiny_bundle: Path, tmp_path: Path, half: bool) -> None:
    network = read_network(openvino, (tiny_bundle / "model.onnx").read_bytes())
    openvino.save_model(network, str(tmp_path / "plain.xml"), compress_to_fp16=half)
    save_network(openvino, network, tmp_path / "compact.xml", half=half)
    read = [openvino.Core().read_model(str(tmp_path / f"{name}.xml")) for name in ("plain", "compact")]
    for ports in ("inputs", "outputs"):
        plain, compact = ([port.get_names() for port in getattr(each, ports)] for each in read)
        assert plain == compact
        assert all(plain)
    for wanted, found in zip(*(heads(openvino, each, (64, 96)) for each in read)):
        np.testing.assert_array_equal(found, wanted)
    sizes = [(tmp_path / f"{name}.xml").stat().st_size for name in ("plain", "compact")]
    assert sizes[1] < 0.6 * sizes[0]
    text = (tmp_path / "compact.xml").read_text()
    assert compact_ir(text) == text, "nothing is left to be left out"


@pytest.mark.parametrize(
    ("bias", "joined"),
    [
        pytest.param(0.5, True, id="usual"),
        pytest.param(7e4, False, id="too large for half precision"),
    ],
)
def test_biases_are_one_constant(openvino: Any, tmp_path: Path, bias: float, joined: bool) -> None:
    ops = openvino.opset8
    image = ops.parameter([1, 2, 4, 4], np.float32, "images")
    image.output(0).set_names({"images"})
    made = image
    values = np.random.default_rng(0)
    for number in range(2):
        weights = values.random((2, 2, 3, 3), np.float32)
        made = ops.convolution(made, ops.constant(weights), [1, 1], [1, 1], [1, 1], [1, 1])
        made = ops.add(made, ops.constant(np.full((1, 2, 1, 1), bias + number, np.float32)))
    made.output(0).set_names({"head"})
    network = openvino.Model([made], [image], "convolutions")
    openvino.save_model(network, str(tmp_path / "plain.xml"), compress_to_fp16=False)
    save_network(openvino, network, tmp_path / "joined.xml", half=False)
    assert ('type="VariadicSplit"' in (tmp_path / "joined.xml").read_text()) == joined
    compiled = [
        openvino.Core().compile_model(str(tmp_path / f"{name}.xml"), "CPU") for name in ("plain", "joined")
    ]
    tensor = values.random((1, 2, 4, 4), np.float32)
    wanted, found = (np.array(each([tensor])["head"]) for each in compiled)
    np.testing.assert_array_equal(found, wanted)
    executed = [
        sorted(node.get_rt_info()["layerType"].astype(str) for node in each.get_runtime_model().get_ops())
        for each in compiled
    ]
    assert executed[0] == executed[1], "what is split once must not be split for every image"


def test_equal_constants_are_there_once(openvino: Any, tmp_path: Path) -> None:
    ops = openvino.opset8
    image = ops.parameter([1, 3], np.float32, "images")
    image.output(0).set_names({"images"})
    made = image
    for value in (2.0, 3.0, 2.0):
        made = ops.add(made, ops.constant(np.full((1, 3), value, np.float32)))
    made.output(0).set_names({"head"})
    save_network(openvino, openvino.Model([made], [image], "adds"), tmp_path / "adds.xml", half=False)
    assert (tmp_path / "adds.xml").read_text().count('type="Const"') == 2
    compiled = openvino.Core().compile_model(str(tmp_path / "adds.xml"), "CPU")
    np.testing.assert_array_equal(compiled([np.zeros((1, 3), np.float32)])["head"], [[7, 7, 7]])


def test_what_is_no_network(openvino: Any) -> None:
    with pytest.raises(ConversionError, match="OpenVINO cannot convert the network: "):
        read_network(openvino, b"nothing")
