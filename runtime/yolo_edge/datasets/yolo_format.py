"""Datasets in YOLO format: label files beside folders of images.

The conventions are those of YOLOv5's ``utils/dataloaders.py``: the label file of
``.../images/x.jpg`` is ``.../labels/x.txt``, of an image outside any folder ``images`` the .txt beside it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from yolo_edge.datasets import SPLITS
from yolo_edge.datasets.given_files import MOST_BYTES_OF_AN_IMAGE, is_folder, read_given_text
from yolo_edge.datasets.labels import Findings, Label, LabelledImage, is_fraction, make_objects
from yolo_edge.errors import DatasetError
from yolo_edge.sources import IMAGE_SUFFIXES

DEFAULT_SPLIT = "val"
FaultKind = Literal["unreadable", "malformed", "class", "range"]
"""A file that cannot be read; a row that is none, has an unknown class, or reaches outside 0..1."""

_COLUMNS = ("centre x", "centre y", "width", "height")


def images_of_folder(folder: Path, split: str | None) -> list[Path]:
    """The images of a folder that has ``images/`` and ``labels/``, or that lies in such an ``images/``.

    Args:
        folder: What the user named.
        split: Take ``images/SPLIT`` only; None takes ``images/val`` if there are splits.

    Raises:
        DatasetError: There are no images, or it is not clear which are meant.
    """
    images = folder / "images"
    if not images.is_dir():
        if split is not None:
            raise DatasetError(f"{folder}: has no folder images/{split} for --split {split}")
        found = images_under(folder)
        if not found:
            raise DatasetError(
                f"{folder}: holds neither a folder images/ nor images; a YOLO dataset is a folder with "
                "images/ and labels/"
            )
        return found
    splits = sorted(entry.name for entry in images.iterdir() if entry.is_dir())
    chosen = split if split is not None else DEFAULT_SPLIT if DEFAULT_SPLIT in splits else None
    if chosen is None and set(splits) & set(SPLITS):
        raise DatasetError(f"{images}: has {', '.join(splits)}, but no {DEFAULT_SPLIT}; choose with --split")
    if chosen is not None:
        if chosen not in splits:
            raise DatasetError(
                f"{images}: has no folder {chosen}; it has: {', '.join(splits) or 'no folders'}"
            )
        images = images / chosen
    found = images_under(images)
    if not found:
        raise DatasetError(f"{images}: holds no images")
    return found


def read_labels(
    images: Iterable[Path], names: Mapping[int, str], named_by: str, findings: Findings
) -> list[LabelledImage]:
    """Reads the label file of each image; an image without one has no objects.

    Args:
        images: Image files.
        names: Class names by id; other ids are faults.
        named_by: Who named them, for messages, e.g. ``"the model"``.
        findings: What is wrong or was put right is added here.
    """
    paths = list(images)
    files = [label_path(path) for path in paths]
    findings.faults += map(missing_labels_folder, missing_folders(files))
    if findings.faults:
        return []
    labelled = []
    for path, file in zip(paths, files):
        rows = read_label_file(file, names, named_by)
        findings.faults += [f"{fault.place}: {fault.text}" for fault in rows.faults]
        labelled.append(LabelledImage(path, make_objects(rows.labels, findings)))
    return labelled


def missing_folders(label_files: Iterable[Path]) -> list[Path]:
    """The folders of label files that do not exist."""
    return [folder for folder in sorted({file.parent for file in label_files}) if not is_folder(folder)]


def missing_labels_folder(folder: Path) -> str:
    """What is said of one."""
    return f"the labels folder {folder} is missing (make an empty one if its images show no objects)"


def label_path(image: Path) -> Path:
    """Where the labels of an image stand."""
    parts = Path(os.path.abspath(image)).parts  # noqa: PTH100 - resolve() would follow links
    for i in range(len(parts) - 2, -1, -1):
        if parts[i] == "images":
            folder = Path(*parts[:i], "labels", *parts[i + 1 : -1])
            return folder / f"{image.stem}.txt"
    return image.with_suffix(".txt")


class RowFault(NamedTuple):
    """What is wrong with a label file or a row of it."""

    kind: FaultKind
    place: str
    """The file, or ``FILE:LINE``."""
    text: str


class LabelRows(NamedTuple):
    """A label file as it was read."""

    labels: list[Label]
    faults: list[RowFault]
    exists: bool
    polygons: int
    """Rows that hold a polygon, whose box was taken."""


def read_label_file(path: Path, names: Mapping[int, str], named_by: str) -> LabelRows:
    """Reads a label file; a row that is wrong is left out and among the faults.

    Args:
        path: The file; without one there are no objects.
        names: Class names by id; other ids are faults.
        named_by: Who named them, for messages, e.g. ``"the dataset"``.
    """
    try:
        lines = read_given_text(path, most_bytes=MOST_BYTES_OF_AN_IMAGE).splitlines()
    except FileNotFoundError:
        return LabelRows([], [], False, 0)
    except DatasetError as error:
        text = str(error).removeprefix(f"{path}: ")
        return LabelRows([], [RowFault("unreadable", str(path), text)], True, 0)
    labels, faults, polygons = [], [], 0
    for number, line in enumerate(lines, 1):
        cells = line.split()
        if not cells:
            continue
        place = f"{path}:{number}"
        try:
            labels.append(_parse_row(cells, line, names, named_by, place))
            polygons += len(cells) != 5
        except _RowError as error:
            faults.append(RowFault(error.kind, place, str(error)))
    return LabelRows(labels, faults, True, polygons)


class _RowError(ValueError):
    def __init__(self, kind: FaultKind, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def _parse_row(cells: list[str], line: str, names: Mapping[int, str], named_by: str, place: str) -> Label:
    """Reads ``class cx cy w h``, or ``class x y x y x y ...``, a polygon whose box is taken.

    Raises:
        _RowError: Says what is wrong with the row.
    """
    if len(cells) != 5 and (len(cells) < 7 or len(cells) % 2 == 0):
        text = f"has {len(cells)} columns, not 5 (class, {', '.join(_COLUMNS)}) or a polygon's"
        raise _RowError("malformed", text)
    shown = line.strip()[:60]
    try:
        values = [float(cell) for cell in cells]
    except ValueError:
        raise _RowError("malformed", f"{shown!r} is not a row of numbers") from None
    if not all(map(math.isfinite, values)):
        raise _RowError("malformed", f"{shown!r} has a value that is not finite")
    class_id = int(values[0])
    if class_id != values[0] or class_id not in names:
        raise _RowError("class", f"class {cells[0]} is unknown; {named_by} has {_ids(names)}")
    if not all(map(is_fraction, values[1:])):
        text = f"{shown!r} has a coordinate outside 0..1; they are fractions of the image's width and height"
        raise _RowError("range", text)
    if len(values) > 5:
        xs, ys = values[1::2], values[2::2]
        return Label(class_id, (min(xs), min(ys), max(xs), max(ys)), place)
    x, y, width, height = values[1:]
    return Label(class_id, (x - width / 2, y - height / 2, x + width / 2, y + height / 2), place)


def _ids(names: Mapping[int, str]) -> str:
    ids = sorted(names)
    if ids == list(range(len(ids))):
        return f"classes 0 to {len(ids) - 1}" if len(ids) > 1 else "class 0 only"
    return "classes " + ", ".join(map(str, ids))


def images_under(folder: Path) -> list[Path]:
    """The image files of a folder and of the folders in it, sorted."""
    return sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
    )
