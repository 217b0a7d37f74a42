from __future__ import annotations

import pytest

from yolo_export.errors import ConversionError
from yolo_export.targets.ncnn_fuse import fuse_channel_shuffle, fuse_swish
from yolo_export.targets.ncnn_param import check_layers, format_param, parse_param

HEADER = "7767517\n{layers} {blobs}\n"

SHUFFLE = """\
Input    in0 0 1 a
Reshape  r0  1 1 a b 6="0w,0h,58,2"
Permute  p0  1 1 b c 0=6
Reshape  r1  1 1 c d 6="0w,0h,116"
ReLU     x   1 1 d e
"""

SWISH = """\
Input    in0 0 1 a
Split    s0  1 2 a b c
Sigmoid  s1  1 1 c d
BinaryOp m0  2 1 b d e 0=2
ReLU     x   1 1 e f
"""


def graph(lines: str) -> str:
    rows = lines.splitlines()
    blobs = sum(int(row.split()[3]) for row in rows)
    return HEADER.format(layers=len(rows), blobs=blobs) + lines


def kinds(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines()[2:]]


def test_what_is_read_is_written() -> None:
    layers = parse_param(graph(SHUFFLE))
    again = parse_param(format_param(layers))
    assert again == layers
    assert format_param(layers).startswith("7767517\n5 5\n")


def test_shuffle_becomes_one_layer() -> None:
    layers = fuse_channel_shuffle(parse_param(graph(SHUFFLE)))
    text = format_param(layers)
    assert kinds(text) == ["Input", "ShuffleChannel", "ReLU"]
    assert text.splitlines()[1] == "3 3"
    assert text.splitlines()[3].split() == ["ShuffleChannel", "shuffle_0", "1", "1", "a", "d", "0=2", "1=0"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("0=6", "0=3", id="other permutation"),
        pytest.param("0w,0h,116", "0w,0h,58", id="other size"),
        pytest.param("0w,0h,58,2", "0h,0w,58,2", id="height and width swapped"),
        pytest.param("ReLU     x   1 1 d e", "Concat   x   2 1 d b e", id="inner blob read elsewhere"),
        pytest.param('6="0w,0h,116"', '6="0w,0h,116" 12=0', id="more parameters"),
    ],
)
def test_what_is_not_a_shuffle_stays(old: str, new: str) -> None:
    assert old in SHUFFLE
    layers = parse_param(graph(SHUFFLE.replace(old, new)))
    assert fuse_channel_shuffle(layers) == layers


def test_swish_of_a_row_needs_no_reshape() -> None:
    row = """\
Input        in0 0 1 x
InnerProduct i0  1 1 x a 0=8
Split        s0  1 2 a b c
Sigmoid      s1  1 1 b d
Reshape      r0  1 1 c g 12=0 13=0 6="1,1,//(8,0n),0n"
BinaryOp     m0  2 1 g d e 0=2
ReLU         y   1 1 e f
"""
    layers = fuse_swish(parse_param(graph(row)))
    assert [layer.kind for layer in layers] == ["Input", "InnerProduct", "Swish", "ReLU"]
    maps = parse_param(graph(row.replace("InnerProduct", "Convolution")))
    assert fuse_swish(maps) == maps


@pytest.mark.parametrize("product", ["b d", "d b"], ids=["blob first", "sigmoid first"])
def test_swish_becomes_one_layer(product: str) -> None:
    layers = fuse_swish(parse_param(graph(SWISH.replace("b d", product))))
    text = format_param(layers)
    assert kinds(text) == ["Input", "Swish", "ReLU"]
    assert text.splitlines()[3].split() == ["Swish", "swish_0", "1", "1", "a", "e"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("0=2", "0=0", id="sum"),
        pytest.param("Split    s0  1 2 a b c", "Split    s0  1 3 a b c z", id="third reader"),
        pytest.param("2 1 b d e", "2 1 d d e", id="other operands"),
        pytest.param("Sigmoid", "TanH", id="other function"),
    ],
)
def test_what_is_not_a_swish_stays(old: str, new: str) -> None:
    assert old in SWISH
    layers = parse_param(graph(SWISH.replace(old, new)))
    assert fuse_swish(layers) == layers


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "pnnx did not write an ncnn graph", id="empty"),
        pytest.param("0\n1 1\nInput a 0 1 a\n", "pnnx did not write an ncnn graph", id="magic"),
        pytest.param("7767517\n2 1\nInput a 0 1 a\n", "pnnx wrote 1 ncnn layers, but says 2", id="count"),
        pytest.param("7767517\n1 1\nInput a 0 2 a\n", "layer a has fewer blobs than it says", id="blobs"),
        pytest.param("7767517\n1 1\nInput a x y a\n", "cannot be read", id="numbers"),
        pytest.param("7767517\n1 1\nInput a 0 1 a b\n", "parameter 'b' has no value", id="parameter"),
    ],
)
def test_damaged_graphs(text: str, message: str) -> None:
    with pytest.raises(ConversionError) as caught:
        parse_param(text)
    assert message in str(caught.value)


def test_foreign_layers_are_named() -> None:
    lines = "Input a 0 1 a\npnnx.Expression b 1 1 a b\naten::roll c 1 1 b c\nReLU d 1 1 c d\n"
    with pytest.raises(ConversionError) as caught:
        check_layers(parse_param(graph(lines)))
    assert str(caught.value) == "pnnx could not convert these operators to ncnn: aten::roll, pnnx.Expression"
