from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from yolo_export.checkpoint import read_checkpoint
from yolo_export.configs import config_names, load_config
from yolo_export.errors import ConfigError
from yolo_export.models import Conv, Detect
from yolo_export.models.recipes import known_modules
from yolo_export.yaml_file import read_yaml
from yolo_export.yaml_network import build_network

SMALL: dict[str, Any] = {
    "nc": 2,
    "anchors": [[10, 13, 16, 30], [30, 61, 62, 45]],
    "backbone": [
        [-1, 1, "Conv", [16, 6, 2, 2]],
        [-1, 1, "Conv", [16, 3, 2]],
        [-1, 2, "C3", [16]],
        [-1, 1, "Conv", [32, 3, 2]],
    ],
    "head": [
        [-1, 1, "nn.Upsample", ["None", 2, "nearest"]],
        [[-1, 2], 1, "Concat", [1]],
        [-1, 1, "Conv", [24]],
        [[6, 3], 1, "Detect", ["nc", "anchors"]],
    ],
}


def changed(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(SMALL), **changes}


def with_row(row: Any) -> dict[str, Any]:
    """The small network with another layer 2."""
    description = copy.deepcopy(SMALL)
    description["backbone"][2] = row
    return description


def test_rows_become_layers() -> None:
    made = build_network(SMALL)
    assert [type(layer).__name__ for layer in made.network.layers] == [
        *("Conv", "Conv", "C3", "Conv", "Upsample", "Concat", "Conv", "Detect")
    ]
    assert made.network.sources == [-1, 0, 1, 2, 3, (4, 2), 5, (6, 3)]
    assert (made.strides, made.classes, made.names) == ([4, 8], 2, ["class0", "class1"])
    assert made.anchors_px == [[(10, 13), (16, 30)], [(30, 61), (62, 45)]]
    assert made.family == "yolov5"
    assert {parameter.device.type for parameter in made.network.parameters()} == {"meta"}


def test_depth_and_width_are_multiplied() -> None:
    made = build_network(changed(depth_multiple=2.0, width_multiple=0.3))
    assert len(made.network.layers[2].m) == 4
    # 16, 16, 32, 24 times 0.3, up to the next multiple of 8.
    convs = [layer for layer in made.network.layers if isinstance(layer, Conv)]
    assert [layer.conv.out_channels for layer in convs] == [8, 8, 16, 8]
    assert [conv.out_channels for conv in made.network.detect.m] == [14, 14]
    # A row with number 1 stays one, whatever the depth.
    assert build_network(with_row([-1, 1, "C3", [16]])).parameters < made.parameters * 9
    assert len(build_network(changed(depth_multiple=0.1)).network.layers[2].m) == 1


def test_classes_can_be_given() -> None:
    assert build_network(SMALL, classes=7).names[-1] == "class6"
    assert build_network(changed(names=["cat", "dog"])).names == ["cat", "dog"]
    assert build_network(changed(names={0: "cat", 1: "d\x1bog"})).names == ["cat", "d\\x1bog"]
    assert build_network(SMALL).sha256 != build_network(SMALL, classes=7).sha256


def test_anchors_may_be_a_number() -> None:
    made = build_network(changed(anchors=3))
    assert [len(head) for head in made.anchors_px] == [3, 3]
    assert all(width > 0 and height > 0 for head in made.anchors_px for width, height in head)
    assert "squares stand in" in made.notes[0]
    assert made.network.detect.na == 3


@pytest.mark.parametrize(
    ("activation", "kind"),
    [
        pytest.param("nn.ReLU()", nn.ReLU, id="relu"),
        pytest.param("nn.LeakyReLU(0.1)", nn.LeakyReLU, id="leaky"),
        pytest.param("torch.nn.Hardswish(inplace=True)", nn.Hardswish, id="in place"),
    ],
)
def test_activation(activation: str, kind: type[nn.Module]) -> None:
    made = build_network(changed(activation=activation))
    convs = [module for module in made.network.modules() if isinstance(module, Conv)]
    assert convs and all(isinstance(conv.act, kind) for conv in convs)


