from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from made_datasets import LABELS, write_training

from yolo_edge.errors import MissingExtraError, SinkError
from yolo_train.datasets import scan_dataset
from yolo_train.datasets.card import write_card
from yolo_train.datasets.pictures import choose_samples, draw_samples
from yolo_train.datasets.report import DatasetReport, make_report


def report(path: Path) -> DatasetReport:
    return make_report(scan_dataset(path), 320)


def test_the_command(yolo_train: Any, tmp_path: Path) -> None:
    path = write_training(tmp_path / "data", "['c|t', dog, bird]")
    done = yolo_train("card", path, "--out", tmp_path / "card", "--imgsz", 320, "--samples", 3)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [
        str(tmp_path / "card" / name)
        for name in ("README.md", "samples_train.png", "samples_val.png", "classes.png", "boxes.png")
    ]
    text = (tmp_path / "card" / "README.md").read_text()
    assert "3 classes, 5 images, 4 objects, from `data.yaml`" in text
    assert "| train | 4 | 2 | 1 | 1 | 3 | 0.8 | 2 |\n" in text
    assert "| 0 | c\\|t | 1 | 1 | 0 | 0 |\n" in text
    assert "- Images without a label file, taken as showing no objects: 1 (images/train/d.png)" in text
    assert str(tmp_path) not in text
    for name in done.stdout.split()[1:]:
        assert f"({Path(name).name})" in text
        pixels = cv2.imread(name)
        assert min(pixels.shape[:2]) > 300
        assert pixels.std() > 5  # something is drawn


def test_a_dataset_with_faults(yolo_train: Any, tmp_path: Path) -> None:
    path = write_training(tmp_path, train={"a": "0 .5 .5 .5 .5\n9 .5 .5 .5 .5\n"}, val={"v": ""})
    done = yolo_train("card", path, "--out", tmp_path / "card", "--samples", 0)
    assert done.returncode == 1
    assert f"{path}: 1 fault; see {tmp_path}/card/README.md, or `yolo-train check {path}`" in done.stderr
    text = (tmp_path / "card" / "README.md").read_text()
    assert "- **Fault**: Rows of a class that the dataset does not name: 1 (labels/train/a.txt:2" in text
    assert not list((tmp_path / "card").glob("samples_*"))


def test_a_readme_that_is_no_card_stays(tmp_path: Path) -> None:
    found = report(write_training(tmp_path))
    readme = tmp_path / "README.md"
    readme.write_text("mine")
    with pytest.raises(SinkError, match=r"README.md exists and is no card; --force replaces it"):
        write_card(found, tmp_path, samples=0)
    assert readme.read_text() == "mine"
    assert not list(tmp_path.glob("*.png"))
    write_card(found, tmp_path, samples=0, force=True)
    first = readme.read_text()
    write_card(found, tmp_path, samples=0)  # a card may be replaced
    assert readme.read_text() == first != "mine"


def test_without_objects(tmp_path: Path) -> None:
    path = write_training(tmp_path, train={"a": ""}, val={"v": None})
    files = write_card(report(path), tmp_path / "card", samples=1)
    assert [file.name for file in files] == ["README.md", "samples_train.png", "samples_val.png"]


def test_samples_show_rare_classes(tmp_path: Path) -> None:
    labels = {f"i{i:02}": "0 .5 .5 .5 .5\n" for i in range(30)}
    labels["i07"] += "1 .5 .5 .2 .2\n"
    labels["i21"] = "2 .5 .5 .2 .2\n"
    path = write_training(tmp_path, train=labels, val={"v": "0 .5 .5 .5 .5\n"})
    split = scan_dataset(path).splits[0]
    for seed in range(5):
        chosen = [image.path.stem for image in choose_samples(split, 4, seed)]
        assert chosen[:2] == ["i07", "i21"]
        assert len(set(chosen)) == 4
        assert [image.path.stem for image in choose_samples(split, 4, seed)] == chosen
    assert len(choose_samples(split, 99, 0)) == 30
    assert choose_samples(split, 0, 0) == []


def test_boxes_are_drawn_where_they_are(tmp_path: Path) -> None:
    path = write_training(tmp_path, train=LABELS, val={"v": "0 0.75 0.5 0.25 0.5\n"})
    image = scan_dataset(path).splits[1].images[0]
    cv2.imwrite(str(image.path), np.full((300, 600, 3), 255, np.uint8))
    figure = draw_samples([image], ["cat", "dog", "bird"], "title", "subtitle")
    drawn = np.asarray(figure.axes[0].images[0].get_array())
    assert drawn.shape == (300, 600, 3)
    rows, columns = np.nonzero((drawn != 255).any(axis=2))
    below_label = rows > 100
    assert (columns[below_label].min(), columns.max()) == pytest.approx((375, 525), abs=3)
    assert rows.max() == pytest.approx(225, abs=3)


def test_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = report(write_training(tmp_path))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"a dataset card needs .*matplotlib.*pip install"):
        write_card(found, tmp_path / "card")
    assert not (tmp_path / "card").exists()


def test_bad_arguments(yolo_train: Any, tmp_path: Path) -> None:
    done = yolo_train("card", write_training(tmp_path), "--out", tmp_path / "card", "--samples", "-1")
    assert done.returncode == 2
    assert "samples is -1; it must not be negative" in done.stderr
