from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_datasets import LABELS, NAMES, coco_content, write_coco, write_folder, write_image
from programs import run_program

from yolo_edge.datasets import Dataset, DatasetError, open_dataset
from yolo_edge.errors import MissingExtraError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "data")


def _summary(dataset: Dataset) -> list[tuple[str, list[int], list[list[float]]]]:
    return [
        (
            image.path.stem,
            image.objects.class_id.tolist(),
            np.round(image.objects.boxes, 6).tolist(),
        )
        for image in dataset.images
    ]


EXPECTED = [
    ("a", [0, 2], [[0.375, 0.25, 0.625, 0.75], [0.0, 0.0, 0.5, 0.5]]),
    ("b", [1], [[0.0, 0.0, 1.0, 1.0]]),
    ("c", [], []),
    ("d", [], []),
]


def test_importing_the_package_imports_no_numpy() -> None:
    heavy = "[name for name in ('numpy', 'cv2', 'yaml') if name in sys.modules]"
    assert run_program(f"import sys, yolo_edge.datasets as d; d.DatasetError; print({heavy})") == "[]\n"


def test_a_folder(folder: Path) -> None:
    dataset = open_dataset(folder, NAMES)
    assert _summary(dataset) == EXPECTED
    assert (dataset.kind, dataset.object_count, dataset.class_ids, dataset.warnings) == (
        "folder",
        3,
        (0, 1, 2),
        (),
    )


@pytest.mark.parametrize(
    ("given", "split", "stems"),
    [
        pytest.param("", None, ["v"], id="val is the default"),
        pytest.param("", "train", ["t"], id="named split"),
        pytest.param("images/train", None, ["t"], id="folder inside images"),
    ],
)
def test_a_folder_with_splits(tmp_path: Path, given: str, split: str | None, stems: list[str]) -> None:
    write_folder(tmp_path / "data", {"v": "0 .5 .5 .5 .5"}, "val")
    write_folder(tmp_path / "data", {"t": "0 .5 .5 .5 .5"}, "train")
    dataset = open_dataset(tmp_path / "data" / given, NAMES, split=split)
    assert [image.path.stem for image in dataset.images] == stems
    with pytest.raises(DatasetError, match="has no folder test; it has: train, val"):
        open_dataset(tmp_path / "data", NAMES, split="test")


def test_splits_without_val_are_not_mixed(tmp_path: Path) -> None:
    write_folder(tmp_path / "data", {"t": "0 .5 .5 .5 .5"}, "train")
    with pytest.raises(DatasetError, match="has train, but no val; choose with --split"):
        open_dataset(tmp_path / "data", NAMES)


def test_labels_beside_images(tmp_path: Path) -> None:
    write_image(tmp_path / "flat" / "a.png")
    (tmp_path / "flat" / "a.txt").write_text("1 .5 .5 .5 .5")
    assert open_dataset(tmp_path / "flat", NAMES).object_count == 1


YAMLS = [
    pytest.param("path: .\nval: images\nnames: [cat, dog, bird]\n", id="list"),
    pytest.param("path: ROOT\nval: [images]\nnames: {0: cat, 1: dog, 2: bird}\n", id="absolute, mapping"),
    pytest.param("val: images/*.png\nnc: 3\nnames: [cat, dog, bird]\n", id="glob"),
    pytest.param("val: list.txt\nnames: [cat, dog, bird]\n", id="list file"),
    pytest.param("val: ../images\nnames: [cat, dog, bird]\n", id="exported with dots"),
    pytest.param("val: [images/a.png, list.txt]\nnames: [cat, dog, bird]\n", id="an image twice"),
]


@pytest.mark.parametrize("text", YAMLS)
def test_a_yaml(folder: Path, text: str) -> None:
    (folder / "list.txt").write_text("".join(f"./images/{name}.png\n" for name in LABELS))
    path = folder / "data.yaml"
    path.write_text(text.replace("ROOT", str(folder)))
    dataset = open_dataset(path, NAMES)
    assert _summary(dataset) == EXPECTED
    assert (dataset.kind, dataset.split) == ("yaml", "val")


def test_classes_are_matched_by_name(folder: Path) -> None:
    path = folder / "data.yaml"
    path.write_text("test: images\nnames: {2: dog, 1: cat, 0: bird}\n")
    dataset = open_dataset(path, NAMES, split="test")
    assert [image.objects.class_id.tolist() for image in dataset.images] == [[2, 1], [0], [], []]
    # Without names ids are the model's, whatever they mean.
    assert _summary(open_dataset(folder, ["x", "y", "z"])) == EXPECTED


