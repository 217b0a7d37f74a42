from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from checkpoints import write_checkpoint, yolov5_lite
from torch import nn

from yolo_edge.bundle import load_bundle
from yolo_export.configs import load_config
from yolo_export.graph_svg import draw_graph
from yolo_export.layer_table import layer_table
from yolo_export.models import Add, Concat, Conv, Detect, Network
from yolo_export.yaml_network import build_network

Command = Callable[..., "subprocess.CompletedProcess[str]"]

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("info") / "best.pt"
    return write_checkpoint(path, yolov5_lite(), outer={"epoch": 7, "date": "2026-11-21"})


def test_counts_are_those_of_the_formulas() -> None:
    network = Network(
        [
            (Conv(3, 8, 3, 2), -1),
            (Conv(8, 8, 3, 1, g=4), -1),
            (nn.MaxPool2d(2), -1),
            (nn.Upsample(scale_factor=2.0), -1),
            (Concat(), [-1, 1]),
            (Add(), [0, 1]),
            (Detect(1, 1, (8,)), [5]),
        ]
    )
    rows = layer_table(network, (64, 96))
    full, half = 8 * 32 * 48, 8 * 16 * 24
    assert [row.flops for row in rows] == [
        2 * 3 * 3 * 3 * 8 * 32 * 48,
        2 * 3 * 3 * 8 * 2 * 32 * 48,
        0,
        0,
        0,
        0,
        2 * 8 * 6 * 32 * 48,
    ]
    assert [row.memory_access for row in rows] == [
        3 * 64 * 96 + 3 * 3 * 3 * 8 + full,
        full + 3 * 3 * 2 * 8 + full,
        full + half,
        half + full,
        full + full + 2 * full,
        3 * full,
        full + 8 * 6 + 6 + 6 * 32 * 48,
    ]
    assert [row.parameters for row in rows] == [216 + 16, 144 + 16, 0, 0, 0, 0, 54]
    assert rows[4].shapes_chw == [(16, 32, 48)]
    assert rows[5].sources == (0, 1)


@pytest.mark.parametrize(
    ("name", "size", "published"),
    [
        pytest.param("v5lite-e", 320, 0.73, id="v5lite-e"),
        pytest.param("v5lite-s", 416, 1.66, id="v5lite-s"),
        pytest.param("v5lite-c", 512, 5.92, id="v5lite-c"),
        pytest.param("v5lite-g", 640, 15.6, id="v5lite-g"),
        pytest.param("yolov5n", 640, 4.5, id="yolov5n"),
        pytest.param("yolov5s", 640, 16.5, id="yolov5s"),
        pytest.param("yolov5x", 640, 205.7, id="yolov5x"),
        pytest.param("yolov5s6", 640, 16.8, id="yolov5s6"),
        pytest.param("yolov5x6", 640, 209.8, id="yolov5x6"),
        pytest.param("yolov5s-v5.0", 640, 17.0, id="v5.0"),
        pytest.param("yolov5s-ghost", 640, 8.8, id="ghost"),
        pytest.param("yolov5s-transformer", 640, 16.8, id="transformer"),
    ],
)
def test_flops_are_those_published(name: str, size: int, published: float) -> None:
    network = build_network(load_config(name)[1]).network
    flops = sum(row.flops for row in layer_table(network, (size, size)))
    assert flops / 1e9 == pytest.approx(published, rel=0.05)


def test_info_of_a_checkpoint(yolo_export: Command, checkpoint: Path) -> None:
    done = yolo_export("info", checkpoint, "--imgsz", "64x96")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == [
        *("layer", "from", "module", "n", "output", "parameters", "MFLOPs", "memory", "MB")
    ]
    assert lines[2].split()[:6] == ["0", "image", "ConvMaxPool", "1", "8x16x24", "232"]
    assert "best.pt: yolov5-lite, 3 classes, " in done.stdout
    assert "one 64x96 image: " in done.stdout
    assert "10x13  16x30  33x23" in done.stdout
    assert "classes: 0 cat, 1 dog, 2 bird\n" in done.stdout
    assert "training: epoch 7, date 2026-11-21\n" in done.stdout


def test_info_as_json(yolo_export: Command, checkpoint: Path) -> None:
    done = yolo_export("info", checkpoint, "--json", "--imgsz", 64)
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert content["names"] == ["cat", "dog", "bird"]
    assert content["size_hw"] == [64, 64]
    assert [head["stride"] for head in content["heads"]] == [8, 16, 32]
    for total in ("parameters", "flops", "memory_access"):
        assert content[total] == sum(layer[total] for layer in content["layers"]) > 0
    assert content["layers"][0]["shapes_chw"] == [[8, 16, 16]]


