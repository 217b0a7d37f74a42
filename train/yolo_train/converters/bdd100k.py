"""BDD100K's JSON format (https://doc.bdd100k.com/format.html), its boxes only.

Read are the list of a whole split, as ``bdd100k_labels_images_train.json`` of 2018 and ``det_train.json`` of
2020 hold it, and the folder of one file for each image. The two years call some things differently.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from yolo_edge.datasets.given_files import MOST_BYTES_OF_AN_IMAGE, read_given_text
from yolo_edge.errors import DatasetError
from yolo_edge.finite import is_finite_number
from yolo_train.converters.base import (
    PIXEL_DECIMALS,
    Converter,
    LabelSource,
    ReadLabels,
    SplitToWrite,
    register,
)
from yolo_train.converters.images import find_image, labelled_in_pixels
from yolo_train.converters.json_stream import json_entries

if TYPE_CHECKING:
    from yolo_edge.datasets.labels import Findings, Label

NAMES = (
    *("person", "rider", "car", "bus", "truck", "bike", "motor"),
    *("tl_green", "tl_red", "tl_yellow", "tl_none", "traffic sign", "train"),
)
"""The classes, traffic lights by the colour that they show."""

_LIGHT = "traffic light"
_IGNORED = ("other person", "other vehicle", "trailer")
"""Classes of 2020 that the benchmark leaves out."""


@dataclass(frozen=True)
class _Words:
    """What a year's labels call things."""

    categories: Mapping[str, str]
    """The category of a class, where it is another word."""
    colours: Mapping[str, str]
    """The colour of a traffic light's class."""


_YEARS: dict[str, _Words] = {
    "2018": _Words({}, {"tl_green": "green", "tl_red": "red", "tl_yellow": "yellow", "tl_none": "none"}),
    "2020": _Words(
        {"person": "pedestrian", "bike": "bicycle", "motor": "motorcycle"},
        {"tl_green": "G", "tl_red": "R", "tl_yellow": "Y", "tl_none": "NA"},
    ),
}

_CLASS_OF_CATEGORY = {
    **{name: name for name in NAMES if not name.startswith("tl_")},
    **{word: name for words in _YEARS.values() for name, word in words.categories.items()},
}
_CLASS_OF_COLOUR = {word: name for words in _YEARS.values() for name, word in words.colours.items()}


@register("bdd100k")
class Bdd100kConverter(Converter):
    """Labels of driving scenes.

    Args:
        words: Whose words are written, those of ``2018`` (person, bike, motor) or of ``2020`` (pedestrian,
            bicycle, motorcycle). Both are read.

    Raises:
        ValueError: Another year.
    """

    title: ClassVar[str] = "BDD100K JSON"
    labels_help: ClassVar[str] = "the JSON file of a split, or the folder of one for each image"
    not_written: ClassVar[str] = "weather, scene, time of day, occluded and truncated, lanes and areas"

    def __init__(self, *, words: Literal["2018", "2020"] = "2020") -> None:
        if words not in _YEARS:
            raise ValueError(f"words is {words!r}; it must be one of {', '.join(_YEARS)}")
        self._year = words

    @staticmethod
    def add_arguments(group: argparse._ActionsContainer) -> None:
        """Adds the flags of the format."""
        group.add_argument(
            "--words",
            choices=sorted(_YEARS),
            default=Bdd100kConverter()._year,
            help="whose words are written: person, bike, motor of 2018, or pedestrian, bicycle, motorcycle "
            "of 2020; both are read (default: %(default)s)",
        )

    @classmethod
    def from_arguments(cls, args: argparse.Namespace) -> Bdd100kConverter:
        """With the options of a command line."""
        return cls(words=args.words)

    def read(self, source: LabelSource, findings: Findings) -> ReadLabels:
        """Reads the boxes of a split; classes are always the same thirteen."""
        left_out: Counter[str] = Counter()
        images = []
        for place, name, objects in _frames(source.labels, findings):
            labels: list[Label] = []
            try:
                for number, raw in enumerate(objects):
                    label = _label(raw, f"{place}: object {number}", left_out)
                    if label is not None:
                        labels.append(label)
            except DatasetError as error:
                findings.faults.append(str(error))
                continue
            images.append(labelled_in_pixels(find_image(source.images, [name]), labels, None, findings))
        return ReadLabels(dict(enumerate(NAMES)), images, dict(left_out))

    def write(self, names: Sequence[str], splits: Sequence[SplitToWrite], folder: Path) -> Mapping[str, Path]:
        """Writes ``bdd100k_labels_images_SPLIT.json``, the list of a whole split."""
        words = _YEARS[self._year]
        classes = [name if name in NAMES else _CLASS_OF_CATEGORY.get(name, "") for name in names]
        unknown = [name for name, known in zip(names, classes) if not known]
        if unknown:
            raise DatasetError(
                f"BDD100K has no class {', '.join(unknown)}; it has: {', '.join(NAMES)}. Name the dataset's "
                "classes so, or choose another format"
            )
        places = {}
        for split in splits:
            path = folder / f"bdd100k_labels_images_{split.name}.json"
            frames = []
            count = 0
            for image in split.images:
                labels = []
                for class_id, box in zip(
                    image.objects.class_id.tolist(), image.boxes_px().round(PIXEL_DECIMALS).tolist()
                ):
                    name = classes[class_id]
                    light = words.colours.get(name)
                    labels.append(
                        {
                            "category": words.categories.get(name, name) if light is None else _LIGHT,
                            "attributes": {} if light is None else {"trafficLightColor": light},
                            "box2d": dict(zip(("x1", "y1", "x2", "y2"), box)),
                            "id": count,
                        }
                    )
                    count += 1
                name = image.path.relative_to(split.images_folder).as_posix()
                frames.append({"name": name, "labels": labels})
            path.write_text(json.dumps(frames, ensure_ascii=False, indent=1), encoding="utf-8")
            places[split.name] = path.relative_to(folder)
        return places


