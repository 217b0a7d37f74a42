"""Datasets in COCO's JSON format (https://cocodataset.org/#format-data, object detection)."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from yolo_edge.bundle_fields import Fields
from yolo_edge.datasets.given_files import is_file
from yolo_edge.datasets.labels import Findings, Label, LabelledImage, make_objects
from yolo_edge.errors import DatasetError
from yolo_edge.finite import is_finite_number


def read_coco(path: Path, folder: Path, findings: Findings) -> tuple[list[LabelledImage], dict[int, str]]:
    """Reads an annotation file.

    Args:
        path: The JSON file.
        folder: Where its images are.
        findings: What is wrong or was put right is added here.

    Returns:
        The images in the file's order, and the category names by id.

    Raises:
        DatasetError: The file or the folder cannot be read, or is of another kind.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder of images")
    root = Fields(_read_json(path), "", findings.faults)
    names: dict[int, str] = {}
    for category in root.sections("categories", minimum=1):
        _add_unique(names, category, category.text("name").strip())
    sizes: dict[int, tuple[int, int]] = {}
    files: dict[int, Path] = {}
    for image in root.sections("images", minimum=1):
        height, width = image.integer("height", minimum=1), image.integer("width", minimum=1)
        _add_unique(sizes, image, (height or 1, width or 1))
        files[_id(image)] = folder / image.text("file_name")
    labels: dict[int, list[Label]] = {index: [] for index in files}
    for number, annotation in enumerate(root.sections("annotations")):
        image_id, category_id = (
            annotation.integer("image_id", minimum=0),
            annotation.integer("category_id", 0),
        )
        if image_id is not None and image_id not in files:
            annotation.fault("image_id", f"is {image_id}, which no image has")
        elif category_id is not None and category_id not in names:
            annotation.fault("category_id", f"is {category_id}, which no category has")
        elif image_id is not None and category_id is not None:
            label = _label(annotation, category_id, sizes[image_id], f"annotations[{number}]")
            labels[image_id].append(label)
    if findings.faults:
        return [], names
    if not any(is_file(file) for file in files.values()):
        raise DatasetError(
            f"{folder}: holds none of the {len(files)} images that {path} names "
            f"(the first is {next(iter(files.values()))})"
        )
    return [
        LabelledImage(files[index], make_objects(labels[index], findings), sizes[index]) for index in files
    ], names


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: is not valid JSON: {error}") from None
    wanted = "COCO annotations: an object with images, annotations and categories"
    if not isinstance(content, dict):
        raise DatasetError(f"{path}: holds a {type(content).__name__}, not {wanted}")
    missing = [key for key in ("images", "annotations", "categories") if key not in content]
    if missing:
        raise DatasetError(f"{path}: has no {', no '.join(missing)}; expected {wanted}")
    return content


def _id(fields: Fields) -> int:
    value = fields.raw.get("id")
    return value if isinstance(value, int) else -1


def _add_unique(table: dict[int, Any], fields: Fields, value: Any) -> None:
    key = fields.integer("id", minimum=0)
    if key is None:
        return
    if key in table:
        fields.fault("id", f"is {key}, which another one has")
    table[key] = value


def _label(annotation: Fields, category_id: int, size_hw: tuple[int, int], place: str) -> Label:
    x, y, width, height = annotation.numbers("bbox", count=4)
    if width < 0 or height < 0:
        annotation.fault("bbox", f"is {annotation.raw['bbox']}: width and height must not be negative")
    crowd = annotation.raw.get("iscrowd", 0)
    if crowd not in (0, 1):
        annotation.fault("iscrowd", f"is {crowd!r}, not 0 or 1")
    area = annotation.raw.get("area")
    if area is not None and not (is_finite_number(area) and area >= 0):
        annotation.fault("area", f"is {area!r}, not a number of square pixels")
        area = None
    image_height, image_width = size_hw
    box = (x / image_width, y / image_height, (x + width) / image_width, (y + height) / image_height)
    return Label(category_id, box, place, bool(crowd), math.nan if area is None else float(area))