def test_classes_that_the_dataset_lacks_are_not_looked_for(folder: Path) -> None:
    path = folder / "data.yaml"
    path.write_text("val: images\nnames: [cat, dog, bird]\n")
    dataset = open_dataset(path, ["cow", *NAMES, "horse"])
    assert dataset.class_ids == (1, 2, 3)
    assert dataset.warnings == ("the dataset does not know the model's classes cow, horse; not looked for",)


def test_chosen_classes(folder: Path) -> None:
    path = folder / "data.yaml"
    path.write_text("val: images\nnames: [zebra, dog, bird]\n")
    dataset = open_dataset(path, NAMES, classes=["bird", 1])
    assert [image.objects.class_id.tolist() for image in dataset.images] == [[2], [1], [], []]
    assert dataset.class_ids == (1, 2)
    with pytest.raises(ValueError, match="the model has no class horse"):
        open_dataset(path, NAMES, classes=["horse"])
    with pytest.raises(DatasetError, match="no object in its 4 images is of the chosen classes"):
        open_dataset(path, NAMES, classes=["cat"])


def test_names_that_the_model_does_not_have(folder: Path) -> None:
    path = folder / "data.yaml"
    path.write_text("val: images\nnames: [lion, dog, tiger, unused]\n")
    with pytest.raises(
        DatasetError,
        match=r"does not have the dataset's classes lion \(1 of its objects\), tiger \(1 of its objects\); "
        r"it has: cat, dog, bird \(choose",
    ):
        open_dataset(path, NAMES)


def test_a_name_that_stands_twice(folder: Path) -> None:
    path = folder / "data.yaml"
    path.write_text("val: images\nnames: [dog, dog, cat]\n")
    dataset = open_dataset(path, NAMES)
    assert [image.objects.class_id.tolist() for image in dataset.images] == [[1, 0], [1], [], []]
    assert dataset.warnings[0] == "the dataset has class dog more than once; merged"
    with pytest.raises(DatasetError, match="the model has class cat more than once"):
        open_dataset(path, ["cat", "cat", "dog"])


def test_a_polygon_gives_its_box(tmp_path: Path) -> None:
    write_folder(tmp_path / "data", {"a": "1 0.1 0.2 0.5 0.3 0.4 0.9\n"})
    assert _summary(open_dataset(tmp_path / "data", NAMES)) == [("a", [1], [[0.1, 0.2, 0.5, 0.9]])]


def test_what_is_put_right_is_told(tmp_path: Path) -> None:
    labels = {
        "a": "0 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.2 0.2\n1 0.5 0.5 0.2 0.2\n\n",
        "b": "0 0.9 0.5 0.4 0.2\n0 0.5 0.5 0 0.2\n0 0.5 0.5 1.0005 1\n",
    }
    folder = write_folder(tmp_path / "data", labels)
    dataset = open_dataset(folder, NAMES)
    assert [len(image.objects) for image in dataset.images] == [2, 2]
    assert dataset.images[1].objects.boxes[0].tolist() == pytest.approx([0.7, 0.4, 1.0, 0.6])
    labels_folder = folder / "labels"
    assert dataset.warnings == (
        f"boxes that reach outside their image, clipped: 1 (first: {labels_folder / 'b.txt'}:1)",
        f"boxes that stand twice, dropped once: 1 (first: {labels_folder / 'a.txt'}:2)",
        f"boxes without area, dropped: 1 (first: {labels_folder / 'b.txt'}:2)",
    )


@pytest.mark.parametrize(
    ("row", "text"),
    [
        pytest.param("0 0.5 0.5 0.1", "a.txt:1: has 4 columns, not 5", id="column missing"),
        pytest.param("0 0.5 0.5 0.1 0.1 0.9", "has 6 columns", id="with confidence"),
        pytest.param("cat 0.5 0.5 0.1 0.1", "'cat 0.5 0.5 0.1 0.1' is not a row of numbers", id="name"),
        pytest.param("0 0.5 0.5 nan 0.1", "has a value that is not finite", id="NaN"),
        pytest.param("0 0.5 inf 0.1 0.1", "has a value that is not finite", id="infinity"),
        pytest.param("3 0.5 0.5 0.1 0.1", "class 3 is unknown; the model has classes 0 to 2", id="class"),
        pytest.param("-1 0.5 0.5 0.1 0.1", "class -1 is unknown", id="negative class"),
        pytest.param("0.5 0.5 0.5 0.1 0.1", "class 0.5 is unknown", id="broken class"),
        pytest.param("0 320 240 64 48", "has a coordinate outside 0..1; they are fractions", id="pixels"),
        pytest.param("0 0.5 0.5 -0.1 0.1", "has a coordinate outside 0..1", id="negative width"),
        pytest.param("\udcff", "is not a text file", id="binary"),
    ],
)
def test_bad_rows(tmp_path: Path, row: str, text: str) -> None:
    folder = write_folder(tmp_path / "data")
    (folder / "labels" / "a.txt").write_bytes(row.encode(errors="surrogateescape"))
    with pytest.raises(DatasetError) as caught:
        open_dataset(folder, NAMES)
    assert text in str(caught.value)