def _frames(labels: Path, findings: Findings) -> Iterator[tuple[str, str, list[Any]]]:
    """Place, image name and raw objects of each image; a file of one image that is wrong is a fault.

    Raises:
        DatasetError: The labels cannot be read, or are of another kind.
    """
    if labels.is_dir():
        files = sorted(labels.rglob("*.json"))
        if not files:
            raise DatasetError(f"{labels}: holds no JSON files")
        for file in files:
            try:
                yield _single_frame(file, file.relative_to(labels).with_suffix(""))
            except DatasetError as error:
                findings.faults.append(str(error))
        return
    for number, frame in enumerate(json_entries(labels, "frames")):
        place = f"{labels}: frame {number}"
        if not isinstance(frame, dict) or not isinstance(frame.get("name"), str) or not frame["name"]:
            raise DatasetError(f"{place} is no object with a name; is this a list of BDD100K's labels?")
        yield f"{place} ({frame['name']})", frame["name"], _objects(frame, "labels", place)


def _single_frame(file: Path, relative: Path) -> tuple[str, str, list[Any]]:
    try:
        content = json.loads(read_given_text(file, most_bytes=MOST_BYTES_OF_AN_IMAGE))
    except FileNotFoundError as error:
        raise DatasetError(f"{file}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{file}: is not valid JSON: {error}") from None
    frames = content.get("frames") if isinstance(content, dict) else None
    if not isinstance(frames, list) or len(frames) != 1 or not isinstance(frames[0], dict):
        count = f"{len(frames)} frames" if isinstance(frames, list) else "no list 'frames'"
        raise DatasetError(f"{file}: holds {count}; BDD100K's file of an image holds one frame")
    return str(file), relative.as_posix(), _objects(frames[0], "objects", str(file))


def _objects(frame: Mapping[str, Any], key: str, place: str) -> list[Any]:
    """The objects of a frame; in 2020's labels a frame without any has none, or null."""
    objects = frame.get(key)
    if objects is None:
        return []
    if not isinstance(objects, list):
        raise DatasetError(f"{place}: {key} is no list")
    return objects


def _label(raw: Any, place: str, left_out: Counter[str]) -> Label | None:
    """An object in pixels; None where it is counted as left out.

    Raises:
        DatasetError: It is none.
    """
    from yolo_edge.datasets.labels import Label

    category = raw.get("category") if isinstance(raw, dict) else None
    if not isinstance(category, str):
        raise DatasetError(f"{place} has no category")
    box = raw.get("box2d")
    if box is None:
        left_out[f"{category} without a box"] += 1
        return None
    if category in _IGNORED:
        left_out[category] += 1
        return None
    if category == _LIGHT:
        attributes = raw.get("attributes")
        colour = attributes.get("trafficLightColor", "none") if isinstance(attributes, dict) else "none"
        if colour not in _CLASS_OF_COLOUR:
            known = ", ".join(_CLASS_OF_COLOUR)
            raise DatasetError(f"{place} has the trafficLightColor {colour!r}; known are {known}")
        name = _CLASS_OF_COLOUR[colour]
    elif category in _CLASS_OF_CATEGORY:
        name = _CLASS_OF_CATEGORY[category]
    else:
        known = ", ".join([*_CLASS_OF_CATEGORY, _LIGHT, *_IGNORED])
        raise DatasetError(f"{place} has the category {category!r}; BDD100K has: {known}")
    given: list[Any] = [box.get(side) if isinstance(box, dict) else None for side in ("x1", "y1", "x2", "y2")]
    sides = [float(side) for side in given if is_finite_number(side)]
    if len(sides) != 4:
        raise DatasetError(f"{place} has the box2d {json.dumps(box)[:80]}, which has not x1, y1, x2, y2")
    x0, y0, x1, y1 = sides
    if x1 < x0 or y1 < y0:
        raise DatasetError(f"{place} has a box from {x0:g}, {y0:g} back to {x1:g}, {y1:g}")
    return Label(NAMES.index(name), (x0, y0, x1, y1), place)
