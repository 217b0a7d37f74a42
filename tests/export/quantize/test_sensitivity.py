"""The report on layers, and the automatic choice of those that stay in float."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from yolo_export.quantize import (
    Calibration,
    LayerNoise,
    draw_sensitivity,
    fewest_float_layers,
    layer_noise,
    quantized_layers,
    sensitivity_table,
    with_gains,
)
from yolo_export.quantize.onnx_int8 import map_ranges, quantize_with_ranges


def float_convolutions(model: bytes) -> set[str]:
    graph = onnx.load_from_string(model).graph
    floats = {each.name for each in graph.initializer if each.data_type == onnx.TensorProto.FLOAT}
    return {node.name for node in graph.node if node.op_type == "Conv" and node.input[1] in floats}


def three_convolutions(middle: np.ndarray) -> bytes:
    """A network whose second convolution has the given weights, (3, 3, 1, 1)."""
    make = onnx.helper.make_node
    one = np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)
    graph = onnx.helper.make_graph(
        [
            make("Conv", ["images", "a"], ["x"], name="first"),
            make("Conv", ["x", "b"], ["y"], name="middle"),
            make("Conv", ["y", "c"], ["head_8"], name="last"),
        ],
        "three",
        [onnx.helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [1, 3, "h", "w"])],
        [onnx.helper.make_tensor_value_info("head_8", onnx.TensorProto.FLOAT, [1, 3, "h", "w"])],
        [
            onnx.numpy_helper.from_array(values, name)
            for name, values in (("a", one), ("b", middle.astype(np.float32)), ("c", one))
        ],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


@pytest.fixture(scope="module")
def bad_middle() -> bytes:
    """Its second layer subtracts nearly equal numbers, which 256 levels do not hold."""
    weight = np.zeros((3, 3, 1, 1))
    weight[0, :2, 0, 0] = 100, -99.7
    weight[1, 1:, 0, 0] = 50, -49.9
    weight[2, 2, 0, 0] = 1
    return three_convolutions(weight)


def test_the_bad_layer_is_found(bad_middle: bytes, calibration: Calibration):
    rows = layer_noise(bad_middle, calibration, images=2)
    assert [row.name for row in rows] == ["first", "middle", "last"]
    assert min(rows, key=lambda row: row.own_db).name == "middle"
    assert all(np.isfinite(row.through_db) and row.gain is None for row in rows)


def test_gains_are_measured_from_the_noisiest(bad_middle: bytes, calibration: Calibration):
    rows = layer_noise(bad_middle, calibration, images=1)
    asked: list[set[str]] = []

    def score(model: bytes) -> float:
        asked.append(float_convolutions(model))
        return float(len(asked[-1]))

    found = with_gains(rows, bad_middle, calibration, score)
    assert asked[:2] == [set(), {"middle"}]
    assert [row.gain for row in found] == [1.0, 1.0, 1.0]
    assert [row.name for row in found] == [row.name for row in rows]
    assert all(row.gain is None for row in with_gains(rows, bad_middle, calibration, score, limit_s=0))


def rows_of(model: bytes, worst_first: list[int]) -> list[LayerNoise]:
    names = quantized_layers(model)
    places = {number: place for place, number in enumerate(worst_first)}
    return [
        LayerNoise(name, float(places.get(number, 50 + number)), 0.0) for number, name in enumerate(names)
    ]


@pytest.mark.parametrize("needed", [0, 1, 2, 3, 5, 8])
def test_the_fewest_layers_stay_in_float(needed: int, model: bytes, calibration: Calibration):
    worst = [7, 3, 11, 2, 9, 5, 0, 4]
    rows = rows_of(model, worst)
    wanted = {rows[number].name for number in worst[:needed]}
    result = fewest_float_layers(
        model, calibration, lambda made: wanted <= float_convolutions(made), noise=rows
    )
    assert result.passed
    assert set(result.kept) == wanted == float_convolutions(result.model)
    assert len(result.tried) <= 8


def test_a_gate_that_never_opens(bad_middle: bytes, calibration: Calibration):
    result = fewest_float_layers(bad_middle, calibration, lambda _: False)
    assert not result.passed
    assert result.tried == {0: False, 1: False, 2: False, 3: False}
    assert len(result.kept) == 3


def test_the_time_is_bounded(bad_middle: bytes, calibration: Calibration):
    result = fewest_float_layers(bad_middle, calibration, lambda _: False, limit_s=0)
    assert (result.passed, dict(result.tried)) == (False, {0: False})


def test_no_image(bad_middle: bytes, calibration: Calibration):
    with pytest.raises(ValueError, match="images is 0; it must be at least 1"):
        layer_noise(bad_middle, calibration, images=0)


def test_table():
    rows = [LayerNoise("/a", 40.0, 30.0), LayerNoise("/longer", 12.34, 8.0, -0.0123)]
    assert sensitivity_table(rows).splitlines() == [
        "layer    alone, dB  in all, dB  gain in float",
        "/longer       12.3         8.0        -0.0123",
        "/a            40.0        30.0              -",
    ]
    assert sensitivity_table([]).splitlines() == ["layer  alone, dB  in all, dB  gain in float"]


def test_chart(tmp_path: Path):
    path = tmp_path / "layers.png"
    rows = [LayerNoise(f"/layers.{number}/Conv", 10.0 + number, 8.0) for number in range(12)]
    draw_sensitivity([*rows, LayerNoise("/same", float("inf"), float("inf"))], path)
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.std() > 1
    with pytest.raises(ValueError, match="no layers to draw"):
        draw_sensitivity([], path)


def test_ranges_may_be_used_again(model: bytes, calibration: Calibration):
    ranges = map_ranges(model, calibration)
    assert quantize_with_ranges(model, ranges) == quantize_with_ranges(model, ranges)
