"""Datasets in YOLO format: label files beside folders of images, and the YAML files that name them.

The conventions are those of YOLOv5's ``utils/dataloaders.py`` and ``check_dataset``: the label file of
``.../images/x.jpg`` is ``.../labels/x.txt``, of an image outside any folder ``images`` the .txt beside it.
"""

from __future__ import annotations

import glob
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from yolo_edge.datasets.labels import DatasetError, Findings, Label, LabelledImage, is_fraction, make_objects
from yolo_edge.packages import require
from yolo_edge.sources import IMAGE_SUFFIXES

DEFAULT_SPLIT = "val"
_SPLITS = ("train", "val", "test")
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
        found = _images_under(folder)
        if not found:
            raise DatasetError(
                f"{folder}: holds neither a folder images/ nor images; a YOLO dataset is a folder with "
                "images/ and labels/"
            )
        return found
    splits = sorted(entry.name for entry in images.iterdir() if entry.is_dir())
    chosen = split if split is not None else DEFAULT_SPLIT if DEFAULT_SPLIT in splits else None
    if chosen is None and set(splits) & set(_SPLITS):
        raise DatasetError(f"{images}: has {', '.join(splits)}, but no {DEFAULT_SPLIT}; choose with --split")
    if chosen is not None:
        if chosen not in splits:
            raise DatasetError(
                f"{images}: has no folder {chosen}; it has: {', '.join(splits) or 'no folders'}"
            )
        images = images / chosen
    found = _images_under(images)
    if not found:
        raise DatasetError(f"{images}: holds no images")
    return found


def read_yaml(path: Path, split: str) -> tuple[list[Path], dict[int, str]]:
    """Reads a dataset YAML.

    Returns:
        The images of a split, and the class names by id.

    Raises:
        DatasetError: Not a dataset YAML, or it names what is not there. Every fault is listed.
        MissingExtraError: PyYAML is not installed.
    """
    yaml = require("yaml", f"{path}: a dataset YAML", "pip install 'yolo-edge[val]'")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # safe_load refuses every tag that would make more than plain data.
        reason = " ".join(str(error).split())
        raise DatasetError(f"{path}: is not plain YAML: {reason}") from None
    if not isinstance(content, dict):
        raise DatasetError(f"{path}: holds a {type(content).__name__}, not a mapping with names and {split}")
    findings = Findings()
    names = _names(content, findings)
    entries = _entries(content, split, findings)
    root = _root(content, path, findings)
    images: list[Path] = []
    for entry in entries:
        found = _images_of_entry(entry, root)
        if found is None:
            findings.faults.append(f"{split} names {entry!r}, which is not in {root}")
        elif not found:
            findings.faults.append(f"{split} names {entry!r}, which holds no images")
        else:
            images += found
    findings.raise_faults(path)
    return list(dict.fromkeys(images)), names


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
    for folder in sorted({file.parent for file in files}):
        if not folder.is_dir():
            findings.faults.append(
                f"the labels folder {folder} is missing (make an empty one if its images show no objects)"
            )
    if findings.faults:
        return []
    return [
        LabelledImage(path, make_objects(_read_label_file(file, names, named_by, findings), findings))
        for path, file in zip(paths, files)
    ]


def label_path(image: Path) -> Path:
    """Where the labels of an image stand."""
    parts = Path(os.path.abspath(image)).parts  # noqa: PTH100 - resolve() would follow links
    for i in range(len(parts) - 2, -1, -1):
        if parts[i] == "images":
            folder = Path(*parts[:i], "labels", *parts[i + 1 : -1])
            return folder / f"{image.stem}.txt"
    return image.with_suffix(".txt")


def _read_label_file(path: Path, names: Mapping[int, str], named_by: str, findings: Findings) -> list[Label]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        findings.faults.append(f"{path}: cannot be read: {error.strerror}")
        return []
    except ValueError:
        findings.faults.append(f"{path}: is not a text file")
        return []
    labels = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        try:
            labels.append(_parse_row(line, names, named_by, place))
        except ValueError as error:
            findings.faults.append(f"{place}: {error}")
    return labels


