from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_datasets import LABELS, write_image, write_training

from yolo_train.datasets import scan_dataset
from yolo_train.datasets.report import as_dict, as_text, make_report
from yolo_train.datasets.statistics import PERCENTILES


def report(path: Path, imgsz: int = 640, **options: Any) -> dict[str, Any]:
    return as_dict(make_report(scan_dataset(path, **options), imgsz))


def problems(path: Path, **options: Any) -> list[tuple[str, str, str]]:
    found = report(path, **options)["problems"]
    return [(entry["kind"], Path(entry["place"]).name, entry["text"]) for entry in found]


def add_rows(text: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        with (root / "labels" / "train" / "a.txt").open("a") as file:
            file.write(text)

    return change


def cut_image(root: Path) -> None:
    image = root / "images" / "train" / "a.png"
    image.write_bytes(image.read_bytes()[:40])


def listed(text: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        (root / "train.txt").write_text(text)
        (root / "data.yaml").write_text("train: train.txt\nval: images/val\nnames: [cat, dog, bird]\n")

    return change


def copy_to_val(root: Path) -> None:
    shutil.copy(root / "images" / "train" / "a.png", root / "images" / "val" / "twin.png")
    (root / "labels" / "val" / "twin.txt").write_text("0 .5 .5 .5 .5")


def val_is_train(root: Path) -> None:
    (root / "data.yaml").write_text("train: images/train\nval: images/train\nnames: [cat, dog, bird]\n")


def same_stem(root: Path) -> None:
    write_image(root / "images" / "train" / "a.jpg")


def orphan(root: Path) -> None:
    (root / "labels" / "train" / "gone.txt").write_text("0 .5 .5 .5 .5")


def binary_labels(root: Path) -> None:
    (root / "labels" / "train" / "a.txt").write_bytes(b"\xff\xfe")


def endless_labels(root: Path) -> None:
    (root / "labels" / "train" / "a.txt").unlink()
    (root / "labels" / "train" / "a.txt").symlink_to("/dev/zero")


def piped_labels(root: Path) -> None:
    (root / "labels" / "train" / "a.txt").unlink()
    os.mkfifo(root / "labels" / "train" / "a.txt")


def huge_labels(root: Path) -> None:
    os.truncate(root / "labels" / "train" / "a.txt", 1 << 30)


def with_mark(root: Path) -> None:
    labels = root / "labels" / "train" / "a.txt"
    labels.write_bytes(labels.read_text().replace("\n", "\r\n").encode("utf-8-sig"))


def piped_image(root: Path) -> None:
    listed("images/train/p.png\n")(root)
    os.mkfifo(root / "images" / "train" / "p.png")


CASES = [
    pytest.param(add_rows(""), None, False, id="nothing"),
    pytest.param(cut_image, ("corrupt-image", "a.png", "does not decode as an image"), True, id="cut image"),
    pytest.param(add_rows("0 .5 .5\n"), ("malformed-row", "a.txt:3", "has 3 columns"), True, id="columns"),
    pytest.param(add_rows("a b c d e\n"), ("malformed-row", "a.txt:3", "is not a row of"), True, id="words"),
    pytest.param(add_rows("9 .5 .5 .1 .1\n"), ("unknown-class", "a.txt:3", "class 9"), True, id="class"),
    pytest.param(add_rows("0 64 8 9 9\n"), ("coordinate-range", "a.txt:3", "outside 0"), True, id="pixels"),
    pytest.param(add_rows("1 .5 .5 .1 .1\n" * 2), ("duplicate-row", "a.txt:4", ""), False, id="duplicate"),
    pytest.param(add_rows("1 .5 .5 0 .1\n"), ("empty-box", "a.txt:3", ""), False, id="no area"),
    pytest.param(add_rows("1 .9 .5 .4 .1\n"), ("clipped-box", "a.txt:3", ""), False, id="clipped"),
    pytest.param(add_rows("1 .5 .5 .002 .1\n"), ("tiny-object", "a.txt", "dog, 1.3x36.0"), False, id="tiny"),
    pytest.param(binary_labels, ("unreadable-labels", "a.txt", "is not a text file"), True, id="binary"),
    pytest.param(endless_labels, ("unreadable-labels", "a.txt", "a pipe or a device"), True, id="endless"),
    pytest.param(piped_labels, ("unreadable-labels", "a.txt", "a pipe or a device"), True, id="pipe"),
    pytest.param(huge_labels, ("unreadable-labels", "a.txt", "has 1,073,741,824 bytes"), True, id="huge"),
    pytest.param(with_mark, None, False, id="as Windows writes"),
    pytest.param(piped_image, ("corrupt-image", "p.png", "a pipe or a device"), True, id="piped image"),
    pytest.param(listed(f"{'x' * 300}.png\n"), ("missing-image", f"{'x' * 300}.png", ""), True, id="long"),
    pytest.param(listed(f"{'x' * 9000}\n"), ("missing-image", "x" * 9000, ""), True, id="very long"),
    pytest.param(
        listed("images/\0.png\n"), ("dataset-file", "data.yaml", "is not a text file"), True, id="NUL"
    ),
    pytest.param(listed("images/train/x.png\n"), ("missing-image", "x.png", ""), True, id="missing image"),
    pytest.param(
        listed("images/train/a.png\n" * 2), ("listed-twice", "a.png", "in train"), False, id="twice"
    ),
    pytest.param(val_is_train, ("in-train-and-val", "a.png", ""), False, id="val is train"),
    pytest.param(same_stem, ("shared-labels", "a.png", "has the labels of a.jpg"), True, id="shared labels"),
    pytest.param(orphan, ("orphan-labels", "gone.txt", ""), False, id="labels without image"),
]


@pytest.mark.parametrize(("change", "problem", "fault"), CASES)
def test_what_is_found(
    tmp_path: Path, change: Callable[[Path], None], problem: tuple[str, str, str] | None, fault: bool
) -> None:
    labels = {**LABELS, "d": "1 .5 .5 .2 .2\n"}
    path = write_training(tmp_path, train=labels, val={"v": "0 .5 .5 .3 .3\n1 .2 .2 .2 .2\n2 .7 .7 .2 .2\n"})
    assert problems(path) == []
    change(tmp_path)
    found = problems(path)
    assert report(path)["passed"] is not fault
    if problem is None:
        assert found == []
    else:
        kind, place, text = problem
        assert [entry for entry in found if entry[:2] == (kind, place) and text in entry[2]], found


def test_what_only_decoding_finds(tmp_path: Path) -> None:
    path = write_training(tmp_path)
    image = tmp_path / "images" / "train" / "a.png"
    data = bytearray(image.read_bytes())
    place = data.find(b"IDAT") + 200
    data[place : place + 400] = bytes(400)
    image.write_bytes(data)
    copy_to_val(tmp_path)  # of the damaged image
    shutil.copy(tmp_path / "images" / "train" / "b.png", tmp_path / "images" / "val" / "other.png")
    quick, full = problems(path), problems(path, full=True, threads=2)
    assert not [entry for entry in quick if entry[0] in ("corrupt-image", "in-train-and-val")]
    assert [entry[1] for entry in full if entry[0] == "corrupt-image"] == ["a.png", "twin.png"]
    twins = [entry for entry in full if entry[0] == "in-train-and-val"]
    assert [entry[1] for entry in twins] == ["other.png"]
    assert twins[0][2].startswith("has the content of ")
    assert twins[0][2].endswith("images/train/b.png")


def test_statistics_equal_a_plain_count(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    train: dict[str, str | None] = {}
    boxes = []
    for i in range(20):
        rows = []
        for _ in range(rng.integers(0, 6)):
            width, height = rng.uniform(0.02, 0.5, 2).round(4)
            x, y = rng.uniform(0.25, 0.75, 2).round(4)
            class_id = int(rng.integers(0, 3))
            rows.append(f"{class_id} {x} {y} {width} {height}\n")
            boxes.append((i, class_id, width * 320, height * 320 * 90 / 160))
        train[f"i{i:02}"] = "".join(rows)
    path = write_training(tmp_path, train=train, val={"v": "0 .5 .5 .3 .3\n"})
    split = report(path, 320)["splits"]["train"]
    assert split["images"] == 20
    assert split["objects"] == len(boxes)
    assert split["with_objects"] == len({box[0] for box in boxes})
    assert split["empty_files"] == 20 - split["with_objects"]
    assert list(split["class_objects"]) == [sum(box[1] == c for box in boxes) for c in range(3)]
    assert list(split["class_images"]) == [len({box[0] for box in boxes if box[1] == c}) for c in range(3)]
    roots = [(w * h) ** 0.5 for _, _, w, h in boxes]
    shorter = sorted(min(w, h) for _, _, w, h in boxes)
    assert split["size_percentiles_px"] == pytest.approx(np.percentile(roots, PERCENTILES).tolist())
    assert split["shorter_percentiles_px"] == pytest.approx(np.percentile(shorter, PERCENTILES).tolist())
    assert split["small"] == sum(root < 32 for root in roots)
    assert split["small"] + split["medium"] + split["large"] == len(boxes)
    assert [min(item["size_px"]) for item in split["smallest"]] == pytest.approx(shorter[:5])
    assert split["image_sizes"] == [{"height": 90, "width": 160, "images": 20}]


def test_the_text_names_what_where_and_what_to_do(tmp_path: Path) -> None:
    path = write_training(tmp_path, train={"a": "0 .5 .5 .2 .2\n" + "9 .5 .5 .2 .2\n" * 4}, val={"v": None})
    text = as_text(make_report(scan_dataset(path), 640), 2)
    assert text.startswith(f"{path}: 3 classes, 2 images, 1 object (images judged by their headers")
    assert "FAULT: Rows of a class that the dataset does not name: 4\n" in text
    assert "a.txt:2: class 9 is unknown; the dataset has classes 0 to 2\n" in text
    assert "  and 2 more (--show N, or --json for all)\n" in text
    assert "  what to do: correct the rows, or add the class to names\n" in text
    assert text.endswith("4 faults: training will refuse this dataset.")


def test_the_command(yolo_train: Any, tmp_path: Path) -> None:
    path = write_training(tmp_path)
    done = yolo_train("check", path, "--json", tmp_path / "report.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("No faults: it can be trained on.")
    written = json.loads((tmp_path / "report.json").read_text())
    assert (written["passed"], written["decoded"], written["imgsz"]) == (True, False, 640)
    cut_image(tmp_path)
    done = yolo_train("check", path, "--full", "--threads", 2, "--imgsz", 320, "--json", "-")
    assert (done.returncode, done.stderr) == (1, "")
    shown = json.loads(done.stdout)
    assert (shown["passed"], shown["decoded"], shown["imgsz"]) == (False, True, 320)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param(["--imgsz", "0"], "--imgsz is 0; it must be a positive number of pixels", id="imgsz"),
        pytest.param(
            ["--threads", "0"], "threads is 0; it must be a whole number of at least 1", id="threads"
        ),
        pytest.param(["--show", "-1"], "--show is -1; it must not be negative", id="show"),
    ],
)
def test_bad_arguments(yolo_train: Any, tmp_path: Path, arguments: list[str], text: str) -> None:
    done = yolo_train("check", write_training(tmp_path), *arguments)
    assert done.returncode == 2
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dataset_that_cannot_be_read(yolo_train: Any, tmp_path: Path) -> None:
    done = yolo_train("check", tmp_path / "none.yaml")
    assert (done.returncode, done.stdout) == (1, "")
    assert "none.yaml: cannot be read: No such file or directory" in done.stderr
    assert "Traceback" not in done.stderr
    done = yolo_train("check", write_training(tmp_path), "--json", tmp_path / "no" / "report.json")
    assert "there is no folder" in done.stderr
