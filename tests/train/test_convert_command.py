from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from label_files import names, rows, write_images, write_json
from made_datasets import coco_content, write_training

from yolo_edge.errors import DatasetError
from yolo_train.converters import LabelSource, convert_to_yolo, converter_class, converter_names
from yolo_train.datasets import open_training_dataset


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    write_images(tmp_path / "pictures", "a.png", "b.png", "c.png", "d.png")
    return write_json(tmp_path / "i.json", coco_content())


def test_there_and_back(yolo_train: Any, labels: Path, tmp_path: Path) -> None:
    pictures, out = tmp_path / "pictures", tmp_path / "out"
    both = ("--train", labels, pictures, "--val", labels, pictures)
    done = yolo_train("convert", "coco", *both, "--out", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"train: 4 images, 3 objects\nval: 4 images, 3 objects\nwrote {out}\n"
    assert (out / "images" / "train" / "a.png").readlink() == pictures / "a.png"
    dataset = open_training_dataset(out / "data.yaml")
    assert dataset.names == ("cat", "dog", "bird")
    checked = yolo_train("check", out / "data.yaml")
    assert checked.returncode == 0
    assert "Images in both train and val: 4" in checked.stdout
    done = yolo_train("convert", "coco", "--from-yolo", out / "data.yaml", "--out", tmp_path / "back")
    assert done.returncode == 0, done.stderr
    assert (
        f"  labels {tmp_path}/back/annotations/instances_val.json, images in {out}/images/val" in done.stdout
    )
    assert "note: not written, as YOLO's form has none: segmentations" in done.stderr
    record = json.loads((out / "conversion.json").read_text())
    assert (record["format"], record["direction"], record["images"]) == (
        "coco",
        "to yolo",
        {"train": 4, "val": 4},
    )


@pytest.mark.parametrize("name", ["bdd100k", "coco", "voc"])
def test_relative_paths(yolo_train: Any, tmp_path: Path, name: str) -> None:
    labels = {"a": "0 .5 .4 .5 .4\n"}
    write_training(tmp_path / "data", "[car, bus]", train=labels, val=labels)
    done = yolo_train("convert", name, "--from-yolo", "data/data.yaml", "--out", "there", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    read = re.findall("labels (.*), images in (.*)", done.stdout)
    assert len(read) == 2
    arguments = [("--train", *read[0]), ("--val", *read[1])]
    done = yolo_train("convert", name, *sum(arguments, ()), "--out", "back", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for file in rows(tmp_path / "data"):
        assert (tmp_path / "back" / "labels" / file).read_text().split()[1:] == ["0.5", "0.4"] * 2
    assert len(open_training_dataset(tmp_path / "back" / "data.yaml").train) == 1


def test_copies(yolo_train: Any, labels: Path, tmp_path: Path) -> None:
    done = yolo_train(
        *("convert", "coco", "--train", labels, tmp_path / "pictures", "--out", tmp_path / "out"),
        *("--images", "copy", "--names", "bird,cat,dog"),
    )
    assert done.returncode == 0, done.stderr
    copy = tmp_path / "out" / "images" / "train" / "a.png"
    assert not copy.is_symlink()
    assert copy.read_bytes() == (tmp_path / "pictures" / "a.png").read_bytes()
    assert names(tmp_path / "out") == ["bird", "cat", "dog"]


def test_nothing_is_overwritten_unasked(yolo_train: Any, labels: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ("convert", "coco", "--train", labels, tmp_path / "pictures", "--out", out)
    out.mkdir()  # an empty folder is no loss
    assert yolo_train(*command).returncode == 0
    (out / "labels" / "train" / "a.txt").write_text("mine")
    done = yolo_train(*command)
    assert (done.returncode, done.stderr) == (
        1,
        f"yolo-train convert: error: {out} exists; --force replaces it\n",
    )
    assert (out / "labels" / "train" / "a.txt").read_text() == "mine"
    assert yolo_train(*command, "--force").returncode == 0
    assert (out / "labels" / "train" / "a.txt").read_text() != "mine"
    (out / "conversion.json").unlink()
    for more in ((), ("--force",)):
        done = yolo_train(*command, *more)
        assert done.returncode == 1
        assert f"{out} exists" in done.stderr
        assert "hoose another --out" in done.stderr
    assert rows(out)
    assert {path.name for path in tmp_path.iterdir()} == {"pictures", "i.json", "out"}  # nothing half-made


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        pytest.param([], 2, "name what to convert: --train LABELS IMAGES, or --from-yolo", id="nothing"),
        pytest.param(["--from-yolo", "d.yaml", "--images", "copy"], 2, "--images: for the way to", id="both"),
        pytest.param(["--train", "no.json", "pictures"], 1, "no.json: cannot be read: No such", id="labels"),
        pytest.param(["--train", "i.json", "nowhere"], 1, "nowhere: no such folder of images", id="images"),
        pytest.param(["--train", "i.json", "pictures", "--names", "a,a"], 2, "names, each once", id="names"),
        pytest.param(["--from-yolo", "d.yaml"], 1, "d.yaml: cannot be read: No such file", id="yaml"),
    ],
)
def test_bad_arguments(
    yolo_train: Any, labels: Path, tmp_path: Path, arguments: list[str], code: int, text: str
) -> None:
    done = yolo_train("convert", "coco", *arguments, "--out", "out", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_unknown_formats(yolo_train: Any) -> None:
    assert converter_names() == ["bdd100k", "coco", "voc"]
    with pytest.raises(ValueError, match="unknown format 'kitti'; known formats: bdd100k, coco, voc"):
        converter_class("kitti")
    assert yolo_train("convert", "kitti").returncode == 2


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys, yolo_train.cli\n"
        "try: yolo_train.cli.main(['convert', '--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('numpy', 'cv2', 'yaml', 'torch', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def coco(tmp_path: Path, *files: str, **size: int) -> LabelSource:
    images = [
        {"id": i, "file_name": name, "width": 160, "height": 90, **size} for i, name in enumerate(files)
    ]
    content = {**coco_content(), "images": images, "annotations": []}
    return LabelSource("train", write_json(tmp_path / "i.json", content), tmp_path / "pictures")


def convert(source: LabelSource, out: Path, **options: Any) -> Any:
    return convert_to_yolo(converter_class("coco")(), [source], out, **options)


def test_images_in_folders(tmp_path: Path) -> None:
    write_images(tmp_path / "pictures" / "deep" / "er", "a.png")
    write_images(tmp_path / "pictures", "a.png")
    convert(coco(tmp_path, "deep/er/a.png", "a.png"), tmp_path / "out")
    assert list(rows(tmp_path / "out")) == ["train/a.txt", "train/deep/er/a.txt"]
    assert (tmp_path / "out/images/train/deep/er/a.png").is_file()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        pytest.param(["../a.png"], "a.png: is not in ", id="outside"),
        pytest.param(["a.png", "gone.png"], r"gone.png: no such image \(--skip-missing", id="gone"),
        pytest.param(["a.png", "a.jpg"], "a.jpg: would share the label file of a.png; rename one", id="stem"),
        pytest.param(["a.png", "a.png"], "a.png: has labels twice", id="twice"),
        pytest.param(["a.png", "notes.txt"], "notes.txt: is no image by its name", id="text"),
        pytest.param(["a.png", "broken.png"], "broken.png: does not decode", id="broken"),
    ],
)
def test_bad_images(tmp_path: Path, files: list[str], message: str) -> None:
    write_images(tmp_path / "pictures", "a.png", "a.jpg", "../a.png")
    (tmp_path / "pictures" / "notes.txt").write_text("x")
    (tmp_path / "pictures" / "broken.png").write_text("x")
    with pytest.raises(DatasetError, match=message):
        convert(coco(tmp_path, *files), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_images_can_be_left_out(tmp_path: Path) -> None:
    write_images(tmp_path / "pictures", "a.png")
    done = convert(coco(tmp_path, "a.png", "b.png", "c.png"), tmp_path / "out", skip_missing=True)
    assert done.images == {"train": 1}
    assert done.notes == ("left out: 2 images that do not exist",)


@pytest.mark.parametrize(
    ("height", "width", "fault"),
    [
        pytest.param(90, 160, False, id="the same"),
        pytest.param(1080, 1920, False, id="scaled"),
        pytest.param(45, 81, False, id="scaled and rounded"),
        pytest.param(160, 90, True, id="turned"),
        pytest.param(90, 120, True, id="another shape"),
    ],
)
def test_labels_of_an_image_of_another_shape(tmp_path: Path, height: int, width: int, fault: bool) -> None:
    write_images(tmp_path / "pictures", "a.png")
    source = coco(tmp_path, "a.png", height=height, width=width)
    if fault:
        with pytest.raises(DatasetError, match=f"is 160x90, but its labels say {width}x{height}; were they"):
            convert(source, tmp_path / "out")
    else:
        assert convert(source, tmp_path / "out").images == {"train": 1}


def test_labels_from_before_an_image_was_turned(tmp_path: Path) -> None:
    data = cv2.imencode(".jpg", np.zeros((90, 160, 3), np.uint8))[1].tobytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0\0\0\0\0"
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.jpg").write_bytes(data[:2] + segment + data[2:])
    with pytest.raises(DatasetError, match=r"is 90x160, but its labels say 160x90; .* as its EXIF data says"):
        convert(coco(tmp_path, "a.jpg"), tmp_path / "out")


def test_several_folders_have_a_common_one(yolo_train: Any, tmp_path: Path) -> None:
    path = write_training(tmp_path, train={"a": "0 .5 .5 .5 .5"}, val={"a": "1 .5 .5 .5 .5"})
    path.write_text("train: [images/train, images/val]\nval: images/val\nnames: [cat, dog]\n")
    done = yolo_train("convert", "voc", "--from-yolo", path, "--out", tmp_path / "voc")
    assert done.returncode == 0, done.stderr
    found = sorted(str(file.relative_to(tmp_path / "voc")) for file in (tmp_path / "voc").rglob("*.xml"))
    assert found == ["Annotations/train/train/a.xml", "Annotations/train/val/a.xml", "Annotations/val/a.xml"]
    assert f"images in {tmp_path}/images\n" in done.stdout