def test_many_faults_are_listed_at_once(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "data", {"a": "9 .5 .5 .5 .5\n" * 25})
    with pytest.raises(DatasetError, match="and 15 more") as caught:
        open_dataset(folder, NAMES)
    assert str(caught.value).count("class 9 is unknown") == 10


def test_bad_folders(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nothing: no such dataset"):
        open_dataset(tmp_path / "nothing", NAMES)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="holds neither a folder images/ nor images"):
        open_dataset(tmp_path / "empty", NAMES)
    (tmp_path / "hollow" / "images").mkdir(parents=True)
    with pytest.raises(DatasetError, match="images: holds no images"):
        open_dataset(tmp_path / "hollow", NAMES)
    write_image(tmp_path / "unlabelled" / "images" / "a.png")
    with pytest.raises(DatasetError, match=r"the labels folder .*unlabelled/labels is missing"):
        open_dataset(tmp_path / "unlabelled", NAMES)
    write_folder(tmp_path / "blank", {"a": "", "b": None})
    with pytest.raises(DatasetError, match=r"no objects are marked in its 2 images; .*labels/a.txt"):
        open_dataset(tmp_path / "blank", NAMES)
    (tmp_path / "data.csv").write_text("x")
    with pytest.raises(DatasetError, match=r"neither a folder, a dataset YAML \(.yaml\) nor a COCO file"):
        open_dataset(tmp_path / "data.csv", NAMES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("- images\n", "holds a list, not a mapping with names and val", id="no mapping"),
        pytest.param("", "holds a NoneType, not a mapping", id="empty"),
        pytest.param("{", "is not plain YAML: while parsing", id="no YAML"),
        pytest.param(
            "val: images\nnames: !!python/object/apply:os.system [touch pwned]\n",
            "is not plain YAML: could not determine a constructor for the tag",
            id="unsafe tag",
        ),
        pytest.param(
            "a: &a [x, x]\n"
            + "".join(f"{b}: &{b} [{f'*{a}, ' * 9}]\n" for a, b in zip("abcdefg", "bcdefgh"))
            + "names: *h\nval: images\n",
            "is not plain YAML: its aliases stand for more than",
            id="aliases that grow",
        ),
        pytest.param("names: &n [*n]\nval: images\n", "or for themselves", id="alias of itself"),
        pytest.param("#" * (1 << 21), "has 2,097,152 bytes; a file of this kind is read", id="huge"),
        pytest.param(f"val: {'x' * 300}\nnames: [cat]\n", "File name too long", id="long name"),
        pytest.param("val: images\n", "names is missing; it must be a list", id="no names"),
        pytest.param("val: images\nnames: cat\n", "names is 'cat'; it must be a list", id="names text"),
        pytest.param("val: images\nnames: {a: cat}\n", "names has the class id 'a'", id="names ids"),
        pytest.param("val: images\nnames: [cat, [dog]]\n", "names has ['dog'] for class 1", id="nested"),
        pytest.param("val: images\nnc: 4\nnames: [cat]\n", "nc is 4, but names has 1", id="nc"),
        pytest.param("train: images\nnames: [cat]\n", "has no split val; it has: train", id="no split"),
        pytest.param("val: 3\nnames: [cat]\n", "val is '3'; it must be a path", id="split number"),
        pytest.param("val: nowhere\nnames: [cat]\n", "val names 'nowhere', which is not in", id="no path"),
        pytest.param(
            "val: labels\nnames: [cat]\n", "val names 'labels', which holds no images", id="no images"
        ),
        pytest.param("path: nowhere\nval: images\nnames: [cat]\n", "path 'nowhere' is no folder", id="root"),
        pytest.param(
            "val: images\nnames: [cat]\n", "class 2 is unknown; the dataset has class 0 only", id="class"
        ),
    ],
)
def test_bad_yaml(folder: Path, text: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "data.yaml").write_text(text)
    with pytest.raises(DatasetError) as caught:
        open_dataset(folder / "data.yaml", NAMES)
    assert message in str(caught.value)
    assert not (folder / "pwned").exists()


def test_yaml_without_its_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    (folder / "data.yaml").write_text("val: images\nnames: [cat, dog, bird]\n")
    with pytest.raises(
        MissingExtraError, match=r"needs the Python package yaml.*pip install 'yolo-edge\[val\]'"
    ):
        open_dataset(folder / "data.yaml", NAMES)