def _parse_row(line: str, names: Mapping[int, str], named_by: str, place: str) -> Label:
    """Reads ``class cx cy w h``, or ``class x y x y x y ...``, a polygon whose box is taken.

    Raises:
        ValueError: Says what is wrong with the row.
    """
    cells = line.split()
    if len(cells) != 5 and (len(cells) < 7 or len(cells) % 2 == 0):
        raise ValueError(f"has {len(cells)} columns, not 5 (class, {', '.join(_COLUMNS)}) or a polygon's")
    try:
        values = [float(cell) for cell in cells]
    except ValueError:
        raise ValueError(f"{line.strip()[:60]!r} is not a row of numbers") from None
    if not all(map(math.isfinite, values)):
        raise ValueError(f"{line.strip()[:60]!r} has a value that is not finite")
    class_id = int(values[0])
    if class_id != values[0] or class_id not in names:
        raise ValueError(f"class {cells[0]} is unknown; {named_by} has {_ids(names)}")
    if not all(map(is_fraction, values[1:])):
        raise ValueError(
            f"{line.strip()[:60]!r} has a coordinate outside 0..1; they are fractions of the image's width "
            "and height"
        )
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


def _images_under(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
    )


def _names(content: Mapping[str, Any], findings: Findings) -> dict[int, str]:
    """Class names: a list, or a mapping from ids."""
    names = content.get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names:
        shown = "is missing" if "names" not in content else f"is {str(names)[:60]!r}"
        findings.faults.append(f"names {shown}; it must be a list of class names, or a mapping from ids")
        return {}
    for key, name in names.items():
        if isinstance(key, bool) or not isinstance(key, int) or key < 0:
            findings.faults.append(f"names has the class id {key!r}, which is not a whole number")
        if isinstance(name, (dict, list)) or name is None or not str(name).strip():
            findings.faults.append(f"names has {name!r} for class {key!r}, which is not a name")
    count = content.get("nc", len(names))
    if count != len(names):
        findings.faults.append(f"nc is {count!r}, but names has {len(names)}")
    return {key: str(name).strip() for key, name in names.items()}


def _entries(content: Mapping[str, Any], split: str, findings: Findings) -> list[str]:
    value = content.get(split)
    entries: list[Any] = value if isinstance(value, list) else [value]
    if value is None or not entries:
        held = [name for name in _SPLITS if content.get(name)]
        findings.faults.append(f"has no split {split}; it has: {', '.join(held) or 'none'}")
        return []
    if not all(isinstance(entry, str) and entry for entry in entries):
        findings.faults.append(f"{split} is {str(value)[:60]!r}; it must be a path or a list of paths")
        return []
    return entries


def _root(content: Mapping[str, Any], path: Path, findings: Findings) -> Path:
    """The folder that the splits are in: ``path``, relative to the YAML's or the working folder."""
    given = content.get("path")
    if given is None or given == "":
        return path.parent
    if not isinstance(given, str):
        findings.faults.append(f"path is {given!r}, not a folder")
        return path.parent
    candidates = [path.parent / given, Path(given)]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    tried = " and ".join(dict.fromkeys(map(str, candidates)))
    findings.faults.append(f"path {given!r} is no folder (looked for {tried})")
    return candidates[0]


def _images_of_entry(entry: str, root: Path) -> list[Path] | None:
    """The images of a folder, list file, glob pattern or image; None where there is nothing of that name."""
    path = root / entry
    if not path.exists() and entry.startswith("../") and (root / entry[3:]).exists():
        # Exporters of datasets write ../valid/images beside valid/; YOLOv5 reads it so too.
        path = root / entry[3:]
    if path.is_dir():
        return _images_under(path)
    if path.is_file():
        return [path] if path.suffix.lower() in IMAGE_SUFFIXES else _read_list(path, root)
    if any(mark in entry for mark in "*?["):
        matches = map(Path, glob.glob(str(path), recursive=True))  # noqa: PTH207 - it may be absolute
        return sorted(p for p in matches if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
    return None


def _read_list(path: Path, root: Path) -> list[Path]:
    """A text file with one image a line, relative to that file, or else to the dataset's root."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise DatasetError(f"{path}: is neither an image nor a text file that lists images") from None
    images = []
    for line in filter(None, lines):
        beside, below = path.parent / line, root / line
        images.append(below if below.is_file() and not beside.is_file() else beside)
    return images
