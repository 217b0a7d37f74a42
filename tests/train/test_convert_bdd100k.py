from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_files import bdd_label, names, rows, write_images, write_json
from made_datasets import write_training

from yolo_edge.errors import DatasetError
from yolo_train.converters import LabelSource, convert_from_yolo, convert_to_yolo, converter_class
from yolo_train.converters.json_stream import json_entries

BDD100K = converter_class("bdd100k")()
NAMES = (
    *("person", "rider", "car", "bus", "truck", "bike", "motor"),
    *("tl_green", "tl_red", "tl_yellow", "tl_none", "traffic sign", "train"),
)
BOX = (16.0, 9.0, 48.0, 27.0)
ROW = [0.2, 0.2, 0.2, 0.2]


def convert(tmp_path: Path, labels: list[Any] | None) -> Any:
    images = write_images(tmp_path / "images", "a.jpg")
    path = write_json(tmp_path / "det_train.json", [{"name": "a.jpg", "labels": labels}])
    return convert_to_yolo(BDD100K, [LabelSource("train", path, images)], tmp_path / "out")


@pytest.mark.parametrize(
    ("category", "colour", "expected"),
    [
        *(pytest.param(name, None, name, id=name) for name in NAMES if not name.startswith("tl_")),
        pytest.param("pedestrian", None, "person", id="pedestrian"),
        pytest.param("bicycle", None, "bike", id="bicycle"),
        pytest.param("motorcycle", None, "motor", id="motorcycle"),
        *(
            pytest.param("traffic light", word, f"tl_{colour}", id=f"light {word}")
            for colour, words in {
                "green": ("green", "G"),
                "red": ("red", "R"),
                "yellow": ("yellow", "Y"),
                "none": ("none", "NA", None),
            }.items()
            for word in words
        ),
    ],
)
def test_classes(tmp_path: Path, category: str, colour: str | None, expected: str) -> None:
    done = convert(tmp_path, [bdd_label(category, BOX, colour)])
    assert names(tmp_path / "out") == list(NAMES)
    assert rows(tmp_path / "out")["train/a.txt"] == [[NAMES.index(expected), *ROW]]
    assert done.notes == ()


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    others = [bdd_label(name, BOX) for name in ("other person", "other vehicle", "trailer", "trailer")]
    lanes = [bdd_label("lane", None), bdd_label("drivable area", None), bdd_label("area/drivable", None)]
    done = convert(tmp_path, [*others, bdd_label("car", BOX), *lanes])
    assert rows(tmp_path / "out")["train/a.txt"] == [[2, *ROW]]
    assert done.notes == (
        "left out: 1 other person",
        "left out: 1 other vehicle",
        "left out: 2 trailer",
        "left out: 1 lane without a box",
        "left out: 1 drivable area without a box",
        "left out: 1 area/drivable without a box",
    )


def test_frames_without_labels(tmp_path: Path) -> None:
    convert(tmp_path, None)
    assert rows(tmp_path / "out") == {"train/a.txt": []}


def test_a_file_for_each_image(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", "a.jpg", "b.png")
    folder = tmp_path / "labels"
    for name in "ab":
        frame = {"timestamp": 10000, "objects": [bdd_label("bike", BOX), bdd_label("lane", None)]}
        write_json(folder / f"{name}.json", {"name": name, "frames": [frame], "attributes": {}})
    convert_to_yolo(BDD100K, [LabelSource("val", folder, images)], tmp_path / "out")
    assert rows(tmp_path / "out") == {"val/a.txt": [[5, *ROW]], "val/b.txt": [[5, *ROW]]}
    assert sorted(path.name for path in (tmp_path / "out/images/val").iterdir()) == ["a.jpg", "b.png"]


@pytest.mark.parametrize(
    ("label", "message"),
    [
        pytest.param({}, "object 0 has no category", id="no category"),
        pytest.param("car", "object 0 has no category", id="no object"),
        pytest.param(bdd_label("yak", BOX), "has the category 'yak'; BDD100K has: person", id="category"),
        pytest.param(bdd_label("traffic light", BOX, "blue"), "the trafficLightColor 'blue'", id="colour"),
        pytest.param(bdd_label("car", (9, 9, 1, 1)), "has a box from 9, 9 back to 1, 1", id="backwards"),
        pytest.param({"category": "car", "box2d": {"x1": 1}}, 'has the box2d {"x1": 1}', id="box"),
        pytest.param({"category": "car", "box2d": 7}, "has the box2d 7", id="no box"),
        pytest.param(bdd_label("car", (1, 1, float("nan"), 2)), "has the box2d", id="no number"),
        pytest.param(bdd_label("car", (1, 1, 10**400, 2)), "has the box2d", id="beyond floats"),
    ],
)
def test_bad_labels(tmp_path: Path, label: Any, message: str) -> None:
    with pytest.raises(DatasetError) as caught:
        convert(tmp_path, [label])
    assert message in str(caught.value)
    assert "frame 0 (a.jpg): object 0" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "is not valid JSON", id="empty"),
        pytest.param("[", "is not valid JSON", id="cut"),
        pytest.param('[{"name": "a.jpg"}', "'the end of the file' stands where ']' should", id="cut later"),
        pytest.param('[{"name": "a.jpg"} 3]', "'3' stands where ']' should", id="no comma"),
        pytest.param("[] []", "'[' follows the end of the list", id="more"),
        pytest.param({"images": []}, "holds neither a list nor an object with a list 'frames'", id="coco"),
        pytest.param([3], "frame 0 is no object with a name", id="number"),
        pytest.param([{"labels": []}], "frame 0 is no object with a name", id="no name"),
        pytest.param([{"name": "a.jpg", "labels": 3}], "labels is no list", id="no list"),
    ],
)
def test_bad_lists(tmp_path: Path, content: Any, message: str) -> None:
    images = write_images(tmp_path / "images", "a.jpg")
    source = LabelSource("train", write_json(tmp_path / "l.json", content), images)
    with pytest.raises(DatasetError) as caught:
        convert_to_yolo(BDD100K, [source], tmp_path / "out")
    assert message in str(caught.value)


