"""Files as other tools export them give the boxes of our own export of the same checkpoint."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from foreign_exports import Exported, write_module, write_ncnn, write_onnx
from torch import nn

from yolo_edge import Detections, Detector, load_bundle
from yolo_edge.checking.agreement import box_agreement
from yolo_edge.importing import ImportOptions, import_model, open_imported
from yolo_edge.importing.options import parse_anchors
from yolo_edge.scene import draw_scene
from yolo_export.checkpoint import read_checkpoint

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
    "v6.0": ("n,no", "decoded"),
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
    assert len(load_bundle(place).targets) == len(load_bundle(tiny_bundle).targets)
    import_model(file, out=place, force=True)
    assert load_bundle(place).imported


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


@pytest.mark.parametrize(
    ("flags", "change"),
    [
        pytest.param(["--channels", "bgr"], lambda x: x.flip(1), id="channels"),
        pytest.param(["--scale", "1"], lambda x: x / 255, id="scale"),
        pytest.param(
            ["--mean", "10,20,30", "--scale", "0.02,0.01,0.005"],
            lambda x: (
                (x / torch.tensor([0.02, 0.01, 0.005]).view(1, 3, 1, 1)
                 + torch.tensor([10.0, 20.0, 30.0]).view(1, 3, 1, 1)) / 255
            ),
            id="mean and scale",
        ),
    ],
)  # fmt: skip
def test_pixels_as_the_flags_say(
    flags: list[str],
    change: Callable[[torch.Tensor], torch.Tensor],
    tiny_checkpoint: Path,
    scenes: Path,
    yolo_edge: Command,
    tmp_path: Path,
) -> None:
    """A file that undoes what the flags say finds what the unmodified file finds."""
    network = Exported(read_checkpoint(tiny_checkpoint), "decoded")
    plain = write_module(tmp_path / "plain.onnx", network, metadata=METADATA)
    other = write_module(tmp_path / "other.onnx", _Changed(network, change), metadata=METADATA)
    run = ("run", scenes, "--conf", 0.4, "--jsonl", "-", "--imgsz", 128, "--model")
    expected, found, without = (yolo_edge(*run, *words) for words in ([plain], [other, *flags], [other]))
    assert found.returncode == 0, found.stderr
    pairs = list(zip(found.stdout.splitlines(), expected.stdout.splitlines()))
    assert len(pairs) == 3
    for mine, theirs in pairs:
        assert len(_detections(theirs)) > 5
        assert box_agreement(_detections(mine), _detections(theirs)) >= 0.99
    wrong = zip(without.stdout.splitlines(), expected.stdout.splitlines())
    assert any(box_agreement(_detections(mine), _detections(theirs)) < 0.9 for mine, theirs in wrong)


class _Changed(nn.Module):
    """A network whose input is changed first."""

    def __init__(self, network: nn.Module, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.network, self.change = network, change

    def forward(self, image: torch.Tensor) -> object:
        return self.network(self.change(image))
