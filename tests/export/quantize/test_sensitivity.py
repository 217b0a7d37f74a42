"""The noise of layers, and the report on it."""

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
    layer_noise,
    sensitivity_rows,
    sensitivity_table,
)
from yolo_export.quantize.onnx_int8 import map_ranges, quantize_with_ranges


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


def test_noise_is_kept(bad_middle: bytes, calibration: Calibration):
    rows = layer_noise(bad_middle, calibration, images=2)
    said: list[str] = []
    assert layer_noise(bad_middle, calibration, progress=said.append, images=2) == rows
    assert said == ["noise of the layers: measured before"]
    assert layer_noise(bad_middle, calibration, "min-max", said.append, images=2) != rows
    assert "layer 3 of 3: last" in said


def test_damaged_files_in_the_cache(
    bad_middle: bytes, calibration: Calibration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    rows = layer_noise(bad_middle, calibration, images=1)
    (place,) = tmp_path.rglob("*.noise.json")
    for content in ("", "[", "[[1]]", "{}", '[["first", 1, 2]]'):
        place.write_text(content)
        assert layer_noise(bad_middle, calibration, images=1) == rows, content


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


def test_rows_for_json():
    rows = [LayerNoise("/a", 40.126, float("inf")), LayerNoise("/b", 12.0, 8.0, -0.0123)]
    assert sensitivity_rows(rows) == [
        {"name": "/a", "own_db": 40.13, "through_db": None, "gain": None},
        {"name": "/b", "own_db": 12.0, "through_db": 8.0, "gain": -0.0123},
    ]
    assert sensitivity_rows([]) == []


def test_chart(tmp_path: Path):
    path = tmp_path / "layers.png"
    rows = [LayerNoise(f"/layers.{number}/Conv", 10.0 + number, 8.0) for number in range(12)]
    draw_sensitivity([*rows, LayerNoise("/same", float("inf"), float("inf"))], path)
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.std() > 1
    draw_sensitivity([LayerNoise("/a", 40.0, 30.0, 0.01), *rows], path)
    wider = cv2.imread(str(path))
    assert wider.shape[1] > picture.shape[1], "a second panel for the gains"
    with pytest.raises(ValueError, match="no layers to draw"):
        draw_sensitivity([], path)


def test_ranges_may_be_used_again(model: bytes, calibration: Calibration):
    ranges = map_ranges(model, calibration)
    assert quantize_with_ranges(model, ranges) == quantize_with_ranges(model, ranges)
