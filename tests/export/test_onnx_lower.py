"""Graphs without channel shuffles compute what they did before, whatever is connected to them."""

from __future__ import annotations

import copy
import io
from collections import Counter
from typing import Any

import numpy as np
import onnx
import onnxruntime
import onnxsim
import pytest
import torch
from checkpoints import yolov5_lite
from torch import nn

from yolo_export.lower.channel_shuffle import open_channel_shuffle
from yolo_export.models import ChannelShuffle, Concat, ShuffleBlock
from yolo_export.onnx_lower import FORMS, apply_form, free_of_shuffles

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's exporter says that it is old

SIZES = ((32, 64), (64, 32), (96, 96))


class Joined(nn.Module):
    """Two units, and what reads the second beside a third at half the size, as the heads of v5lite do."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.first = ShuffleBlock(3, width, 2)
        self.stage = nn.Sequential(*(ShuffleBlock(width, width, 1) for _ in range(depth)))
        self.down = ShuffleBlock(width, 2 * width, 2)
        self.up = nn.Sequential(nn.Conv2d(2 * width, 10, 1), nn.SiLU(), nn.Upsample(scale_factor=2.0))
        self.depthwise = nn.Conv2d(width + 10, width + 10, 5, 1, 2, groups=width + 10)
        self.head = nn.Conv2d(width + 10, 6, 1)
        self.other = nn.Conv2d(width + 10, 5, 3, 1, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        stage = self.stage(self.first(x))
        joined = torch.cat((self.up(self.down(stage)), stage), 1)
        return self.head(torch.relu(self.depthwise(joined))), self.other(joined)


class Excited(nn.Module):
    """A shuffled map that is pooled, weighed by its own averages and added to another."""

    def __init__(self) -> None:
        super().__init__()
        self.unit = nn.Sequential(ShuffleBlock(3, 12, 2), ShuffleBlock(12, 12, 1))
        self.pool = nn.MaxPool2d(3, 1, 1)
        self.excite = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(12, 12, 1), nn.Hardsigmoid())
        self.side = nn.Conv2d(3, 12, 3, 2, 1)
        self.head = nn.Conv2d(12, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled = self.pool(self.unit(x))
        return self.head(pooled * self.excite(pooled) + self.side(x))


class Grouped(nn.Module):
    """ShuffleNet v1: three groups. A convolution with groups takes its input in one order only."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 12, 1)
        self.shuffle = ChannelShuffle(3)
        self.grouped = nn.Conv2d(12, 12, 1, groups=3)
        self.last = nn.Conv2d(12, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.shuffle(self.grouped(self.shuffle(self.first(x)))))


