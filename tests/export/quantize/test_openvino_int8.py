"""int8 models of OpenVINO: the heads' numbers, and what is quantised."""

from __future__ import annotations

import io

import numpy as np
import pytest

from yolo_edge.packages import require_openvino
from yolo_export.quantize import Calibration, quantize_openvino, quantized_layers


def heads(model: object, calibration: Calibration) -> list[np.ndarray]:
    compiled = require_openvino("the test", "").Core().compile_model(model, "CPU")
    return [np.array(values) for tensor in calibration.tensors() for values in compiled([tensor]).to_tuple()]


def weights_in_int8(model: object) -> int:
    return sum(
        each.get_type_name() == "Constant" and each.get_element_type().get_type_name() == "i8"
        for each in model.get_ops()
    )


def test_heads_stay_near_and_in_float(model: bytes, calibration: Calibration):
    plain = require_openvino("the test", "").Core().read_model(io.BytesIO(model))
    made = quantize_openvino(model, calibration)
    assert [port.get_names() for port in made.outputs] == [port.get_names() for port in plain.outputs]
    for output in made.outputs:
        last = output.get_node().input_value(0).get_node()
        while last.get_type_name() == "Add":
            last = last.input_value(0).get_node()
        assert last.get_type_name() == "Convolution"
    for wanted, found in zip(heads(plain, calibration), heads(made, calibration)):
        noise = np.square(found - wanted).mean() / np.square(wanted).mean()
        assert 0 < noise < 0.05


def test_a_kept_layer_is_float(model: bytes, calibration: Calibration, capsys: pytest.CaptureFixture[str]):
    first = quantized_layers(model)[0]
    whole = weights_in_int8(quantize_openvino(model, calibration))
    assert whole > 10
    assert weights_in_int8(quantize_openvino(model, calibration, keep_float=[first])) == whole - 1
    assert capsys.readouterr() == ("", ""), "NNCF draws a bar of its own"


def test_an_unknown_layer_is_named(model: bytes, calibration: Calibration):
    with pytest.raises(ValueError, match="no convolution nowhere; it has: "):
        quantize_openvino(model, calibration, ["nowhere"])
