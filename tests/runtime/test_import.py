"""Files as other tools export them give the boxes of our own export of the same checkpoint."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from foreign_exports import write_module, write_ncnn, write_onnx
from torch import nn

from yolo_edge import Detections, Detector, load_bundle
from yolo_edge.agreement import box_agreement
from yolo_edge.importing import ImportOptions, import_model, open_imported
from yolo_edge.importing.options import parse_anchors
from yolo_edge.scene import draw_scene

Command = Callable[..., object]

ANCHORS = "10,13,16,30,33,23/30,61,62,45,59,119/116,90,156,198,373,326"
NAMES = "cat,dog,bird"
METADATA = {"stride": 32, "names": {0: "cat", 1: "dog", 2: "bird"}}
STATIC = (128, 160)
IMAGES = [draw_scene(size, seed) for seed, size in enumerate([(90, 160), (160, 90), (120, 120)])]

FORMS = {
    # form: (layout, activation)
    "raw4": ("c,h,w", "none"),
    "raw4+sigmoid": ("c,h,w", "sigmoid"),
    "raw5": ("na,h,w,no", "none"),
    "raw5+sigmoid": ("na,h,w,no", "sigmoid"),
    "flat": ("na,h*w,no", "none"),
    "rawrows": ("n,no", "none"),
    "concat": ("n,no", "sigmoid"),
    "decoded": ("n,no", "decoded"),
}


def _boxes(bundle: object, **arguments: object) -> list[Detections]:
    with Detector(bundle, threads=1, **arguments) as detector:
        return [detector.detect(image, conf=0.4) for image in IMAGES]


def _same(found: list[Detections], expected: list[Detections]) -> None:
    assert all(len(boxes) > 5 for boxes in expected)
    for ours, theirs in zip(found, expected):
        assert box_agreement(ours, theirs) >= 0.99


@pytest.fixture(scope="module")
def own(tiny_bundle: Path) -> dict[bool, list[Detections]]:
    """Boxes of our own bundle, by whether the file is static."""
    return {
        False: _boxes(tiny_bundle, engine="onnxruntime"),
        True: _boxes(tiny_bundle, engine="onnxruntime", imgsz=STATIC, letterbox="square"),
    }


def _options(form: str, size_hw: tuple[int, int] = (128, 128)) -> ImportOptions:
    anchors = None if FORMS[form][1] == "decoded" else parse_anchors(ANCHORS)
    return ImportOptions(names=("cat", "dog", "bird"), anchors_px=anchors, size_hw=size_hw)


@pytest.mark.parametrize("static", [False, True], ids=["any size", "one size"])
@pytest.mark.parametrize("form", FORMS)
def test_onnx(form: str, static: bool, tiny_checkpoint: Path, own: dict, tmp_path: Path) -> None:
    size = STATIC if static else (128, 128)
    file = write_onnx(tmp_path / "x.onnx", tiny_checkpoint, form, static=STATIC if static else None)
    in_memory, _ = open_imported(file, _options(form, size))
    report = import_model(file, _options(form, size), out=tmp_path / "x.edge")
    bundle = load_bundle(report.bundle)
    for described in (in_memory, bundle):
        target = described.targets[0]
        assert {(output.layout, output.activation) for output in target.outputs} == {FORMS[form]}
        assert target.input.shapes == ((STATIC,) if static else "dynamic")
        assert described.imported
        _same(_boxes(described), own[static])
    assert bundle.provenance["file"] == "x.onnx"
    assert (tmp_path / "x.edge" / "golden.npz").is_file()


NCNN = [
    pytest.param(form, static, id=f"{form} {'one size' if static else 'any size'}")
    for form in ("raw4", "raw5", "flat", "flat+sigmoid", "concat", "decoded")
    for static in (False, True)
    if (form, static) != ("decoded", False)  # pnnx aborts on it
]


@pytest.mark.parametrize(("form", "static"), NCNN)
def test_ncnn(form: str, static: bool, tiny_checkpoint: Path, own: dict, tmp_path: Path) -> None:
    size = STATIC if static else (128, 128)
    file = write_ncnn(tmp_path / "x.param", tiny_checkpoint, form, static=STATIC if static else None)
    options = _options(form.partition("+")[0], size)
    bundle = load_bundle(import_model(file, options, out=tmp_path / "x.edge").bundle)
    target = bundle.targets[0]
    assert target.engine == "ncnn"
    assert target.input.name == "data"
    assert target.input.shapes == ((STATIC,) if static else "dynamic")
    wanted = ("na,h*w,no", "sigmoid") if form == "flat+sigmoid" else FORMS[form]
    assert {(output.layout, output.activation) for output in target.outputs} == {wanted}
    _same(_boxes(bundle), own[static])
    _same(_boxes(open_imported(file, options)[0]), own[static])


def test_decoded_boxes_beside_raw_heads(tiny_checkpoint: Path, own: dict, tmp_path: Path) -> None:
    file = write_onnx(tmp_path / "x.onnx", tiny_checkpoint, "v6.0", static=STATIC)
    bundle, notes = open_imported(file, ImportOptions(names=("cat", "dog", "bird")))
    assert "outputs that are not needed were left out: output1, output2, output3" in notes
    _same(_boxes(bundle), own[True])


@pytest.mark.parametrize("form", ["raw5", "flat"])
def test_heads_in_any_order(form: str, tiny_checkpoint: Path, own: dict, tmp_path: Path) -> None:
    file = write_onnx(tmp_path / "x.onnx", tiny_checkpoint, form, order=[2, 0, 1])
    bundle, _ = open_imported(file, _options(form))
    assert [output.name for output in bundle.targets[0].outputs_by_head] == ["output1", "output2", "output0"]
    _same(_boxes(bundle), own[False])


def test_rows_in_another_order(tiny_checkpoint: Path, own: dict, tmp_path: Path) -> None:
    file = write_onnx(tmp_path / "x.onnx", tiny_checkpoint, "concat", order=[2, 1, 0])
    anchors = parse_anchors("/".join(reversed(ANCHORS.split("/"))))
    options = ImportOptions(("cat", "dog", "bird"), anchors, strides=(32, 16, 8), size_hw=(128, 128))
    _same(_boxes(open_imported(file, options)[0]), own[False])


def test_metadata_of_onnx(tiny_checkpoint: Path, own: dict, tmp_path: Path) -> None:
    metadata = {**METADATA, "imgsz": [128, 128], "task": "detect"}
    file = write_onnx(tmp_path / "x.onnx", tiny_checkpoint, "decoded", metadata=metadata)
    bundle, notes = open_imported(file)
    assert bundle.names == ("cat", "dog", "bird")
    assert (bundle.input.stride, bundle.input.size_hw, bundle.heads) == (32, (128, 128), ())
    assert notes == ["one output of all heads, decoded boxes"]
    _same(_boxes(bundle), own[False])


def test_metadata_beside_ncnn(tiny_checkpoint: Path, own: dict, tmp_path: Path) -> None:
    file = write_ncnn(tmp_path / "model.ncnn.param", tiny_checkpoint, "decoded", static=STATIC)
    (tmp_path / "metadata.yaml").write_text(
        "description: a model: made here\ndate: '2026-01-01T00:00:00'\nstride: 32\ntask: detect\nbatch: 1\n"
        "imgsz:\n- 128\n- 160\nnames:\n  0: cat\n  1: 'dog'\n  2: bird\nargs:\n  batch: 1\n"
    )
    bundle, _ = open_imported(file)
    assert bundle.names == ("cat", "dog", "bird")
    assert bundle.targets[0].input.shapes == (STATIC,)
    _same(_boxes(bundle), own[True])


def test_commands(
    yolo_edge: Command, tiny_checkpoint: Path, tiny_bundle: Path, scenes: Path, tmp_path: Path
) -> None:
    file = write_onnx(tmp_path / "other.onnx", tiny_checkpoint, "concat")
    flags = ("--names", NAMES, "--anchors", ANCHORS)
    done = yolo_edge("import", file, *flags, "--imgsz", 128, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "other.edge" in done.stdout
    assert "sigmoided, not decoded" in done.stdout
    run = ("run", scenes, "--conf", 0.4, "--jsonl", "-", "--model")
    mine = yolo_edge(*run, tiny_bundle, "--engine", "onnxruntime")
    kept = yolo_edge(*run, tmp_path / "other.edge")
    once = yolo_edge(*run, file, *flags, "--imgsz", 128)
    assert (kept.returncode, once.returncode) == (0, 0), once.stderr
    assert "imported for this run only: one output of all heads, sigmoided" in once.stderr
    assert list(tmp_path.glob("*.edge")) == [tmp_path / "other.edge"]
    for expected, *found in zip(*(done.stdout.splitlines() for done in (mine, kept, once))):
        wanted = _detections(expected)
        assert len(wanted)
        for line in found:
            assert box_agreement(_detections(line), wanted) >= 0.99
    check = yolo_edge("check", tmp_path / "other.edge")
    assert check.returncode == 0, check.stderr
    assert "not with a checkpoint" in check.stdout
    assert yolo_edge("info", tmp_path / "other.edge").returncode == 0


def _detections(line: str) -> Detections:
    rows = json.loads(line)["detections"]
    return Detections(
        np.array([row["xyxy"] for row in rows]).reshape(-1, 4),
        np.array([row["confidence"] for row in rows]),
        np.array([row["class_id"] for row in rows]),
        NAMES.split(","),
    )


def test_flags_of_import_are_refused_for_bundles(yolo_edge: Command, tiny_bundle: Path, scenes: Path) -> None:
    done = yolo_edge("run", "--model", tiny_bundle, scenes, "--names", NAMES)
    assert done.returncode == 2
    assert "--names is for .onnx and .param files" in done.stderr


def test_only_a_bundle_of_the_same_file_is_replaced(
    tiny_checkpoint: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    file = write_onnx(tmp_path / "x.onnx", tiny_checkpoint, "decoded", metadata=METADATA)
    place = tmp_path / "x.edge"
    import_model(file, out=place)
    import_model(file, ImportOptions(names=("a", "b", "c")), out=tmp_path)
    assert load_bundle(place).names == ("a", "b", "c")
    shutil.rmtree(place)
    shutil.copytree(tiny_bundle, place)
    with pytest.raises(RuntimeError, match="was made from something else; --force replaces it"):
        import_model(file, out=place)
    assert len(load_bundle(place).targets) == 2
    import_model(file, out=place, force=True)
    assert load_bundle(place).imported


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


@pytest.mark.shared
@pytest.mark.parametrize(
    ("form", "engine"),
    [("raw5", "onnx"), ("concat", "onnx"), ("decoded", "onnx"), ("flat", "ncnn"), ("concat", "ncnn")],
)
def test_a_real_checkpoint(form: str, engine: str, shared: Path, real_bundles: Path, tmp_path: Path) -> None:
    import cv2

    checkpoint = shared / "models" / "v5lite-e.pt"
    names = shared / "data" / "coco.names"
    if engine == "onnx":
        file = write_onnx(tmp_path / "x.onnx", checkpoint, form)
    else:
        file = write_ncnn(tmp_path / "x.param", checkpoint, form)
    from yolo_edge.importing.options import parse_names

    anchors = None if form == "decoded" else parse_anchors(ANCHORS)
    options = ImportOptions(parse_names(str(names)), anchors, size_hw=(320, 320))
    bundle, _ = open_imported(file, options)
    images = [cv2.imread(str(path)) for path in sorted((shared / "data/coco-val64/images").iterdir())[:12]]
    boxes = 0
    with (
        Detector(bundle, threads=1) as other,
        Detector(real_bundles / "v5lite-e.edge", threads=1, imgsz=320) as mine,
    ):
        for image in images:
            expected = mine.detect(image, conf=0.4)
            boxes += len(expected)
            assert box_agreement(other.detect(image, conf=0.4), expected) >= 0.99
    assert boxes > 10
