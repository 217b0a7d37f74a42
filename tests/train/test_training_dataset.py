from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_datasets import LABELS, write_folder, write_image, write_training
from programs import run_program

from yolo_edge.errors import DatasetError, MissingExtraError
from yolo_train.datasets import TrainingDataset, open_training_dataset

VAL = {"v": "1 0.5 0.5 0.25 0.25\n"}


def stems(dataset: TrainingDataset) -> tuple[list[str], list[str]]:
    return [image.path.stem for image in dataset.train], [image.path.stem for image in dataset.val]


def test_importing_the_packages_imports_no_numpy() -> None:
    packages = ", ".join(f"yolo_train.{name}" for name in ("anchors", "augment", "converters", "loading"))
    heavy = "[name for name in ('numpy', 'cv2', 'torch') if name in sys.modules]"
    assert run_program(f"import sys, yolo_train.datasets, {packages}; print({heavy})") == "[]\n"


def test_a_dataset(tmp_path: Path) -> None:
    path = write_training(tmp_path)
    before = sorted((file, file.stat().st_mtime_ns) for file in tmp_path.rglob("*"))
    seen: list[tuple[int, int]] = []
    dataset = open_training_dataset(path, progress=lambda done, count: seen.append((done, count)))
    assert dataset.path == path
    assert dataset.names == ("cat", "dog", "bird")
    assert stems(dataset) == (["a", "b", "c", "d"], ["v"])
    assert all(image.size_hw == (90, 160) for image in (*dataset.train, *dataset.val))
    first = dataset.train[0].objects
    assert first.class_id.tolist() == [0, 2]
    assert first.class_id.dtype == np.int32
    assert first.boxes.tolist() == [[0.375, 0.25, 0.625, 0.75], [0, 0, 0.5, 0.5]]
    assert first.boxes.dtype == np.float64
    assert seen == [(done, 5) for done in range(1, 6)]
    assert [warning.partition(":")[0] for warning in dataset.warnings] == [
        "images without a label file, taken as showing no objects",
        "classes without an object",
    ]
    assert sorted((file, file.stat().st_mtime_ns) for file in tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("text", "train"),
    [
        pytest.param("path: .\ntrain: images/train\nval: images/val\n", "abcd", id="folders"),
        pytest.param("train: [images/train, images/more]\nval: images/val\n", "abcdm", id="several"),
        pytest.param("train: images/*/[ab].png\nval: images/val\n", "ab", id="glob"),
        pytest.param("train: lists/t.txt\nval: images/val\n", "ma", id="list file"),
        pytest.param("path: ROOT\ntrain: lists/t.txt\nval: ROOT/images/val\n", "ma", id="absolute"),
        pytest.param("train: ../images/train\nval: ../images/val\n", "abcd", id="exported with dots"),
    ],
)
def test_the_ways_to_name_images(tmp_path: Path, text: str, train: str) -> None:
    write_training(tmp_path, train=LABELS, val=VAL)
    write_folder(tmp_path, {"m": "0 .5 .5 .5 .5"}, "more")
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "t.txt").write_text("../images/more/m.png\n\nimages/train/a.png\n")
    path = tmp_path / "other.yaml"
    path.write_text(text.replace("ROOT", str(tmp_path)) + "names: [cat, dog, bird]\n")
    assert stems(open_training_dataset(path)) == (list(train), ["v"])


def test_images_are_turned_upright(tmp_path: Path) -> None:
    path = write_training(tmp_path, train={"a": "0 .5 .5 .5 .5"}, val=VAL)
    pixels = np.zeros((40, 60, 3), np.uint8)
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    data = cv2.imencode(".jpg", pixels)[1].tobytes()
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    (tmp_path / "images" / "train" / "a.png").unlink()
    (tmp_path / "images" / "train" / "a.jpg").write_bytes(data[:2] + segment + data[2:])
    assert open_training_dataset(path).train[0].size_hw == (60, 40)


@pytest.mark.parametrize(
    ("names", "expected", "ids", "warning"),
    [
        pytest.param("[cat, dog, cat]", ("cat", "dog"), [0, 0], "cat: stands for classes 0, 2", id="list"),
        pytest.param(
            "{2: cat, 0: dog, 1: cat}", ("dog", "cat"), [0, 1], "cat: stands for classes 1, 2", id="mapping"
        ),
        pytest.param(
            "{0: cat, 2: dog, 7: bird}",
            ("cat", "dog", "bird"),
            [0, 1],
            "numbered anew: 2 becomes 1, 7 becomes 2",
            id="gaps",
        ),
        pytest.param(
            "{0: cat, 2: dog, 2000000000: bird}",
            ("cat", "dog", "bird"),
            [0, 1],
            "2000000000 becomes 2",
            id="far",
        ),
        pytest.param("[cat, 'cat ', dog]", ("cat", "dog"), [0, 1], "stands for classes 0, 1", id="spaces"),
    ],
)
def test_names_are_merged_and_numbered(
    tmp_path: Path, names: str, expected: tuple[str, ...], ids: list[int], warning: str
) -> None:
    labels = {"a": "0 0.5 0.5 0.25 0.5\n2 0.25 0.25 0.5 0.5\n"}
    dataset = open_training_dataset(write_training(tmp_path, names, train=labels, val=labels))
    assert dataset.names == expected
    assert dataset.train[0].objects.class_id.tolist() == ids
    assert warning in "\n".join(str(problem) for problem in dataset.report.problems.by_kind["names"])
    assert any(text.startswith("class names put right") for text in dataset.warnings)


