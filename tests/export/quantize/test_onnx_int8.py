"""int8 ONNX files: what their graph holds, and that onnxruntime computes what the float network does."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest

from yolo_edge.bundle import load_bundle
from yolo_export.quantize import METHODS, Calibration, open_calibration, quantize_onnx, quantized_layers


def heads(model: bytes, calibration: Calibration) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return [
        head
        for tensor in calibration.tensors()
        for head in session.run(None, {session.get_inputs()[0].name: tensor})
    ]


def test_heads_leave_the_graph_in_float(model: bytes, calibration: Calibration):
    graph = onnx.load_from_string(quantize_onnx(model, calibration)).graph
    makers = {name: node for node in graph.node for name in node.output}
    for output in graph.output:
        assert makers[output.name].op_type == "Conv"
        assert not any(output.name in node.input for node in graph.node)
        assert output.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert [each.name for each in graph.output] == [
        each.name for each in onnx.load_from_string(model).graph.output
    ]


def test_weights_have_8_bits_and_a_step_for_each_channel(model: bytes, calibration: Calibration):
    graph = onnx.load_from_string(quantize_onnx(model, calibration)).graph
    constants = {each.name: each for each in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert sorted(node.name for node in convolutions) == sorted(quantized_layers(model))
    for node in convolutions:
        weight = makers[node.input[1]]
        values, scale = constants[weight.input[0]], constants[weight.input[1]]
        assert weight.op_type == "DequantizeLinear"
        assert values.data_type == onnx.TensorProto.INT8  # onnxruntime has no fast kernel for unsigned ones
        assert list(scale.dims) == [values.dims[0]]
        assert set(onnx.numpy_helper.to_array(constants[weight.input[2]]).tolist()) == {0}
        assert largest_pair(onnx.numpy_helper.to_array(values)) <= 128


def largest_pair(weight: np.ndarray) -> int:
    """The largest sum of two weights of one sign that VPMADDUBSW adds up in 16 bits."""
    if weight.shape[1] == 1:  # depthwise convolutions do not use it
        return 0
    rows = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1).astype(int)
    sums = [row[place] + row[place + 1] for row in rows for place in range(0, len(row) - 1, 2)]
    return max(abs(each) for each in sums)


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"entropy"}))
def test_heads_stay_near(method: str, model: bytes, calibration: Calibration):
    for wanted, found in zip(
        heads(model, calibration), heads(quantize_onnx(model, calibration, method), calibration)
    ):
        assert wanted.shape == found.shape
        noise = np.square(found - wanted).mean() / np.square(wanted).mean()
        assert 0 < noise < 0.05


def test_a_kept_layer_is_float(model: bytes, calibration: Calibration):
    kept = quantized_layers(model)[2]
    graph = onnx.load_from_string(quantize_onnx(model, calibration, keep_float=[kept])).graph
    constants = {each.name: each for each in graph.initializer}
    (node,) = [node for node in graph.node if node.name == kept]
    assert constants[node.input[1]].data_type == onnx.TensorProto.FLOAT


def test_all_layers_in_float_change_nothing(model: bytes, calibration: Calibration):
    kept = quantize_onnx(model, calibration, keep_float=quantized_layers(model))
    assert not {node.op_type for node in onnx.load_from_string(kept).graph.node} & {"QuantizeLinear"}
    for wanted, found in zip(heads(model, calibration), heads(kept, calibration)):
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_an_unknown_layer_is_named(model: bytes, calibration: Calibration):
    with pytest.raises(ValueError, match="no convolution nowhere; it has: "):
        quantize_onnx(model, calibration, keep_float=["nowhere"])


def test_an_unknown_method_is_named(model: bytes, calibration: Calibration):
    with pytest.raises(
        ValueError, match="unknown calibration method 'best'; known methods: entropy, min-max"
    ):
        quantize_onnx(model, calibration, "best")


def test_the_same_images_give_the_same_bytes(model: bytes, calibration: Calibration):
    assert quantize_onnx(model, calibration) == quantize_onnx(model, calibration)


def test_the_bias_of_a_dead_channel_survives(calibration: Calibration):
    """A channel with weights near zero, whose bias in their steps would not fit 32 bits."""
    weight = np.ones((2, 3, 1, 1), np.float32)
    weight[1] = 1e-12
    bias = np.array([0.0, 1.5], np.float32)
    head = np.ones((1, 2, 1, 1), np.float32)
    make = onnx.helper.make_node
    graph = onnx.helper.make_graph(
        [
            make("Conv", ["images", "w", "b"], ["x"], name="first"),
            make("Relu", ["x"], ["y"], name="relu"),
            make("Conv", ["y", "h"], ["head_8"], name="last"),
        ],
        "dead",
        [onnx.helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [1, 3, "h", "w"])],
        [onnx.helper.make_tensor_value_info("head_8", onnx.TensorProto.FLOAT, [1, 1, "h", "w"])],
        [
            onnx.numpy_helper.from_array(values, name)
            for name, values in (("w", weight), ("b", bias), ("h", head))
        ],
    )
    network = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    model = network.SerializeToString()
    for wanted, found in zip(
        heads(model, calibration), heads(quantize_onnx(model, calibration, "min-max"), calibration)
    ):
        np.testing.assert_allclose(found, wanted, atol=0.05)


def test_black_images_spoil_the_model(
    tmp_path: Path, tiny_bundle: Path, model: bytes, calibration: Calibration
):
    """What the gate has to refuse: the file is made, and computes something else."""
    cv2.imwrite(str(tmp_path / "black.png"), np.zeros((90, 160, 3), np.uint8))
    black = open_calibration(tmp_path, load_bundle(tiny_bundle).input)
    noise = [
        np.square(found - wanted).mean() / np.square(wanted).mean()
        for wanted, found in zip(heads(model, calibration), heads(quantize_onnx(model, black), calibration))
    ]
    assert all(np.isfinite(noise))
    assert max(noise) > 0.05
