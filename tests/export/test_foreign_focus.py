"""Strided slices before a convolution become one convolution that computes the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import onnxsim
import pytest
import torch
from foreign_exports import write_module
from torch import nn

from yolo_export.foreign.focus import fold_focus

YOLOV5 = ((0, 0), (1, 0), (0, 1), (1, 1))


class Focus(nn.Module):
    def __init__(self, places: Sequence[tuple[int, int]], conv: nn.Conv2d) -> None:
        super().__init__()
        self.places, self.conv = places, conv

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = [x[..., row::2, column::2] for row, column in self.places]
        return self.conv(torch.cat(parts, 1)).sigmoid()


@pytest.mark.parametrize("static", [None, (64, 96)], ids=["any size", "one size"])
@pytest.mark.parametrize(
    ("places", "conv", "folded"),
    [
        pytest.param(YOLOV5, nn.Conv2d(12, 8, 3, 1, 1), True, id="yolov5"),
        pytest.param(((0, 0), (0, 1), (1, 0), (1, 1)), nn.Conv2d(12, 8, 3, 1, 1), True, id="another order"),
        pytest.param(YOLOV5, nn.Conv2d(12, 8, 1, bias=False), True, id="1x1"),
        pytest.param(YOLOV5, nn.Conv2d(12, 8, 5, 2, 2), True, id="strided"),
        pytest.param(YOLOV5, nn.Conv2d(12, 8, 3, padding=2, dilation=2), False, id="dilated"),
        pytest.param(YOLOV5, nn.Conv2d(12, 8, 3, padding=1, groups=4), False, id="groups"),
        pytest.param(YOLOV5[:3], nn.Conv2d(9, 8, 3, 1, 1), False, id="three parts"),
        pytest.param((YOLOV5[0],) * 4, nn.Conv2d(12, 8, 3, 1, 1), False, id="one part four times"),
    ],
)
def test_same_numbers(
    places: Sequence[tuple[int, int]], conv: nn.Conv2d, folded: bool, static: tuple[int, int], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    nn.init.normal_(conv.weight)
    model, _ = onnxsim.simplify(
        onnx.load(str(write_module(tmp_path / "x.onnx", Focus(places, conv), static=static)))
    )
    image = np.random.default_rng(0).random((1, 3, 64, 96), np.float32)
    before = run(model, image)
    fold_focus(onnx, model)
    onnx.checker.check_model(model)
    kinds = [node.op_type for node in model.graph.node]
    assert ("Slice" not in kinds and "Concat" not in kinds) == folded
    np.testing.assert_allclose(run(model, image), before, atol=1e-5)


def run(model: onnx.ModelProto, image: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"images": image})[0]
