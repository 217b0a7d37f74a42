from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_files import names, rows, write_images, write_json
from made_datasets import coco_content, write_training

from yolo_edge.datasets import open_dataset
from yolo_edge.errors import DatasetError
from yolo_train.converters import LabelSource, convert_from_yolo, convert_to_yolo, converter_class
from yolo_train.datasets import open_training_dataset

COCO = converter_class("coco")()


@pytest.fixture
def source(tmp_path: Path) -> LabelSource:
    images = write_images(tmp_path / "pictures", "a.png", "b.png", "c.png", "d.png")
    return LabelSource("train", write_json(tmp_path / "i.json", coco_content()), images)


def test_to_yolo(source: LabelSource, tmp_path: Path) -> None:
    done = convert_to_yolo(COCO, [source], tmp_path / "out")
    assert names(tmp_path / "out") == ["cat", "dog", "bird"]  # by category id
    assert rows(tmp_path / "out") == {
        "train/a.txt": [[0, 0.5, 0.5, 0.25, 0.5], [2, 0.25, 0.25, 0.5, 0.5]],
        "train/b.txt": [[1, 0.5, 0.5, 1, 1]],
        "train/c.txt": [],
        "train/d.txt": [],
    }
    assert (done.images, done.objects, done.notes) == ({"train": 4}, {"train": 3}, ())


def test_crowds_are_counted_and_left_out(source: LabelSource, tmp_path: Path) -> None:
    content = coco_content()
    content["annotations"][0]["iscrowd"] = 1
    write_json(source.labels, content)
    done = convert_to_yolo(COCO, [source], tmp_path / "out")
    assert done.notes == ("left out: 1 crowd regions (iscrowd 1)",)
    assert rows(tmp_path / "out")["train/a.txt"] == [[2, 0.25, 0.25, 0.5, 0.5]]


def test_splits_whose_categories_differ(source: LabelSource, tmp_path: Path) -> None:
    content = coco_content()
    content["categories"] = [{"id": 3, "name": "dog"}, {"id": 5, "name": "fox"}, {"id": 7, "name": "cat"}]
    other = LabelSource("val", write_json(tmp_path / "v.json", content), source.images)
    convert_to_yolo(COCO, [source, other], tmp_path / "out")
    assert names(tmp_path / "out") == ["cat", "dog", "bird", "fox"]
    found = rows(tmp_path / "out")
    assert [row[0] for row in found["val/a.txt"] + found["val/b.txt"]] == [1, 0, 3]
    assert len(open_training_dataset(tmp_path / "out" / "data.yaml").val) == 4


def test_the_names_that_are_wanted(source: LabelSource, tmp_path: Path) -> None:
    convert_to_yolo(COCO, [source], tmp_path / "out", names=["bird", "yak", "dog", "cat"])
    assert names(tmp_path / "out") == ["bird", "yak", "dog", "cat"]
    assert [row[0] for row in rows(tmp_path / "out")["train/a.txt"]] == [3, 0]
    with pytest.raises(DatasetError, match="--names lacks bird, dog, of which the labels have objects"):
        convert_to_yolo(COCO, [source], tmp_path / "other", names=["cat"])
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("size_hw", [(90, 160), (37, 61), (1080, 1920), (3, 4001)])
def test_there_and_back_from_pixels(tmp_path: Path, size_hw: tuple[int, int]) -> None:
    """Boxes of up to six decimals come back as they were."""
    rng = np.random.default_rng(size_hw[0])
    height, width = size_hw
    images = write_images(tmp_path / "pictures", "a.png", "b.png", size_hw=size_hw)
    annotations = []
    for number in range(60):
        decimals = number % 7
        x0, x1 = sorted(rng.uniform(0, width, 2).round(decimals).tolist())
        y0, y1 = sorted(rng.uniform(0, height, 2).round(decimals).tolist())
        if x1 > x0 and y1 > y0:
            bbox = [x0, y0, round(x1 - x0, 6), round(y1 - y0, 6)]
            annotations.append({"image_id": 1 + number % 2, "category_id": 1 + number % 3, "bbox": bbox})
    content = {
        "images": [
            {"id": i, "file_name": f"{name}.png", "height": height, "width": width}
            for i, name in ((1, "a"), (2, "b"))
        ],
        "categories": [{"id": i, "name": name} for i, name in ((1, "x"), (2, "y"), (3, "z"))],
        "annotations": annotations,
    }
    source = LabelSource("train", write_json(tmp_path / "i.json", content), images)
    convert_to_yolo(COCO, [source], tmp_path / "yolo")
    convert_from_yolo(COCO, tmp_path / "yolo" / "data.yaml", tmp_path / "back")
    back = json.loads((tmp_path / "back" / "annotations" / "instances_train.json").read_text())
    assert back["images"] == content["images"]
    assert back["categories"] == content["categories"]

    def by_image(entries: list[dict[str, Any]]) -> list[Any]:
        return sorted((e["image_id"], e["category_id"], e["bbox"]) for e in entries)

    assert len(annotations) > 20
    assert by_image(back["annotations"]) == by_image(annotations)


def test_there_and_back_from_yolo(tmp_path: Path) -> None:
    """Rows of up to seven decimals come back to the letter."""
    rng = np.random.default_rng(5)
    labels: dict[str, str | None] = {}
    for name in "abc":
        text = ""
        for number in range(30):
            decimals = 1 + number % 7
            size = rng.uniform(0.1, 0.5, 2).round(decimals)
            centre = rng.uniform(0.26, 0.74, 2).round(decimals)
            values = " ".join(f"{value:g}" if value else "0.1" for value in (*centre, *size))
            text += f"{number % 3} {values}\n"
        labels[name] = text
    path = write_training(tmp_path / "yolo", train=labels, val=labels)
    kept = {
        name: "".join(dict.fromkeys(text.splitlines(keepends=True))) for name, text in labels.items() if text
    }
    done = convert_from_yolo(COCO, path, tmp_path / "coco")
    assert [source.split for source in done.sources] == ["train", "val"]
    convert_to_yolo(COCO, done.sources, tmp_path / "again")
    for split in ("train", "val"):
        for name, text in kept.items():
            assert (tmp_path / "again" / "labels" / split / f"{name}.txt").read_text() == text


def test_val_reads_what_was_written(tmp_path: Path) -> None:
    path = write_training(tmp_path / "yolo")
    done = convert_from_yolo(COCO, path, tmp_path / "coco")
    source = done.sources[0]
    read = open_dataset(source.labels, ["cat", "dog", "bird"], images=source.images)
    expected = open_training_dataset(path).train
    for image, other in zip(read.images, expected):
        assert image.path.name == other.path.name
        assert image.objects.class_id.tolist() == other.objects.class_id.tolist()
        assert image.objects.boxes == pytest.approx(other.objects.boxes, abs=1e-12)


def test_pycocotools_reads_it(tmp_path: Path) -> None:
    from pycocotools import coco

    convert_from_yolo(COCO, write_training(tmp_path / "yolo"), tmp_path / "coco")
    read = coco.COCO(str(tmp_path / "coco" / "annotations" / "instances_train.json"))
    assert [entry["name"] for entry in read.loadCats(read.getCatIds())] == ["cat", "dog", "bird"]
    assert len(read.getAnnIds()) == 3
