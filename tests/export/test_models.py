from __future__ import annotations

import pytest
import torch
from torch import nn

from yolo_export.models import (
    C3,
    SPP,
    SPPF,
    Add,
    Bottleneck,
    BottleneckCSP,
    C3Ghost,
    ChannelShuffle,
    Concat,
    Conv,
    ConvHardSwish,
    ConvMaxPool,
    DepthwiseSeparable,
    Detect,
    DWConv,
    Fields,
    Focus,
    GhostBottleneck,
    GhostConv,
    InvertedResidual,
    LastConv,
    LCBlock,
    Network,
    RepVGGBlock,
    ShuffleBlock,
    known_blocks,
)

X = torch.rand(1, 8, 12, 20, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("block", "shape"),
    [
        pytest.param(Conv(8, 6), (6, 12, 20), id="conv"),
        pytest.param(Conv(8, 6, 3, 2), (6, 6, 10), id="conv stride 2"),
        pytest.param(Conv(8, 6, 6, 2, 2), (6, 6, 10), id="conv 6x6 stem"),
        pytest.param(Conv(8, 6, 3, 1, None, 2, 2, False), (6, 12, 20), id="conv grouped dilated"),
        pytest.param(DWConv(8, 4, 3), (4, 12, 20), id="depth wise conv"),
        pytest.param(Focus(8, 6, 3), (6, 6, 10), id="focus"),
        pytest.param(Bottleneck(8, 8), (8, 12, 20), id="bottleneck"),
        pytest.param(Bottleneck(8, 6), (6, 12, 20), id="bottleneck without shortcut"),
        pytest.param(C3(8, 6, 2), (6, 12, 20), id="c3"),
        pytest.param(BottleneckCSP(8, 6, 2), (6, 12, 20), id="csp"),
        pytest.param(SPP(8, 6), (6, 12, 20), id="spp"),
        pytest.param(SPPF(8, 6), (6, 12, 20), id="sppf"),
        pytest.param(ConvMaxPool(8, 6), (6, 3, 5), id="stem with pooling"),
        pytest.param(ShuffleBlock(8, 8, 1), (8, 12, 20), id="shuffle block"),
        pytest.param(ShuffleBlock(8, 12, 2), (12, 6, 10), id="shuffle block stride 2"),
        pytest.param(DepthwiseSeparable(8, 6, 5, 1), (6, 12, 20), id="depth wise separable"),
        pytest.param(GhostConv(8, 6, 3, 2), (6, 6, 10), id="ghost conv"),
        pytest.param(GhostBottleneck(8, 8), (8, 12, 20), id="ghost bottleneck"),
        pytest.param(GhostBottleneck(8, 12, 3, 2), (12, 6, 10), id="ghost bottleneck stride 2"),
        pytest.param(C3Ghost(8, 8, 2), (8, 12, 20), id="c3 ghost"),
        pytest.param(ConvHardSwish(8, 6, 2), (6, 6, 10), id="conv hard swish"),
        pytest.param(InvertedResidual(8, 8, 16, 3, 1, True, True), (8, 12, 20), id="inverted residual"),
        pytest.param(
            InvertedResidual(8, 6, 8, 5, 2, True, False), (6, 6, 10), id="inverted residual stride 2"
        ),
        pytest.param(LCBlock(8, 6, 2, 5, True), (6, 6, 10), id="lcnet block"),
        pytest.param(LastConv(8, 6), (6, 12, 20), id="last conv"),
        pytest.param(RepVGGBlock(8, 8), (8, 12, 20), id="repvgg"),
        pytest.param(RepVGGBlock(8, 6, 3, 2), (6, 6, 10), id="repvgg stride 2"),
    ],
)
def test_shapes(block: nn.Module, shape: tuple[int, ...]) -> None:
    with torch.no_grad():
        assert tuple(block.eval()(X).shape) == (1, *shape)


def test_shortcut_adds_the_input() -> None:
    block = Bottleneck(8, 8).eval()
    with torch.no_grad():
        assert torch.equal(block(X), X + block.cv2(block.cv1(X)))


