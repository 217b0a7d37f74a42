from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_files import names, rows, voc_object, write_images, write_voc
from made_datasets import write_training

from yolo_edge.errors import DatasetError
from yolo_train.converters import LabelSource, convert_from_yolo, convert_to_yolo, converter_class
from yolo_train.converters.xml_tree import read_xml


def voc(**options: Any) -> Any:
    return converter_class("voc")(**options)


def convert(
    tmp_path: Path, *objects: str, size_hw: tuple[int, int] | None = (90, 160), **options: Any
) -> Any:
    images = write_images(tmp_path / "JPEGImages", "a.jpg")
    write_voc(tmp_path / "Annotations" / "a.xml", *objects, size_hw=size_hw)
    source = LabelSource("train", tmp_path / "Annotations", images)
    return convert_to_yolo(voc(**options), [source], tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "box", "row"),
    [
        pytest.param({}, (1, 1, 160, 90), [0, 0.5, 0.5, 1, 1], id="whole image"),
        pytest.param({}, (1, 1, 1, 1), [0, 0.5 / 160, 0.5 / 90, 1 / 160, 1 / 90], id="one pixel"),
        pytest.param({"first_pixel": 0}, (0, 0, 160, 90), [0, 0.5, 0.5, 1, 1], id="edges"),
        pytest.param(
            {"first_pixel": 0}, ("40.0", "22.5", 80, 45), [0, 0.375, 0.375, 0.25, 0.25], id="fractions"
        ),
    ],
)
def test_to_yolo(tmp_path: Path, options: dict[str, Any], box: Any, row: list[float]) -> None:
    convert(tmp_path, voc_object("cat", box), **options)
    assert rows(tmp_path / "out")["train/a.txt"] == [pytest.approx(row, abs=1e-11)]


def test_names_by_the_alphabet(tmp_path: Path) -> None:
    box = (1, 1, 9, 9)
    convert(tmp_path, voc_object("dog", box), voc_object("cat", box), voc_object("ant", (2, 2, 5, 5)))
    assert names(tmp_path / "out") == ["ant", "cat", "dog"]
    assert [row[0] for row in rows(tmp_path / "out")["train/a.txt"]] == [2, 1, 0]


@pytest.mark.parametrize("size_hw", [None, (0, 0)])
def test_a_size_that_is_not_said(tmp_path: Path, size_hw: tuple[int, int] | None) -> None:
    convert(tmp_path, voc_object("cat", (1, 1, 160, 90)), size_hw=size_hw)
    assert rows(tmp_path / "out")["train/a.txt"] == [[0, 0.5, 0.5, 1, 1]]


@pytest.mark.parametrize(("difficult", "count"), [("drop", 1), ("keep", 2)])
def test_difficult_objects(tmp_path: Path, difficult: str, count: int) -> None:
    marked = voc_object("cat", (5, 5, 20, 20), "<difficult>1</difficult>")
    done = convert(tmp_path, marked, voc_object("cat", (1, 1, 9, 9)), difficult=difficult)
    assert done.objects == {"train": count}
    assert bool(done.notes) == (difficult == "drop")


def test_a_list_of_names(tmp_path: Path) -> None:
    root = tmp_path / "VOC2007"
    images = write_images(root / "JPEGImages", "a.jpg", "b.jpg", "c.jpg")
    for name in "abc":
        write_voc(
            root / "Annotations" / f"{name}.xml", voc_object("cat", (1, 1, 9, 9)), filename=f"{name}.jpg"
        )
    listed = root / "ImageSets" / "Main" / "train.txt"
    listed.parent.mkdir(parents=True)
    listed.write_text("a  1\nc -1\n\n")
    convert_to_yolo(voc(), [LabelSource("train", listed, images)], tmp_path / "out")
    assert list(rows(tmp_path / "out")) == ["train/a.txt", "train/c.txt"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "is not valid XML: no element found", id="empty"),
        pytest.param("<annotation>", "is not valid XML", id="not closed"),
        pytest.param("<html></html>", "is no Pascal VOC file: it starts with <html>", id="other"),
        pytest.param(
            f"<annotation>{voc_object('', (1, 1, 2, 2))}</annotation>", "object 1 has no name", id="no name"
        ),
        pytest.param(
            "<annotation><object><name>x</name></object></annotation>",
            "has no box of four numbers",
            id="no box",
        ),
        pytest.param(
            f"<annotation>{voc_object('x', ('a', 1, 2, 2))}</annotation>", "xmin 'a', ymin '1'", id="letters"
        ),
        pytest.param(
            f"<annotation>{voc_object('x', ('nan', 1, 2, 2))}</annotation>", "which is none", id="no number"
        ),
        pytest.param(
            f"<annotation>{voc_object('x', (9, 1, 2, 2))}</annotation>", "which is none", id="backwards"
        ),
        pytest.param(
            f"<annotation>{voc_object('x', (0, 1, 2, 2))}</annotation>",
            "is read with --first-pixel 0",
            id="counts from 0",
        ),
        pytest.param(
            '<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>',
            "declares a document type",
            id="entity",
        ),
        pytest.param(
            '<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>', "declares a document type", id="external"
        ),
        pytest.param(
            '<?xml version="1.0" encoding="x-none"?><annotation/>', "is not valid XML", id="encoding"
        ),
    ],
)
def test_bad_files(tmp_path: Path, text: str, message: str) -> None:
    images = write_images(tmp_path / "images", "a.jpg")
    (tmp_path / "xml").mkdir()
    (tmp_path / "xml" / "a.xml").write_text(text)
    with pytest.raises(DatasetError) as caught:
        convert_to_yolo(voc(), [LabelSource("train", tmp_path / "xml", images)], tmp_path / "out")
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_entities_do_not_grow(tmp_path: Path) -> None:
    """The "billion laughs" are refused before the first of them."""
    declared = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))
    path = tmp_path / "laughs.xml"
    path.write_text(f"<!DOCTYPE annotation [{declared}]><annotation>&a9;</annotation>")
    with pytest.raises(DatasetError, match="declares a document type, which annotations have no need of"):
        read_xml(path)
    path.write_text("<annotation>&a9;</annotation>")
    with pytest.raises(DatasetError, match="undefined entity"):
        read_xml(path)
    path.write_text("<annotation>&lt;&amp;</annotation>")
    assert read_xml(path).text == "<&"