def test_detection_convolutions_outside_the_last_layer() -> None:
    """As in YOLOv5 v1.0: they are layers, and an empty source means every layer as wide as a head."""
    head = [
        [-1, 1, "nn.Conv2d", ["na * (nc + 5)", 1, 1]],
        [1, 1, "nn.Conv2d", ["na * (nc + 5)", 1, 1]],
        [[], 1, "Detect", ["nc", "anchors"]],
    ]
    made = build_network(changed(head=head, width_multiple=0.5))
    assert made.network.sources[-1] == (5, 4)
    assert made.strides == [4, 8]
    assert isinstance(made.network.detect, Detect) and len(made.network.detect.m) == 0


@pytest.mark.parametrize(
    ("row", "channels"),
    [
        pytest.param([-1, 1, "ADD", [1]], None, id="add takes two"),
        pytest.param([[-1, 0], 1, "Concat", [1]], None, id="other sizes"),
        pytest.param([-1, 2, "Bottleneck", [16]], 16, id="Bottleneck"),
        pytest.param([-1, 1, "BottleneckCSP", [16, False]], 16, id="BottleneckCSP"),
        pytest.param([-1, 2, "C3", [16, False, 1, 0.25]], 16, id="C3"),
        pytest.param([-1, 2, "C3Ghost", [16]], 16, id="C3Ghost"),
        pytest.param([-1, 1, "C3SPP", [16, [3, 5]]], 16, id="C3SPP"),
        pytest.param([-1, 2, "C3x", [16]], 16, id="C3x"),
        pytest.param([-1, 1, "CBH", [16, 3, 1]], 16, id="CBH"),
        pytest.param([-1, 1, "CrossConv", [16, 3, 1, 1, 1.0, True]], 16, id="CrossConv"),
        pytest.param([-1, 1, "DWConv", [16, 3]], 16, id="DWConv"),
        pytest.param([-1, 1, "DWConvblock", [16, 3, 1]], 16, id="DWConvblock"),
        pytest.param([-1, 1, "Dense", [16, 1, 0.2]], 16, id="Dense"),
        pytest.param([-1, 1, "GhostBottleneck", [16, 3, 1]], 16, id="GhostBottleneck"),
        pytest.param([-1, 1, "GhostConv", [16, 3]], 16, id="GhostConv"),
        pytest.param([-1, 1, "LC_Block", [16, 1, 5, True]], 16, id="LC_Block"),
        pytest.param([-1, 2, "MBConvBlock", [16, 5, 1, 6, 0.2]], 16, id="MBConvBlock"),
        pytest.param([-1, 1, "MixConv2d", [16, [1, 3]]], 16, id="MixConv2d"),
        pytest.param([-1, 1, "MixConv2d", [16, [1, 3, 5], 1, False]], 16, id="MixConv2d of equal weight"),
        pytest.param([-1, 1, "MobileNet_Block", [16, 40, 5, 1, 1, 1]], 16, id="MobileNet_Block"),
        pytest.param([-1, 1, "RepVGGBlock", [16]], 16, id="RepVGGBlock"),
        pytest.param([-1, 1, "SPP", [16, [5, 9]]], 16, id="SPP"),
        pytest.param([-1, 1, "SPPF", [16, 5]], 16, id="SPPF"),
        pytest.param([-1, 2, "Shuffle_Block", [16, 1]], 16, id="Shuffle_Block"),
        pytest.param([-1, 1, "conv_bn_hswish", [16, 1]], 16, id="conv_bn_hswish"),
        pytest.param([-1, 1, "nn.BatchNorm2d", []], 16, id="BatchNorm2d"),
        pytest.param([-1, 1, "nn.Conv2d", [16, 3, 1, 1]], 16, id="Conv2d"),
        pytest.param([-1, 1, "nn.Identity", []], 16, id="Identity"),
        pytest.param([-1, 1, "nn.MaxPool2d", [3, 1, 1]], 16, id="MaxPool2d"),
        pytest.param([-1, 1, "Conv", [16, 1, 1, "None", 1, 1, "nn.ReLU()"]], 16, id="activation in a row"),
    ],
)
def test_modules_of_the_field(row: list[Any], channels: int | None) -> None:
    if channels is None:
        with pytest.raises(ConfigError, match=f"layer 2, '{row[2]}'|cannot run"):
            build_network(with_row(row))
        return
    made = build_network(with_row(row))
    network = made.network.to_empty(device="cpu")
    with torch.no_grad():
        assert network.layers[2](torch.rand(1, 16, 12, 20)).shape[1] == channels


