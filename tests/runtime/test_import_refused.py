"""Files that cannot be imported are refused with what they are, or with everything that is missing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from foreign_exports import write_module, write_ncnn, write_onnx
from torch import nn

from yolo_edge.importing import ImportOptions, open_imported
from yolo_edge.importing.options import parse_anchors

Command = Callable[..., object]

ANCHORS = "10,13,16,30,33,23/30,61,62,45,59,119/116,90,156,198,373,326"
NAMES = "cat,dog,bird"
STATIC = (128, 160)


class _Made(nn.Module):
    """A network whose output is made by a function of a feature map of stride 32 and 8 channels."""

    def __init__(self, make: Callable[[torch.Tensor], object]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 8, 32, 32)
        self.make = make

    def forward(self, image: torch.Tensor) -> object:
        return self.make(self.conv(image))


def _yolov8(x: torch.Tensor) -> torch.Tensor:
    return x.mean((2, 3)).sum() + torch.arange(84 * 420.0).view(1, 84, 420).sin()


BAD = [
    pytest.param(
        lambda x: x.mean((2, 3)).softmax(1),
        {},
        {},
        "it is a classification model (8 scores",
        id="classification",
    ),
    pytest.param(
        lambda x: (
            x.mean() + torch.arange(1260 * 40.0).view(1, 1260, 40).sin(),
            x.mean() + torch.arange(32 * 32 * 40.0).view(1, 32, 32, 40).sin(),
        ),
        {},
        {},
        "it is a segmentation model: output output1 (32, 32, 40) holds mask prototypes",
        id="segmentation",
    ),
    pytest.param(_yolov8, {}, {}, "its output (1, 84, 420) is that of YOLOv8 and later", id="yolov8"),
    pytest.param(
        lambda x: x.mean() + 100 + torch.arange(300 * 6.0).view(1, 300, 6).sin(),
        {},
        {},
        "neither logits nor probabilities, perhaps the results of NMS",
        id="nms inside",
    ),
    pytest.param(
        lambda x: x * 0 + torch.arange(8.0).view(1, 8, 1, 1),
        {},
        {},
        "does not depend on the image",
        id="constant",
    ),
    pytest.param(lambda x: x / (x - x), {}, {}, "has values that are not finite", id="not finite"),
    pytest.param(lambda x: x, {"task": "segment"}, {}, "it is a model for the task 'segment'", id="task"),
    pytest.param(
        lambda x: x,
        {"names": {0: "a", 1: "b"}},
        {"anchors_px": parse_anchors("10,13")},
        "the file's metadata holds 2 names, the outputs have 3 classes",
        id="names of metadata",
    ),
    pytest.param(
        lambda x: x,
        {},
        {"names": ("a",), "anchors_px": parse_anchors("10,13/20,30"), "strides": (8, 16)},
        "strides 8, 16 (--strides) are not those of the outputs: 32\n  - anchors for 2 heads were given "
        "(--anchors); the file has 1 heads (strides 32)\n  - 1 names do not fit heads of 8 numbers",
        id="all at once",
    ),
    pytest.param(
        lambda x: x,
        {},
        {"names": ("a",), "anchors_px": parse_anchors("10,13,16,30,33,23")},
        "3 anchors were given for the head of stride 32 (--anchors); it has 1 (8 numbers per cell",
        id="anchors of a head",
    ),
    pytest.param(
        lambda x: x,
        {},
        {"names": ("a", "b", "c"), "anchors_px": parse_anchors("1,1"), "size_hw": (64, 64)},
        "imgsz is 64x64, but the file takes only 128x160",
        id="another size",
    ),
    pytest.param(
        lambda x: x,
        {"names": "__import__('os').system('touch canary')"},
        {},
        "the class names are not known; give --names FILE",
        id="code in the names",
    ),
    pytest.param(
        lambda x: x, {"names": "{0: " + "[" * 100000}, {}, "the class names are not known", id="deep names"
    ),
]


@pytest.mark.parametrize(("make", "metadata", "options", "text"), BAD)
def test_refused(
    make: Callable[[torch.Tensor], object],
    metadata: dict[str, object],
    options: dict[str, object],
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    file = write_module(tmp_path / "x.onnx", _Made(make), static=STATIC, metadata=metadata)
    with pytest.raises(RuntimeError) as caught:
        open_imported(file, ImportOptions(**options))
    assert str(caught.value).startswith(str(file))
    assert text in str(caught.value)
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    ("image", "text"),
    [
        pytest.param(torch.zeros(1, 3, 128, 160).half(), "its input is float16; only float32", id="half"),
        pytest.param(torch.zeros(1, 3, 128, 160).byte(), "its input is uint8; only float32", id="uint8"),
        pytest.param(torch.zeros(4, 3, 128, 160), "its batch size is 4", id="batch"),
        pytest.param(torch.zeros(1, 1, 128, 160), "its input has 1 channels", id="gray"),
        pytest.param(torch.zeros(1, 128, 160, 3), "has the channels last", id="channels last"),
        pytest.param(torch.zeros(1, 3), "its input has the shape [1, 3]", id="no image"),
    ],
)
def test_refused_inputs(image: torch.Tensor, text: str, tmp_path: Path) -> None:
    file = write_module(tmp_path / "x.onnx", _Plus(), static=STATIC, image=image)
    with pytest.raises(RuntimeError) as caught:
        open_imported(file)
    assert text in str(caught.value)


class _Plus(nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image + 1


def test_everything_that_is_missing_is_said_at_once(tiny_checkpoint: Path, tmp_path: Path) -> None:
    file = write_onnx(tmp_path / "x.onnx", tiny_checkpoint, "concat")
    with pytest.raises(RuntimeError) as caught:
        open_imported(file)
    text = str(caught.value)
    for part in (
        "recognised: one output of all heads, sigmoided, not decoded; but",
        "the names of its 3 classes are not known; give --names",
        "give --anchors for 3 heads of 3 anchors (strides 8, 16, 32)",
        "YOLOv5 and YOLOv5-Lite e, s, c, g: 10,13,16,30,33,23/",
    ):
        assert part in text
    with pytest.raises(RuntimeError, match="the anchors do not grow with the strides 8, 16, 32"):
        open_imported(
            file, ImportOptions(tuple("abc"), parse_anchors("/".join(reversed(ANCHORS.split("/")))))
        )
    with pytest.raises(
        RuntimeError, match=r"1 heads of 1 anchors \(--anchors\) at the strides .* do not give"
    ):
        open_imported(file, ImportOptions(tuple("abc"), parse_anchors("10,13")))
    file = write_onnx(tmp_path / "y.onnx", tiny_checkpoint, "decoded")
    with pytest.raises(RuntimeError, match="the boxes are decoded already, anchors have no use"):
        open_imported(file, ImportOptions(tuple("abc"), parse_anchors(ANCHORS)))


def test_ncnn_of_one_size_that_does_not_say_which(tiny_checkpoint: Path, tmp_path: Path) -> None:
    file = write_ncnn(tmp_path / "x.param", tiny_checkpoint, "flat", static=STATIC)
    with pytest.raises(
        RuntimeError, match=r"takes images of one size only .* does not say which.*; give it with --imgsz"
    ):
        open_imported(file)
    with pytest.raises(RuntimeError, match=r"if 640x640 is not its size, give it with --imgsz"):
        open_imported(file, ImportOptions(size_hw=(640, 640)))


@pytest.fixture(scope="module")
def ncnn_file(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ncnn(tmp_path_factory.mktemp("ncnn") / "x.param", tiny_checkpoint, "flat")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.95])
@pytest.mark.parametrize("suffix", [".param", ".bin", ".onnx"])
def test_files_that_are_cut_off(
    suffix: str, share: float, ncnn_file: Path, tiny_bundle: Path, tmp_path: Path, yolo_edge: Command
) -> None:
    for kind in (".param", ".bin"):
        shutil.copy(ncnn_file.with_suffix(kind), tmp_path / f"x{kind}")
    shutil.copy(tiny_bundle / "model.onnx", tmp_path / "x.onnx")
    damaged = tmp_path / f"x{suffix}"
    damaged.write_bytes(damaged.read_bytes()[: int(damaged.stat().st_size * share)])
    file = damaged if suffix != ".bin" else tmp_path / "x.param"
    done = yolo_edge("import", file, "--names", NAMES, "--anchors", ANCHORS, cwd=tmp_path)
    assert done.returncode == 1
    assert f"yolo-edge import: error: {file}: " in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.glob("*.edge")) == []


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        pytest.param("x.onnx", b"not a model", "onnxruntime cannot read it", id="text as onnx"),
        pytest.param("x.param", b"not a model", "is not an ncnn .param file", id="text as param"),
        pytest.param("x.param", b"\xff\xfe" * 50, "is not an ncnn .param file", id="binary param"),
        pytest.param(
            "x.pt", b"", "is neither an ONNX (.onnx) nor an ncnn (.param) file; yolo-export", id="pt"
        ),
        pytest.param("x.bin", b"", "give the .param file beside it", id="bin"),
        pytest.param(
            "x.param", b"7767517\n1 1\nInput in0 0 1 in0\n", "its weights beside it: x.bin", id="no weights"
        ),
        pytest.param("x.onnx", None, "no such file", id="missing"),
    ],
)
def test_what_is_not_a_model(name: str, content: bytes | None, text: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(RuntimeError) as caught:
        open_imported(tmp_path / name)
    assert text in str(caught.value)