class Shown(nn.Module):
    """A shuffled map that is an output, before units that are not."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = nn.Sequential(ShuffleBlock(3, 8, 2), ShuffleBlock(8, 8, 1))
        self.hidden = nn.Sequential(ShuffleBlock(8, 16, 2), ShuffleBlock(16, 16, 1), nn.Conv2d(16, 4, 1))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        shown = self.shown(x)
        return shown, self.hidden(shown)


class Unknown(nn.Module):
    """An operator that mixes the rows of a map, behind a shuffle."""

    def __init__(self) -> None:
        super().__init__()
        self.unit = nn.Sequential(ShuffleBlock(3, 8, 2), ShuffleBlock(8, 8, 1))
        self.head = nn.Conv2d(8, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.softmax(self.unit(x), 1) + torch.cumsum(self.unit(x), 1))


class Twice(nn.Module):
    """A shuffled map joined with itself, and one whose sum with another shuffled map is read."""

    def __init__(self) -> None:
        super().__init__()
        self.unit = nn.Sequential(ShuffleBlock(3, 8, 2), ShuffleBlock(8, 8, 1))
        self.other = ShuffleBlock(3, 8, 2)
        self.join = Concat()
        self.head = nn.Conv2d(16, 4, 1)
        self.sum = nn.Conv2d(8, 4, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y = self.unit(x)
        return self.head(self.join([y, y])), self.sum(y + self.other(x))


MODULES = {
    "one unit": lambda: nn.Sequential(ShuffleBlock(3, 8, 2), nn.Conv2d(8, 4, 1)),
    "narrow": lambda: Joined(4, 3),
    "odd halves": lambda: Joined(10, 2),
    "deep": lambda: Joined(58, 7),
    "no stage": lambda: Joined(8, 0),
    "excited": Excited,
    "shown": Shown,
    "grouped": Grouped,
    "unknown operator": Unknown,
    "twice": Twice,
}
#: Shuffles that are left.
LEFT = {"shown": 2, "grouped": 1, "unknown operator": 2, "twice": 3}


def traced(module: nn.Module, *, five: tuple[int, int] | None = None) -> onnx.ModelProto:
    """A module as `OnnxIntermediate` traces networks; for one size, with shuffles in five dimensions."""
    torch.manual_seed(0)
    module = copy.deepcopy(module).eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean = torch.randn(part.num_features)
            part.running_var = torch.rand(part.num_features) + 0.5
    if five is None:
        open_channel_shuffle(module)
    file = io.BytesIO()
    count = len(outputs) if isinstance(outputs := module(torch.zeros(1, 3, 32, 64)), tuple) else 1
    names = [f"out{number}" for number in range(count)]
    axes = {name: {2: f"{name}_h", 3: f"{name}_w"} for name in ("images", *names)}
    torch.onnx.export(
        module,
        (torch.zeros(1, 3, *(five or (32, 64))),),
        file,
        dynamo=False,
        opset_version=17,
        input_names=["images"],
        output_names=names,
        dynamic_axes=None if five else axes,
    )
    return onnxsim.simplify(onnx.load_from_string(file.getvalue()))[0]


def run(model: onnx.ModelProto, image: np.ndarray) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"images": image})


def check_same(one: onnx.ModelProto, other: onnx.ModelProto, sizes: Any = SIZES) -> None:
    onnx.checker.check_model(other)
    for seed, size in enumerate(sizes):
        image = np.random.default_rng(seed).random((1, 3, *size), dtype=np.float32)
        for ours, theirs in zip(run(other, image), run(one, image)):
            assert np.abs(theirs).max() > 0
            assert np.abs(ours - theirs).max() <= 1e-5 * max(1.0, float(np.abs(theirs).max()))


def shuffles(model: onnx.ModelProto) -> int:
    return sum(node.op_type == "Transpose" for node in model.graph.node)


@pytest.mark.parametrize("name", MODULES)
def test_same_numbers(name: str) -> None:
    plain = traced(MODULES[name]())
    before = plain.SerializeToString(deterministic=True)
    free = free_of_shuffles(onnx, plain)
    assert plain.SerializeToString(deterministic=True) == before
    assert shuffles(plain) > 0
    assert shuffles(free) == LEFT.get(name, 0)
    check_same(plain, free)


def test_shuffle_in_five_dimensions() -> None:
    """As other tools write it, for one size."""
    plain = traced(Joined(10, 2), five=(32, 64))
    dims = [list(node.attribute[0].ints) for node in plain.graph.node if node.op_type == "Transpose"]
    assert dims and all(perm == [0, 2, 1, 3, 4] for perm in dims)
    free = free_of_shuffles(onnx, plain)
    assert shuffles(free) == 0
    check_same(plain, free, [(32, 64)])


def test_one_split_and_one_concat_for_each_unit() -> None:
    depth = 5
    units = nn.Sequential(
        ShuffleBlock(3, 16, 2), *(ShuffleBlock(16, 16, 1) for _ in range(depth)), nn.Conv2d(16, 4, 1)
    )
    kinds = Counter(node.op_type for node in free_of_shuffles(onnx, traced(units)).graph.node)
    # The first unit has two convolutions to split; what the last one computes is read as a whole.
    assert kinds["Split"] == 2 + (depth - 1)
    assert kinds["Concat"] == depth + 1
    assert set(kinds) <= {"Concat", "Constant", "Conv", "Relu", "Split"}


@pytest.mark.parametrize("form", FORMS)
def test_graph_without_shuffles_stays(form: str) -> None:
    plain = traced(nn.Sequential(nn.Conv2d(3, 4, 1), nn.SiLU(), nn.Conv2d(4, 4, 3, 2, 1)))
    assert apply_form(onnx, plain, form) == plain


def test_sum_of_two_shuffled_maps_keeps_their_shuffles() -> None:
    """Both summands would have to be in one order; every other unit of the network is free."""
    plain = traced(Heads())
    free = free_of_shuffles(onnx, plain)
    assert (shuffles(plain), shuffles(free)) == (5, 2)
    check_same(plain, free)


class Heads(nn.Module):
    """The heads of a network as a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.network = yolov5_lite()

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(self.network(x))