@pytest.mark.parametrize(
    ("rows", "shape"),
    [
        pytest.param(["Contract", "Expand"], (3, 16, 24), id="contract then expand"),
        pytest.param(["Contract"], (12, 8, 12), id="contract"),
        pytest.param(["nn.ConvTranspose2d", "nn.MaxPool2d"], (8, 16, 24), id="transposed"),
        pytest.param(["DWConvTranspose2d"], (8, 32, 48), id="depth wise transposed"),
        pytest.param(["Focus"], (8, 8, 12), id="focus"),
        pytest.param(["conv_bn_relu_maxpool"], (8, 4, 6), id="stem with pooling"),
        pytest.param(["stem"], (8, 8, 12), id="stem of EfficientNet-Lite"),
        pytest.param(["conv_bn_relu_maxpool", "nn.MaxPool2d", "C3TR"], (8, 2, 3), id="attention"),
    ],
)
def test_modules_that_change_the_size(rows: list[str], shape: tuple[int, ...]) -> None:
    args = {
        "C3TR": [8],
        "Contract": [2],
        "Expand": [2],
        "Focus": [8, 3],
        "conv_bn_relu_maxpool": [8],
        "nn.MaxPool2d": [2],
        "stem": [8, "ReLU6"],
    }
    backbone = [[-1, 1, name, args.get(name, [8, 2, 2])] for name in rows]
    made = build_network(
        {
            "nc": 1,
            "anchors": 1,
            "backbone": backbone,
            "head": [[-1, 1, "Conv", [8, 3, 2]], [[len(rows)], 1, "Detect", ["nc", "anchors"]]],
        }
    )
    x = image = torch.rand(1, 3, 16, 24)
    network = made.network.to_empty(device="cpu")
    with torch.no_grad():
        for layer in list(network.layers)[: len(rows)]:
            x = layer(x)
    assert tuple(x.shape[1:]) == shape
    if rows == ["Contract", "Expand"]:
        assert torch.equal(x, image)
    if rows == ["Contract"]:
        assert torch.equal(x[0, 3:6], image[0, :, ::2, 1::2])