def test_faults_that_two_splits_share_count_once(tmp_path: Path) -> None:
    path = write_training(tmp_path, train={"a": "0 .5 .5 .5 .5\n9 .5 .5 .5 .5\n"})
    path.write_text("train: images/train\nval: images/train\nnames: [cat, dog, bird]\n")
    with pytest.raises(DatasetError, match="1 fault; "):
        open_training_dataset(path)


def test_every_split_without_an_object_is_named(tmp_path: Path) -> None:
    path = write_training(tmp_path, train={"a": ""}, val={"v": ""})
    with pytest.raises(DatasetError, match=r"2 faults; .*\n.*train: the labels of .*; val: the labels of "):
        open_training_dataset(path)


def test_rows_that_are_the_same_once_names_are_merged(tmp_path: Path) -> None:
    labels = {"a": "0 .5 .5 .5 .5\n1 .5 .5 .5 .5\n"}
    dataset = open_training_dataset(write_training(tmp_path, "[cat, cat]", train=labels, val=labels))
    assert len(dataset.train[0].objects) == 1


def test_all_faults_at_once(tmp_path: Path) -> None:
    labels = {"a": "7 .5 .5 .5 .5\n0 .5 .5\n" * 4, "b": "0 320 240 10 10\n"}
    path = write_training(tmp_path, train=labels, val=VAL)
    (tmp_path / "images" / "val" / "v.png").write_bytes(b"")
    with pytest.raises(DatasetError) as caught:
        open_training_dataset(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: 10 faults; `yolo-train check {path}` lists all\n")
    assert "Images that cannot be read (1): " in text
    assert "v.png: the file is empty. What to do: replace the files" in text
    assert "a.txt:1: class 7 is unknown; the dataset has classes 0 to 2" in text
    assert "Rows that are no labels (4)" in text
    assert "and 1 more" in text
    assert "b.txt:1: '0 320 240 10 10' has a coordinate outside 0..1" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("train: images/train\nnames: [cat]\n", "has no split val; it has: train", id="no val"),
        pytest.param("val: images/val\nnames: [cat]\n", "has no split train; it has: val", id="no train"),
        pytest.param("train: x\nval: y\nnames: [cat]\n", "train names 'x', which is not in", id="nowhere"),
        pytest.param("train: images/train\nval: images/val\n", "names is missing", id="no names"),
        pytest.param("train: images/train\nval: images/val\nnc: 2\nnames: [a]\n", "nc is 2, but", id="nc"),
        pytest.param("train: list.txt\nval: images/val\nnames: [a]\n", "gone.png", id="listed image is gone"),
        pytest.param(
            "train: images/train\nval: images/val\nnames: {a: cat, 1: dog}\n",
            "1 fault; `yolo-train check",
            id="names without ids",
        ),
        pytest.param("", "holds a NoneType, not a mapping with names and train", id="empty"),
        pytest.param("path: [1]\ntrain: a\nval: b\nnames: [a]\n", "path is [1], not a folder", id="path"),
    ],
)
def test_bad_yaml(tmp_path: Path, text: str, message: str) -> None:
    write_training(tmp_path)
    (tmp_path / "list.txt").write_text("images/train/gone.png\n")
    path = tmp_path / "other.yaml"
    path.write_text(text)
    with pytest.raises(DatasetError) as caught:
        open_training_dataset(path)
    assert message in str(caught.value)


def test_what_is_no_dataset_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DatasetError, match="cannot be read: No such file"):
        open_training_dataset(tmp_path / "none.yaml")
    with pytest.raises(DatasetError, match="is a folder; name the dataset YAML in it"):
        open_training_dataset(tmp_path)
    path = write_training(tmp_path)
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MissingExtraError, match="needs the Python package yaml"):
        open_training_dataset(path)


def test_a_split_without_objects(tmp_path: Path) -> None:
    path = write_training(tmp_path, train={"a": ""}, val=VAL)
    with pytest.raises(DatasetError, match=r"train: the labels of .*a.png are looked for in .*a.txt"):
        open_training_dataset(path)


def test_a_missing_labels_folder(tmp_path: Path) -> None:
    path = write_training(tmp_path, train=LABELS, val=VAL)
    write_image(tmp_path / "images" / "more" / "m.png")
    path.write_text("train: [images/train, images/more]\nval: images/val\nnames: [cat, dog, bird]\n")
    with pytest.raises(DatasetError, match=r"Labels folders that do not exist \(1\): .*labels/more"):
        open_training_dataset(path)


def test_the_same_file_on_two_ways(tmp_path: Path) -> None:
    path = write_training(tmp_path, train=LABELS, val=VAL)
    (tmp_path / "images" / "train" / "w.png").symlink_to(tmp_path / "images" / "val" / "v.png")
    dataset = open_training_dataset(path)
    assert any(text.startswith("images in both train and val: 1") for text in dataset.warnings)