def test_coco_json(folder: Path) -> None:
    path = write_coco(folder / "instances.json", coco_content())
    dataset = open_dataset(path, NAMES, images=folder / "images")
    assert _summary(dataset) == EXPECTED
    first = dataset.images[0]
    assert first.size_hw == (90, 160)
    assert first.objects.area_px[0] == 900
    assert np.isnan(first.objects.area_px[1])


def _changed(section: str, number: int, **values: Any) -> dict[str, Any]:
    content = coco_content()
    content[section][number].update(values)
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("{", "is not valid JSON", id="no JSON"),
        pytest.param(
            [{"image_id": 1, "bbox": [0, 0, 1, 1]}], "holds a list, not COCO annotations", id="results"
        ),
        pytest.param({"images": []}, "has no annotations, no categories; expected COCO", id="not COCO"),
        pytest.param({**coco_content(), "images": []}, "images is [], not a list of at least 1", id="empty"),
        pytest.param({**coco_content(), "images": 3}, "images is 3, not a list", id="images number"),
        pytest.param(
            {**coco_content(), "annotations": []}, "no objects are marked in its 4 images", id="none"
        ),
        pytest.param(_changed("annotations", 0, bbox=[1, 2]), "annotations[0].bbox is [1,2]", id="bbox"),
        pytest.param(
            _changed("annotations", 0, bbox=[1, 2, float("nan"), 4]), "annotations[0].bbox is", id="NaN"
        ),
        pytest.param(
            _changed("annotations", 0, bbox=[1, 2, -3, 4]),
            "width and height must not be negative",
            id="negative",
        ),
        pytest.param(
            _changed("annotations", 1, category_id=99),
            "annotations[1].category_id is 99, which no category has",
            id="category",
        ),
        pytest.param(
            _changed("annotations", 1, image_id=99),
            "annotations[1].image_id is 99, which no image",
            id="image",
        ),
        pytest.param(_changed("annotations", 1, iscrowd=2), "annotations[1].iscrowd is 2", id="crowd"),
        pytest.param(_changed("annotations", 1, area="big"), "annotations[1].area is 'big'", id="area"),
        pytest.param(
            _changed("images", 1, id=10), "images[1].id is 10, which another one has", id="id twice"
        ),
        pytest.param(_changed("images", 1, width=0), "images[1].width is 0", id="width"),
        pytest.param(
            _changed("categories", 0, name="yak"), "does not have the dataset's class yak", id="name"
        ),
    ],
)
def test_bad_coco_json(folder: Path, content: Any, message: str) -> None:
    path = write_coco(folder / "instances.json", content)
    with pytest.raises(DatasetError) as caught:
        open_dataset(path, NAMES, images=folder / "images")
    assert message in str(caught.value)


def test_coco_boxes_outside_their_image(folder: Path) -> None:
    content = _changed("annotations", 0, bbox=[100, 22.5, 200, 45])
    content["annotations"].append({"id": 9, "image_id": 11, "category_id": 5, "bbox": [500, 0, 9, 9]})
    dataset = open_dataset(write_coco(folder / "i.json", content), NAMES, images=folder / "images")
    assert dataset.images[0].objects.boxes[0].tolist() == [0.625, 0.25, 1.0, 0.75]
    assert dataset.warnings == (
        "boxes that reach outside their image, clipped: 1 (first: annotations[0])",
        "boxes without area, dropped: 1 (first: annotations[3])",
    )


def test_coco_images_that_are_elsewhere(folder: Path) -> None:
    path = write_coco(folder / "instances.json", coco_content())
    with pytest.raises(DatasetError, match="labels: holds none of the 4 images that"):
        open_dataset(path, NAMES, images=folder / "labels")
    with pytest.raises(DatasetError, match="nowhere: no such folder of images"):
        open_dataset(path, NAMES, images=folder / "nowhere")


@pytest.mark.parametrize(
    ("data", "arguments", "text"),
    [
        pytest.param("i.json", {}, "name the folder of its images with --images DIR", id="no images"),
        pytest.param("i.json", {"images": ".", "split": "val"}, "which has no splits", id="split"),
        pytest.param(".", {"images": "."}, "--images belongs to a COCO JSON file", id="images"),
    ],
)
def test_arguments_that_do_not_go_together(
    folder: Path, data: str, arguments: dict[str, str], text: str
) -> None:
    write_coco(folder / "i.json", coco_content())
    with pytest.raises(ValueError, match=text):
        open_dataset(folder / data, NAMES, **arguments)