def test_all_bad_files_of_single_images(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", "a.jpg")
    write_json(tmp_path / "l" / "a.json", {"frames": [{}, {}]})
    write_json(tmp_path / "l" / "b.json", {})
    write_json(tmp_path / "l" / "c.json", "{")
    with pytest.raises(DatasetError) as caught:
        convert_to_yolo(BDD100K, [LabelSource("train", tmp_path / "l", images)], tmp_path / "out")
    assert "a.json: holds 2 frames; BDD100K's file of an image holds one frame" in str(caught.value)
    assert "b.json: holds no list 'frames'" in str(caught.value)
    assert "c.json: is not valid JSON" in str(caught.value)


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("chunk", [1, 7, 64, 1 << 20])
def test_a_list_is_read_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, indent: int | None
) -> None:
    content = [{"a": [1.5, "x,]}"], "b": {"ä": None}}, 12, -3.25e2, 'ü"', [], True, [[{}]], {"n": "\\"}]
    monkeypatch.setattr("yolo_train.converters.json_stream._CHUNK", chunk)
    for entries in (content, content[:1], []):
        path = tmp_path / "list.json"
        path.write_text("\n " + json.dumps(entries, indent=indent, ensure_ascii=False) + " \n", "utf-8")
        assert list(json_entries(path, "frames")) == entries
        path.write_text(json.dumps({"frames": entries}))
        assert list(json_entries(path, "frames")) == entries


@pytest.mark.parametrize("words", ["2018", "2020"])
def test_there_and_back(tmp_path: Path, words: Any) -> None:
    rng = np.random.default_rng(7)
    images = write_images(tmp_path / "images", "a.jpg", "b.jpg", size_hw=(720, 1280))
    new = words == "2020"
    categories = [
        ("car", None),
        ("pedestrian" if new else "person", None),
        ("motorcycle" if new else "motor", None),
    ]
    categories += [("traffic light", colour) for colour in (("G", "NA") if new else ("green", "none"))]
    frames: list[dict[str, Any]] = []
    for name in ("a.jpg", "b.jpg"):
        labels = []
        for number in range(40):
            x0, x1 = sorted(rng.uniform(0, 1280, 2).round(6).tolist())
            y0, y1 = sorted(rng.uniform(0, 720, 2).round(6).tolist())
            labels.append(
                bdd_label(*(categories[number % 5][:1]), (x0, y0, x1, y1), categories[number % 5][1])
            )
        frames.append({"name": name, "labels": labels})
    source = LabelSource("train", write_json(tmp_path / "l.json", frames), images)
    converter = converter_class("bdd100k")(words=words)
    convert_to_yolo(converter, [source], tmp_path / "yolo")
    done = convert_from_yolo(converter, tmp_path / "yolo" / "data.yaml", tmp_path / "back")
    back = json.loads((tmp_path / "back" / "bdd100k_labels_images_train.json").read_text())

    def essence(content: list[dict[str, Any]]) -> list[Any]:
        return [
            (f["name"], e["category"], e["attributes"].get("trafficLightColor"), e["box2d"])
            for f in content
            for e in f["labels"]
        ]

    assert essence(back) == essence(frames)
    assert done.notes[0].startswith("not written, as YOLO's form has none: weather, scene")


def test_classes_that_bdd100k_lacks(tmp_path: Path) -> None:
    path = write_training(tmp_path / "yolo", "[car, yak, bus]")
    with pytest.raises(DatasetError, match="BDD100K has no class yak; it has: person, rider"):
        convert_from_yolo(BDD100K, path, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_bad_options() -> None:
    with pytest.raises(ValueError, match="words is '2019'; it must be one of 2018, 2020"):
        converter_class("bdd100k")(words="2019")  # type: ignore[call-arg]