@pytest.mark.parametrize("digits", ["5000", "12"])
def test_a_size_beyond_measure_is_not_taken(tmp_path: Path, digits: str) -> None:
    images = write_images(tmp_path / "images", "a.jpg")
    size = f"<size><width>{'9' * int(digits)}</width><height>90</height></size>"
    (tmp_path / "xml").mkdir()
    (tmp_path / "xml" / "a.xml").write_text(f"<annotation>{size}</annotation>")
    done = convert_to_yolo(voc(), [LabelSource("train", tmp_path / "xml", images)], tmp_path / "out")
    assert done.images == {"train": 1}


def test_all_bad_files_at_once(tmp_path: Path) -> None:
    images = write_images(tmp_path / "images", "a.jpg", "b.jpg")
    for name in "ab":
        write_voc(tmp_path / "xml" / f"{name}.xml", voc_object("x", (0, 0, 2, 2)))
    with pytest.raises(DatasetError) as caught:
        convert_to_yolo(voc(), [LabelSource("train", tmp_path / "xml", images)], tmp_path / "out")
    assert str(caught.value).count("--first-pixel 0") == 2


@pytest.mark.parametrize("first_pixel", [0, 1])
@pytest.mark.parametrize("size_hw", [(90, 160), (37, 61), (1080, 1920)])
def test_there_and_back_from_whole_pixels(tmp_path: Path, size_hw: tuple[int, int], first_pixel: int) -> None:
    rng = np.random.default_rng(size_hw[0] + first_pixel)
    height, width = size_hw
    images = write_images(tmp_path / "images", "a.jpg", "b.jpg", size_hw=size_hw)
    written = {}
    for name in "ab":
        boxes = []
        for _ in range(30):
            x0, y0 = map(int, rng.integers(0, (width, height)))
            x1, y1 = map(int, rng.integers((x0 + 1, y0 + 1), (width + 1, height + 1)))
            label = ("cat", "dog")[rng.integers(0, 2)]
            boxes.append((label, x0 + first_pixel, y0 + first_pixel, x1, y1))
        written[name] = list(dict.fromkeys(boxes))
        objects = [voc_object(label, box) for label, *box in written[name]]
        write_voc(tmp_path / "xml" / f"{name}.xml", *objects, size_hw=size_hw)
    converter = voc(first_pixel=first_pixel)
    convert_to_yolo(converter, [LabelSource("train", tmp_path / "xml", images)], tmp_path / "yolo")
    convert_from_yolo(converter, tmp_path / "yolo" / "data.yaml", tmp_path / "back")
    for name, boxes in written.items():
        root = read_xml(tmp_path / "back" / "Annotations" / "train" / f"{name}.xml")
        found = [
            (item.findtext("name"), *(int(side.text or "") for side in item.find("bndbox") or ()))
            for item in root.iter("object")
        ]
        assert found == boxes
        assert (root.findtext("filename"), root.findtext("size/width")) == (f"{name}.jpg", str(width))


@pytest.mark.parametrize("decimals", [0, 3, 8])
def test_from_yolo_within_its_decimals(tmp_path: Path, decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    text = "".join(
        f"{i % 3} {x:.6f} {y:.6f} {w:.6f} {h:.6f}\n"
        for i, (x, y, w, h) in enumerate(rng.uniform((0.2, 0.2, 1e-5, 1e-5), (0.8, 0.8, 0.4, 0.4), (50, 4)))
    )
    path = write_training(
        tmp_path / "yolo", train={"a": text}, val={"v": "0 0.9999995 0.9999995 0.000001 0.000001\n"}
    )
    converter = voc(decimals=decimals)
    done = convert_from_yolo(converter, path, tmp_path / "voc")
    convert_to_yolo(converter, done.sources, tmp_path / "again", names=["cat", "dog", "bird"])
    before, after = rows(tmp_path / "yolo"), rows(tmp_path / "again")
    within = 1e-12 if decimals == 8 else 1.01 * 10.0**-decimals / 90
    for name, expected in before.items():
        assert np.array(after[name]) == pytest.approx(np.array(expected), abs=within)
    if decimals == 8:
        assert (tmp_path / "again" / "labels" / "train" / "a.txt").read_text().split() == [
            f"{float(cell):.6f}".rstrip("0").rstrip(".") for cell in text.split()
        ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"first_pixel": 2}, "first_pixel is 2; it must be 0 or 1", id="first pixel"),
        pytest.param({"difficult": "x"}, "difficult is 'x'; it must be drop or keep", id="difficult"),
        pytest.param({"decimals": 9}, "decimals is 9; it must be 0 to 8", id="decimals"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        voc(**options)
