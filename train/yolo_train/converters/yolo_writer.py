"""Writes datasets in YOLO format: ``images/SPLIT``, ``labels/SPLIT`` and a dataset YAML."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from yolo_edge.datasets.labels import Objects
from yolo_edge.errors import DatasetError
from yolo_train.converters.base import ImageMode

DECIMALS = 12
"""A pixel coordinate of eight decimals comes back from so many, in images of up to 6,000 pixels a side.

Zeros at the end are not written, so that a row of six decimals stays one.
"""


def label_rows(objects: Objects) -> str:
    """The label file of an image: a row ``class cx cy w h`` for each object."""
    lines = []
    for class_id, (x0, y0, x1, y1) in zip(objects.class_id.tolist(), objects.boxes.tolist()):
        values = ((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0)
        lines.append(" ".join([str(class_id), *map(_decimal, values)]) + "\n")
    return "".join(lines)


def write_label_file(folder: Path, split: str, image: Path, objects: Objects) -> None:
    """Writes the label file of an image.

    Args:
        folder: The dataset.
        split: The split.
        image: The image's path in the split.
        objects: What it shows.
    """
    path = (folder / "labels" / split / image).with_suffix(".txt")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(label_rows(objects), encoding="ascii")


def put_image(folder: Path, split: str, image: Path, source: Path, mode: ImageMode) -> None:
    """Links or copies an image into the dataset.

    Raises:
        DatasetError: The file system has no links, or the copy failed.
    """
    path = folder / "images" / split / image
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if mode == "link":
            path.symlink_to(os.path.abspath(source))  # noqa: PTH100 - resolve() would follow links
        else:
            shutil.copyfile(source, path)
    except OSError as error:
        hint = "; --images copy copies instead" if mode == "link" else ""
        raise DatasetError(f"{source}: no {mode} of it can be made: {error.strerror}{hint}") from None


def write_yaml(path: Path, splits: Sequence[str], names: Sequence[str], comment: str) -> None:
    """Writes a dataset YAML beside ``images`` and ``labels``.

    Args:
        path: The file.
        splits: Its splits.
        names: Class names by id.
        comment: What the file says of itself, one line or more.

    Raises:
        MissingExtraError: PyYAML is not installed.
    """
    from yolo_edge.packages import require

    yaml = require("yaml", "writing a dataset YAML", "pip install 'yolo-edge[train]'")
    content = {**{split: f"images/{split}" for split in splits}, "names": dict(enumerate(names))}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)
    comments = "".join(f"# {line}\n" for line in comment.splitlines())
    path.write_text(f"{comments}# Paths are relative to this file.\n{text}", encoding="utf-8")


def _decimal(value: float) -> str:
    """The shortest text of the value rounded to DECIMALS."""
    text = f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
    return text if text not in ("", "-0") else "0"