def test_a_checkpoint_called_info_can_be_exported(
    yolo_export: Command, checkpoint: Path, tmp_path: Path
) -> None:
    (tmp_path / "info").write_bytes(checkpoint.read_bytes())
    done = yolo_export("./info", "--to", "onnx", "--imgsz", 64, "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "info.edge").is_dir()
    done = yolo_export("info", "info", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        pytest.param(["info"], 2, "give a CHECKPOINT, --cfg NAME, or both", id="neither"),
        pytest.param(["info", "a.pt", "--cfg", "yolov5n"], 1, "a.pt: cannot be opened", id="both"),
        pytest.param([], 2, "give a CHECKPOINT, --cfg NAME, or both", id="export neither"),
        pytest.param(["--cfg", "yolov9"], 2, "there is no network 'yolov9'", id="unknown name"),
        pytest.param(["--cfg", "none.yaml"], 1, "none.yaml: cannot be opened", id="no file"),
        pytest.param(["info", "none.pt"], 1, "none.pt: cannot be opened", id="no checkpoint"),
        pytest.param(["info", "--cfg", "yolov5n", "--imgsz", "100"], 2, "stride 32", id="size"),
        pytest.param(["info", "--cfg", "yolov5n", "--graph", "a.png"], 2, "must end in .svg", id="png"),
        pytest.param(["info", "--cfg", "yolov5n", "--graph", "no/a.svg"], 1, "No such file", id="folder"),
    ],
)
def test_wrong_usage_is_one_line(
    yolo_export: Command, tmp_path: Path, words: list[str], code: int, message: str
) -> None:
    done = yolo_export(*words, cwd=tmp_path)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_an_untrained_network_is_exported(yolo_export: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "nc: 2\nanchors: 2\nbackbone:\n  - [-1, 1, Conv, [8, 3, 2]]\n  - [-1, 1, Conv, [8, 3, 2]]\n"
        "head:\n  - [[0, 1], 1, Detect, [nc, anchors]]\n"
    )
    done = yolo_export("--cfg", "mine.yaml", "--to", "onnx", "--imgsz", 64, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "note: mine is untrained: its numbers are random" in done.stderr
    bundle = load_bundle(tmp_path / "mine.edge")
    assert bundle.names == ("class0", "class1")
    assert bundle.provenance["training"] == {"untrained": True, "seed": 0}
    assert bundle.provenance["checkpoint"] == "mine.yaml"
    # The same file is the same network, so another target joins.
    done = yolo_export("--cfg", "mine.yaml", "--to", "ncnn", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(load_bundle(tmp_path / "mine.edge").targets) == 2


def test_the_picture_shows_every_layer_and_line(
    yolo_export: Command, checkpoint: Path, tmp_path: Path
) -> None:
    done = yolo_export("info", checkpoint, "--graph", "net.svg", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["net.svg"]
    root = ElementTree.parse(tmp_path / "net.svg").getroot()
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    assert "best.pt" in texts
    assert "0  ConvMaxPool" in texts and "2  ShuffleBlock  x 2" in texts and "8  Detect" in texts
    assert "strides 8, 16, 32" in texts
    # Each layer's sources, drawn as a line with an arrow head each.
    assert len(root.findall(f"{SVG}path")) == len(root.findall(f"{SVG}polygon")) == 8 + 2 + 2


def test_lines_past_layers_never_share_a_place() -> None:
    rows = layer_table(build_network(load_config("yolov5n6")[1]).network, (640, 640))
    root = ElementTree.fromstring(draw_graph(rows, title="a <b> & c", facts="", strides=[8, 16, 32, 64]))
    runs: dict[str, list[tuple[int, int]]] = {}
    for path in root.findall(f"{SVG}path"):
        course = path.get("d", "")
        if "H" in course:
            start, rest = course[1:].split("H", 1)
            x, end = rest.split("V")
            runs.setdefault(x, []).append((int(start.split()[1]), int(end.split("H")[0])))
    assert sum(len(lines) for lines in runs.values()) == 9
    for lines in runs.values():
        ends = [place for line in sorted(lines) for place in line]
        assert ends == sorted(ends)
    width = int(root.get("width", "0"))
    assert all(int(x) < width for x in runs)


def test_counting_starts_no_compiler() -> None:
    """torch runs a network without memory through its compiler, whose import takes seconds."""
    program = (
        "import sys; sys.argv = ['yolo-export', 'info', '--cfg', 'yolov5n', '--json']\n"
        "from yolo_export.cli import main\n"
        "import io, contextlib\n"
        "with contextlib.redirect_stdout(io.StringIO()): code = main()\n"
        "print(code, 'torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "False"]


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "parameters"), [("v5lite-e", 787_085), ("v5lite-s", 1_649_853), ("yolov5n", 1_872_157)]
)
def test_the_real_checkpoints(yolo_export: Command, shared: Path, name: str, parameters: int) -> None:
    done = yolo_export("info", shared / "models" / f"{name}.pt", "--json")
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert content["parameters"] == parameters == sum(row["parameters"] for row in content["layers"])
    assert len(content["names"]) == 80


def test_untrained_numbers_stay_in_range() -> None:
    from yolo_export.untrained import untrained_checkpoint

    checkpoint = untrained_checkpoint("v5lite-c")
    image = torch.rand(1, 3, 128, 160, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for head in checkpoint.network(image):
            assert bool(torch.isfinite(head).all()) and float(head.abs().max()) < 1e3


def test_weights_of_a_yaml_file(yolo_export: Command, tmp_path: Path) -> None:
    import torch

    from yolo_export.untrained import untrained_checkpoint

    network = untrained_checkpoint("yolov5n").network
    weights = {name.replace("layers.", "model.", 1): value for name, value in network.state_dict().items()}
    torch.save(weights, tmp_path / "weights.pt")
    done = yolo_export("info", "weights.pt", "--cfg", "yolov5n", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    both = json.loads(done.stdout)
    alone = json.loads(yolo_export("info", "--cfg", "yolov5n", "--json").stdout)
    assert both["layers"] == alone["layers"]
    assert [head["stride"] for head in both["heads"]] == [8, 16, 32]
    done = yolo_export("info", "weights.pt", cwd=tmp_path)
    assert done.returncode == 1
    assert "has weights without a network" in done.stderr
