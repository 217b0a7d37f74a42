"""Charts of evaluations: what is drawn, for few and many classes and for names of all kinds."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from random_evaluation import class_names, make_image, random_images

from yolo_edge.errors import SinkError
from yolo_edge.val import ConfusionThresholds, ImageBoxes
from yolo_edge.val.chart import class_labels
from yolo_edge.val.comparison import Parameters, compare
from yolo_edge.val.confidence_curves import confidence_curves
from yolo_edge.val.confusion import ConfusionCounter
from yolo_edge.val.confusion_plot import draw_confusion
from yolo_edge.val.plots import plot_evaluation

FILES = ["confusion_matrix.png", "f1_curve.png", "p_curve.png", "pr_curve.png", "r_curve.png"]


def _evaluation(images: list[ImageBoxes], names: tuple[str, ...]) -> Any:
    """The two parts of an Evaluation that charts show."""
    parameters = Parameters.of_coco()
    counter = ConfusionCounter(names, ConfusionThresholds())
    for image in images:
        counter.add(image)
    compared = [compare(image, parameters) for image in images]
    return SimpleNamespace(curves=confidence_curves(compared, names, parameters), confusion=counter.matrix())


def _texts(figure: Any) -> str:
    from matplotlib.text import Text

    return "\n".join(text.get_text() for text in figure.findobj(Text) if text.get_text())


@pytest.mark.parametrize(
    ("images", "names"),
    [
        pytest.param(random_images(0, classes=2), ("cat", "dog"), id="two classes"),
        pytest.param(random_images(2, classes=80, images=60), class_names(80), id="eighty classes"),
        pytest.param([make_image([(0, 0, 0, 9, 9)], [])], ("cat",), id="nothing found in one class"),
        pytest.param([], ("cat",), id="no images"),
    ],
)
def test_files(
    images: list[ImageBoxes], names: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # global state: to import it fails
    (tmp_path / "f1_curve.png").write_bytes(b"old")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        files = plot_evaluation(_evaluation(images, names), tmp_path, "a.edge on data")
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES == sorted(file.name for file in files)
    for file in files:
        picture = cv2.imread(str(file))
        assert file.read_bytes().startswith(b"\x89PNG")
        assert 600 < picture.shape[0] < 2500
        assert 900 < picture.shape[1] < 3500
        assert len(np.unique(picture)) > 20  # drawn on


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    evaluation = _evaluation([], ("cat",))
    with pytest.raises(SinkError, match=r"nowhere/pr_curve.png: cannot be written: No such file"):
        plot_evaluation(evaluation, tmp_path / "nowhere", "a.edge")


def test_confusion_of_few_classes_shows_counts() -> None:
    box = (0, 0, 100, 100)
    images = [make_image([(0, *box)], [(1, *box, 0.9)])] * 3 + [make_image([(0, *box)], [(0, *box, 0.9)])]
    figure = draw_confusion(_evaluation(images, ("cat", "dog", "bird", "cow")).confusion, "a.edge")
    text = _texts(figure)
    for shown in ("0.75\n(3)", "0.25\n(1)", "cat", "dog", "background", "2 classes have neither"):
        assert shown in text
    assert "bird" not in text


def test_confusion_of_many_classes_names_the_most_confused() -> None:
    box = (0, 0, 100, 100)
    images = [make_image([(n, *box)], [(n, *box, 0.9)], classes=200) for n in range(200)]
    images += [make_image([(150, *box)], [(20, *box, 0.9)], classes=200)] * 3
    figure = draw_confusion(_evaluation(images, class_names(200)).confusion, "a.edge")
    text = _texts(figure).splitlines()
    assert "name 150 → name 20" in text
    assert "      3 of 4 (75 %)" in text
    assert {"name 150", "name 20", "background"} <= set(text)
    assert "name 60" not in text


def test_names_of_all_kinds(tmp_path: Path) -> None:
    names = ("$a$ b$", "_cat", "a name that is longer than any chart", "\U0001f9a4\u1200", "ok\n")
    assert class_labels(range(5), names) == [
        r"\$a\$ b\$",
        "_cat",
        "a name that is longer t…",
        "class 3",
        "class 4",
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot_evaluation(_evaluation(random_images(0, classes=5), names), tmp_path, "$x.edge on 数据")
