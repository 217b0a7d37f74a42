"""Steps of 8-bit weights that no kernel saturates with, and biases that make up for rounding."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from yolo_export.quantize.onnx_weights import correct_biases, weight_scales, weight_steps
from yolo_export.quantize.ranges import MapRange


def one_channel(*values: float, shape: tuple[int, int, int] = (-1, 1, 1)) -> np.ndarray:
    return np.array(values, np.float32).reshape(1, *shape)


@pytest.mark.parametrize(
    ("weight", "largest"),
    [
        pytest.param(one_channel(0, 0), 0, id="zeros"),
        pytest.param(one_channel(1, 0.2), 1.2, id="neighbours of one sign"),
        pytest.param(one_channel(-1, -0.2), 1.2, id="negative neighbours"),
        pytest.param(one_channel(1, -0.9), 1, id="neighbours of two signs"),
        pytest.param(one_channel(0.1, 1, 1, 0.1), 1.1, id="large ones of two pairs"),
        pytest.param(one_channel(0.5, 0.25, 1), 1, id="an odd number"),
        pytest.param(one_channel(1, 1, shape=(1, 1, 2)), 1, id="depthwise"),
        # Channels are the innermost: 1 meets 0.25, not 0.5.
        pytest.param(one_channel(1, 0.5, 0.25, 0.125, shape=(2, 1, 2)), 1.25, id="two columns"),
    ],
)
def test_steps(weight: np.ndarray, largest: float):
    np.testing.assert_allclose(weight_steps(weight), [largest / 127])


def test_rounded_pairs_stay_below_the_limit():
    weight = np.random.default_rng(0).normal(size=(64, 24, 3, 3)).astype(np.float32)
    scaled = np.rint(weight / weight_steps(weight)[:, None, None, None]).astype(int)
    rows = scaled.transpose(0, 2, 3, 1).reshape(64, -1, 2)
    assert 255 * np.abs(rows.sum(2)).max() < 2**15
    assert np.abs(scaled).max() <= 127
    assert np.abs(scaled).max(axis=(1, 2, 3)).mean() > 70  # 64 is all that 7 bits have


def convolution(weight: np.ndarray, bias: np.ndarray | None, groups: int):
    make = onnx.helper.make_node
    constants = {"w": weight} | ({} if bias is None else {"b": bias})
    shape = [1, weight.shape[1] * groups, "h", "w"]
    return onnx.helper.make_graph(
        [make("Conv", ["x", *constants], ["y"], name="conv", group=groups)],
        "one",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, len(weight), "h", "w"])],
        [onnx.numpy_helper.from_array(values.astype(np.float32), name) for name, values in constants.items()],
    )


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("with_bias", [True, False])
def test_the_mean_of_a_channel_survives_rounding(groups: int, with_bias: bool):
    random = np.random.default_rng(3)
    weight = random.normal(size=(12, 6 // groups, 3, 3))
    bias = random.normal(size=12) if with_bias else None
    means = random.uniform(0.5, 2.0, 6)
    graph = convolution(weight, bias, groups)
    ranges = {"x": MapRange(-1.0, 4.0, means)}
    scales = weight_scales(onnx, graph, ranges)
    correct_biases(onnx, graph, ranges, scales, set())
    (node,) = graph.node
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    steps = scales["w"][:, None, None, None]
    rounded = np.rint(weight / steps) * steps
    corrected = constants[node.input[2]]
    for channel in range(12):
        first = channel // (12 // groups) * (6 // groups)
        read = means[first : first + 6 // groups]
        before = weight[channel].sum((1, 2)) @ read + (0 if bias is None else bias[channel])
        after = rounded[channel].sum((1, 2)) @ read + corrected[channel]
        assert after == pytest.approx(before, abs=1e-5)
    assert np.abs(corrected - (0 if bias is None else bias)).max() > 1e-4


def test_layers_in_float_keep_their_bias():
    graph = convolution(np.ones((2, 2, 1, 1)) / 3, np.ones(2), 1)
    ranges = {"x": MapRange(0.0, 1.0, np.ones(2))}
    correct_biases(onnx, graph, ranges, weight_scales(onnx, graph, ranges), {"conv"})
    assert list(graph.node[0].input) == ["x", "w", "b"]


def test_convolutions_that_share_weights():
    graph = convolution(np.ones((2, 2, 1, 1)) / 3, np.array([0.0, 1e9]), 1)
    second = onnx.helper.make_node("Conv", ["x", "w"], ["z"], name="second")
    graph.node.append(second)
    ranges = {"x": MapRange(0.0, 1.0, np.ones(2))}
    scales = weight_scales(onnx, graph, ranges)
    assert scales["w"][1] > 100 * scales["w"][0], "the bias of the first still fits"
    correct_biases(onnx, graph, ranges, scales, set())
    biases = [node.input[2] for node in graph.node]
    constants = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    assert len(constants) == len(graph.initializer)
    assert [constants[name][1] > 1e8 for name in biases] == [True, False]