@pytest.mark.parametrize(
    ("description", "message"),
    [
        pytest.param(
            with_row([-1, 1, "Transmogrify", [16]]), "layer 2, 'Transmogrify', is unknown", id="name"
        ),
        pytest.param(
            with_row([-1, 1, "os.system", ["true"]]), "known modules: Detect, ADD, Bottleneck", id="no code"
        ),
        pytest.param(with_row([7, 1, "Conv", [16]]), "reads layer 7, which does not come before", id="later"),
        pytest.param(
            with_row([-9, 1, "Conv", [16]]), "reads layer -9, which does not", id="before the image"
        ),
        pytest.param(with_row([2, 1, "Conv", [16]]), "reads layer 2, which does not", id="itself"),
        pytest.param(
            with_row(["a", 1, "Conv", [16]]), "reads 'a'; expected a layer number", id="text source"
        ),
        pytest.param(with_row([[-1, 0], 1, "Conv", [16]]), "reads 2 layers; it takes one", id="two sources"),
        pytest.param(
            with_row([-1, 1, "Conv", []]), "the first one must be its number of output", id="no args"
        ),
        pytest.param(with_row([-1, 1, "Conv", ["x"]]), "the first one must be its number", id="text args"),
        pytest.param(
            with_row([-1, 1, "Conv", [16, 3, 1, 1, 1, 1, 1, 1, 1]]), "too many positional", id="many"
        ),
        pytest.param(with_row([-1, 1, "Conv", [16, 3, 1, 1, 5]]), "layer 2, 'Conv', has args", id="groups"),
        pytest.param(with_row([-1, 1, "Conv", [10**9]]), "layer 2, 'Conv', puts out 1000000000", id="wide"),
        pytest.param(with_row([-1, 10**9, "C3", [16]]), "has number 1000000000", id="deep"),
        pytest.param(with_row([-1, 1, "Conv", [16, 50_000]]), "at most 2000000000", id="large kernel"),
        pytest.param(with_row([-1, 1, "Conv", [16, 10**6]]), "numbers up to 65536", id="huge kernel"),
        pytest.param(
            with_row([-1, 1, "nn.Conv2d", [1000, 1, 1, 0, 1, 1, False, "zeros", "cpu"]]),
            "too many positional",
            id="memory outside meta",
        ),
        pytest.param(with_row([-1, 1, "C3", [16, True, 1, float("inf")]]), "has args [16, True", id="inf"),
        pytest.param(with_row([-1, 1, "C3", [16, True, 1, 1e300]]), "numbers up to 65536", id="huge share"),
        pytest.param(with_row([-1, 1, "SPP", [16, [5] * 10_000]]), "lists of up to 32", id="many pools"),
        pytest.param(with_row([-1, 1, "Conv", ["1+" * 100_000 + "1"]]), "must be its number", id="long sum"),
        pytest.param(
            changed(backbone=[[-1, 200, "C3", [8]]] * 100), "has more than 10000 modules", id="many modules"
        ),
        pytest.param(with_row([[-1] * 10_000, 1, "Concat", [1]]), "reads 10000 layers", id="many sources"),
        pytest.param(with_row([-1, 1, "Conv"]), "backbone row 2 is", id="short row"),
        pytest.param(with_row("Conv"), "expected [from, number, module, args]", id="not a row"),
        pytest.param(
            with_row([-1, 1, "Detect", ["nc", "anchors"]]), "is not the last layer", id="detect first"
        ),
        pytest.param(changed(backbone=None), "has no list 'backbone'", id="no backbone"),
        pytest.param(changed(head=[]), "the last layer is not Detect", id="no detect"),
        pytest.param(changed(nc=0), "nc is 0; allowed: 1 to 65535", id="no classes"),
        pytest.param(changed(nc="many"), "nc is 'many'", id="text classes"),
        pytest.param(changed(anchors=None), "anchors are None; expected", id="no anchors"),
        pytest.param(
            changed(anchors=[[1, 2], [1, 2, 3, 4]]), "the same number for each", id="uneven anchors"
        ),
        pytest.param(changed(anchors=[[1, -2], [1, 2]]), "anchors are", id="negative anchors"),
        pytest.param(
            changed(anchors=[[1, 2]]), "anchors are given for 1 heads; Detect has 2", id="few anchors"
        ),
        pytest.param(changed(width_multiple=float("nan")), "width_multiple is nan", id="nan width"),
        pytest.param(changed(depth_multiple=-1), "depth_multiple is -1", id="negative depth"),
        pytest.param(changed(activation="__import__('os').system('true')"), "activation is", id="code"),
        pytest.param(changed(activation="nn.Module()"), "known: nn.GELU(), nn.Hardswish()", id="activation"),
        pytest.param(
            with_row([-1, 1, "nn.Upsample", ["None", 2, "bilinear"]]),
            "supported: None, 1 to 8",
            id="bilinear",
        ),
        pytest.param(with_row([-1, 1, "Conv", [16, 3, 1, 0]]), "cells for an image of", id="odd size"),
    ],
)
def test_what_cannot_be_built(description: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_network(description)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("nc: [", "is not YAML", id="broken"),
        pytest.param("- 1", "holds a list; expected a mapping", id="list"),
        pytest.param("", "holds a NoneType", id="empty"),
        pytest.param("a: !!python/object/apply:os.system ['true']", "is not YAML", id="python tags"),
        pytest.param("a: \x00", "is not YAML", id="control character"),
        pytest.param("#" * (1 << 18) + "#", "is larger than", id="large"),
        pytest.param("a: &a [1]\nb: [*a, *a]", "has the alias *a; write the value out", id="alias"),
        pytest.param("a: &a {b: 1}\n<<: *a", "has the alias *a", id="merged mapping"),
        pytest.param("a: &a [*a]", "has the alias *a", id="list in itself"),
        pytest.param("a: !!timestamp x", "has the tag tag:yaml.org,2002:timestamp", id="tag that fails"),
        pytest.param("a: !!int ''", "has the tag tag:yaml.org,2002:int", id="empty number"),
        pytest.param("a: 1" + ":59" * 80_000, "a value of 240001 characters", id="base 60"),
        pytest.param("a: 1" + ":59" * 300 + ".5", "is not YAML: int too large", id="float in base 60"),
        pytest.param("a: 0x" + "f" * 200_000, "a value of 200002 characters", id="long number"),
        pytest.param("a: 2001-12-99", "is not YAML: day is out of range", id="no such day"),
        pytest.param("a: " + "[" * 200_000, "is not YAML: maximum recursion depth", id="deep"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    assert message in str(caught.value) and str(path) in str(caught.value)


def test_a_billion_laughs(tmp_path: Path) -> None:
    path = tmp_path / "laughs.yaml"
    rows = ["a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    path.write_text("\n".join([*rows, "nc: *a9"]))
    with pytest.raises(ConfigError, match=r"laughs\.yaml: is not YAML: has the alias \*a0"):
        load_config(str(path))


WEIRD = [0, -1, 65536, -0.5, None, "x", [3], ["x"], {"a": 1}]


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("name", known_modules())
def test_weird_arguments_are_refused_or_built(name: str) -> None:
    """Any module with any argument at any place: nothing but a network or a `ConfigError` comes out."""
    refused = 0
    for place in range(1, 4):
        for value in WEIRD:
            args = [*[16, 3, 1][:place], value]
            try:
                build_network(with_row([[-1, -1] if name in ("ADD", "Concat") else -1, 1, name, args]))
            except ConfigError as error:
                refused += 1
                assert "\n" not in str(error) and len(str(error)) < 2000
    assert refused


def test_keys_of_several_types_are_hashed() -> None:
    assert len(build_network(changed(extra={1: "a", "b": 2})).sha256) == 64


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be opened: No such file"):
        load_config(str(tmp_path / "none.yaml"))
    with pytest.raises(ValueError, match=r"there is no network 'yolov5q'; give the path .* yolov5s, "):
        load_config("yolov5q")


def test_every_module_is_tried() -> None:
    """The tables above and the shipped files leave no module out."""
    shipped = [load_config(name)[1] for name in config_names()]
    used = {row[2] for description in shipped for part in ("backbone", "head") for row in description[part]}
    tables = Path(__file__).read_text()
    assert [name for name in known_modules() if name not in used and f'"{name}"' not in tables] == []


PUBLISHED = {
    # Exact counts: the three real checkpoints, and what YOLOv5's issues print.
    "v5lite-e": 787_085,
    "v5lite-s": 1_649_853,
    "yolov5n": 1_872_157,
    "yolov5s": 7_235_389,
    "yolov5s-v5.0": 7_276_605,
    # Tables in millions, to the precision they are printed with: YOLOv5 v6.0 ...
    "yolov5m": 21.2,
    "yolov5l": 46.5,
    "yolov5x": 86.7,
    "yolov5n6": 3.2,
    "yolov5s6": 12.6,
    "yolov5m6": 35.7,
    "yolov5l6": 76.8,
    "yolov5x6": 140.7,
    "yolov5s-ghost": 3.9,
    # ... v5.0 ...
    "yolov5m-v5.0": 21.4,
    "yolov5l-v5.0": 47.0,
    "yolov5x-v5.0": 87.7,
    "yolov5s6-v5.0": 12.7,
    "yolov5m6-v5.0": 35.9,
    "yolov5l6-v5.0": 77.2,
    "yolov5x6-v5.0": 141.8,
    # ... v1.0 to v3.1.
    "yolov5s-v1.0": 7.5,
    "yolov5m-v2.0": 21.8,
    "yolov5l-v3.0": 47.8,
    "yolov5x-v3.1": 89.0,
    "v5lite-c": 4.57,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_those_published(name: str) -> None:
    published, found = PUBLISHED[name], build_network(load_config(name)[1]).parameters
    if isinstance(published, int):
        assert found == published
    else:
        # The tables count after fusing, and cut off or round.
        assert found / 1e6 == pytest.approx(published, abs=0.1)


def test_a_transformer_has_the_published_parameters() -> None:
    """YOLOv5 issue 3480 prints 7,277,885 with the layer norms of a draft; v4.0 dropped them: 4 times 256."""
    assert build_network(load_config("yolov5s-transformer")[1]).parameters == 7_277_885 - 4 * 256


@pytest.mark.shared
@pytest.mark.parametrize(
    ("file", "name", "changes"),
    [
        pytest.param("models/v5lite-e", "v5lite-e", {}, id="v5lite-e"),
        pytest.param("models/v5lite-s", "v5lite-s", {}, id="v5lite-s"),
        pytest.param("models/yolov5n", "yolov5n", {}, id="yolov5n"),
        pytest.param("fixtures/yolov5-v1.0-s", "yolov5s-v1.0", {"width_multiple": 0.25}, id="v1.0"),
        pytest.param("fixtures/yolov5-v3.1-s", "yolov5s-v3.1", {"width_multiple": 0.25}, id="v3.1"),
        pytest.param("fixtures/yolov5-v5.0-s", "yolov5s-v5.0", {"width_multiple": 0.25}, id="v5.0"),
        pytest.param("fixtures/yolov5-v7.0-m", "yolov5m", {"width_multiple": 0.25}, id="v7.0"),
        pytest.param("fixtures/yolov5-v7.0-s-ghost", "yolov5n-ghost", {}, id="ghost"),
        pytest.param("fixtures/yolov5-shufflenetv2", "yolov5-shufflenetv2", {}, id="shufflenetv2"),
        pytest.param("fixtures/yolov5-mobilenetv3s", "yolov5-mobilenetv3-small", {}, id="mobilenetv3"),
        pytest.param("fixtures/yolov5lite-c", "v5lite-c", {}, id="v5lite-c"),
        pytest.param("fixtures/yolov5lite-g", "v5lite-g", {"width_multiple": 0.5}, id="v5lite-g"),
    ],
)
def test_the_shipped_files_give_the_networks_of_the_field(
    shared: Path, file: str, name: str, changes: dict[str, Any]
) -> None:
    """Every tensor, layer and source is that of the checkpoint, and its numbers give the same heads."""
    theirs = read_checkpoint(shared / f"{file}.pt")
    made = build_network({**load_config(name)[1], **changes}, classes=len(theirs.names))
    assert made.network.sources == theirs.network.sources
    shapes = [
        {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
        for network in (made.network, theirs.network)
    ]
    assert shapes[0] == shapes[1]
    assert (made.strides, made.anchors_px, made.family) == (theirs.strides, theirs.anchors_px, theirs.family)
    made.network.load_state_dict(theirs.network.state_dict(), assign=True)
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for mine, reference in zip(made.network(image), theirs.network(image)):
            assert torch.allclose(mine, reference, rtol=0, atol=1e-5)