def test_shuffle_interleaves_the_groups() -> None:
    channels = torch.arange(6.0).view(1, 6, 1, 1)
    assert ChannelShuffle(2)(channels).flatten().tolist() == [0, 3, 1, 4, 2, 5]
    assert ChannelShuffle(3)(channels).flatten().tolist() == [0, 2, 4, 1, 3, 5]


def test_pooling_in_a_row_equals_pooling_side_by_side() -> None:
    fast, slow = SPPF(8, 6).eval(), SPP(8, 6).eval()
    slow.cv1, slow.cv2 = fast.cv1, fast.cv2
    with torch.no_grad():
        assert torch.equal(fast(X), slow(X))


def test_joining() -> None:
    assert Concat()([X, X]).shape == (1, 16, 12, 20)
    assert torch.equal(Add()([X, X]), 2 * X)


def test_detect_gives_raw_maps_in_order() -> None:
    detect = Detect(3, 2, (8, 4))
    maps = [X, X[:, :4, ::2, ::2]]
    with torch.no_grad():
        heads = detect(maps)
    assert [tuple(head.shape) for head in heads] == [(1, 16, 12, 20), (1, 16, 6, 10)]
    assert torch.equal(heads[1], detect.m[1](maps[1]))


def test_detect_without_convolutions_passes_the_maps_on() -> None:
    assert Detect(3, 2, ())([X]) == [X]


def test_network_runs_layers_by_their_sources() -> None:
    layers = [
        (nn.Identity(), -1),
        (nn.Upsample(scale_factor=2.0), -1),
        (nn.MaxPool2d(2), 1),
        (Concat(), [0, -1]),
        (Detect(1, 1, ()), [3, 1]),
    ]
    heads = Network(layers)(X)
    assert [tuple(head.shape) for head in heads] == [(1, 16, 12, 20), (1, 8, 24, 40)]


@pytest.mark.parametrize(
    "source", [-2, 1, 7, [0, -1]], ids=["before image", "itself", "later", "image again"]
)
def test_network_reads_only_earlier_layers(source: object) -> None:
    with pytest.raises(ValueError, match=r"reads layer -?\d+, which does not come before it"):
        Network(
            [
                (nn.Identity(), -1),
                (nn.Identity(), source if source != [0, -1] else [0, -3]),
                (Detect(1, 1, ()), [0]),
            ]
        )


def test_known_blocks_are_sorted() -> None:
    assert known_blocks() == sorted(known_blocks())
    assert "models.common.Conv" in known_blocks()


@pytest.mark.parametrize(
    ("read", "message"),
    [
        pytest.param(
            lambda fields: fields.integer("text"), "has text = 'abc'; expected an integer", id="text"
        ),
        pytest.param(
            lambda fields: fields.integer("yes"), "has yes = True; expected an integer", id="bool as integer"
        ),
        pytest.param(
            lambda fields: fields.integer("lost"), "has lost = None; expected an integer", id="missing"
        ),
        pytest.param(
            lambda fields: fields.integer("big", high=9),
            "has big = 10; expected an integer from 0 to 9",
            id="range",
        ),
        pytest.param(
            lambda fields: fields.number("nan", low=0, high=1), "has nan = nan; expected a number", id="nan"
        ),
        pytest.param(lambda fields: fields.flag("big"), "has big = 10; expected True or False", id="flag"),
        pytest.param(
            lambda fields: fields.pair("triple"), "has triple = tuple; expected one or two", id="triple"
        ),
        pytest.param(lambda fields: fields.only("text", "x"), "has text = 'abc'; expected 'x'", id="only"),
    ],
)
def test_fields_are_checked(read: object, message: str) -> None:
    fields = Fields({"text": "abc", "yes": True, "big": 10, "nan": float("nan"), "triple": (1, 2, 3)})
    with pytest.raises(ValueError) as caught:
        read(fields)
    assert message in str(caught.value)


def test_fields_fall_back_to_defaults() -> None:
    fields = Fields({"both": 3, "each": [1, 2]})
    assert fields.pair("both") == (3, 3)
    assert fields.pair("each") == (1, 2)
    assert fields.integer("lost", 7) == 7
    assert fields.flag("lost", False) is False
