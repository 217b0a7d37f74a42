"""Converts whole datasets to YOLO format and back."""

from __future__ import annotations

import dataclasses
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from yolo_edge.datasets.image_size import read_image_size
from yolo_edge.datasets.labels import Findings, LabelledImage
from yolo_edge.errors import DatasetError, SourceError
from yolo_edge.sources import IMAGE_SUFFIXES
from yolo_edge.staging import Staging
from yolo_train.converters.base import Converter, LabelSource, ReadLabels, SplitToWrite
from yolo_train.converters.yolo_writer import (
    IMAGE_MODES,
    ImageMode,
    put_image,
    write_label_file,
    write_yaml,
)
from yolo_train.datasets.scan import scan_dataset

RECORD = "conversion.json"
"""In every folder that a conversion wrote: what from, and that the folder may be replaced."""

_YAML = "data.yaml"

Steps = Callable[[str], None]
"""Told of each step."""


@dataclass(frozen=True)
class Conversion:
    """What a conversion wrote.

    Attributes:
        folder: Where it is.
        images: Images by split.
        objects: Objects by split.
        places: Of a conversion from YOLO, for each split what to read it back from: ``labels`` in the folder
            and the folder of the ``images``.
        notes: What was left out or put right.
    """

    folder: Path
    images: Mapping[str, int]
    objects: Mapping[str, int]
    places: Mapping[str, Mapping[str, str]]
    notes: tuple[str, ...]


def convert_to_yolo(
    converter: Converter,
    sources: Sequence[LabelSource],
    out: Path | str,
    *,
    names: Sequence[str] | None = None,
    images: ImageMode = "link",
    skip_missing: bool = False,
    force: bool = False,
    steps: Steps = lambda _: None,
) -> Conversion:
    """Writes a dataset in YOLO format: a dataset YAML, label files, and links to the images or copies.

    Args:
        converter: The format that is read.
        sources: Labels and images of each split.
        out: The folder to write; it is built beside its place and moved there when it is whole.
        names: Class names in the order of their ids; None takes those of the labels.
        images: ``link`` or ``copy``.
        skip_missing: Leave images out that do not exist; otherwise they are faults.
        force: Replace a folder that an earlier conversion wrote.
        steps: Told of each step.

    Raises:
        ValueError: Bad arguments.
        DatasetError: The labels have faults, all of which are listed, or the folder cannot be written.
    """
    out = Path(out)
    if images not in IMAGE_MODES:
        raise ValueError(f"images is {images!r}; it must be one of {', '.join(IMAGE_MODES)}")
    splits = [source.split for source in sources]
    if not sources or len(set(splits)) != len(splits):
        raise ValueError(f"the splits to convert are {splits}; each must be named, and once")
    with _staging(out, force) as staging:
        findings = Findings()
        left_out: Counter[str] = Counter()
        read: dict[str, ReadLabels] = {}
        for source in sources:
            steps(f"reading {source.labels}")
            if not source.images.is_dir():
                raise DatasetError(f"{source.images}: no such folder of images")
            read[source.split] = labels = converter.read(source, findings)
            findings.raise_faults(source.labels)
            left_out.update(labels.left_out)
        class_names = _class_names(list(read.values()), names)
        counts: dict[str, int] = {}
        objects: dict[str, int] = {}
        for source in sources:
            steps(f"checking {source.images}")
            labels = read[source.split]
            kept = _usable(source, labels.images, findings, left_out, skip_missing=skip_missing)
            findings.raise_faults(source.images)
            steps(f"writing {source.split}")
            new_ids = np.zeros(max(labels.names, default=0) + 1, np.int32)
            for class_id in {key for image in kept.values() for key in image.objects.class_id.tolist()}:
                new_ids[class_id] = class_names.index(labels.names[class_id])
            for relative, image in kept.items():
                moved = dataclasses.replace(image.objects, class_id=new_ids[image.objects.class_id])
                write_label_file(staging.folder, source.split, relative, moved)
                put_image(staging.folder, source.split, relative, image.path, images)
            counts[source.split] = len(kept)
            objects[source.split] = sum(len(image.objects) for image in kept.values())
        comment = f"Written by yolo-train convert {converter.name}; {RECORD} says from what."
        write_yaml(staging.folder / _YAML, splits, class_names, comment)
        notes = [f"left out: {count} {what}" for what, count in left_out.items()] + findings.warnings()
        records = [
            {"split": source.split, "labels": str(source.labels), "images": str(source.images)}
            for source in sources
        ]
        return _finish(staging, converter, "to yolo", records, counts, objects, {}, notes)


def convert_from_yolo(
    converter: Converter,
    dataset: Path | str,
    out: Path | str,
    *,
    force: bool = False,
    steps: Steps = lambda _: None,
) -> Conversion:
    """Writes the labels of a YOLO dataset in another format; the images stay where they are.

    Args:
        converter: The format to write.
        dataset: The dataset YAML; all splits that it names are converted.
        out: The folder to write; it is built beside its place and moved there when it is whole.
        force: Replace a folder that an earlier conversion wrote.
        steps: Told of each step.

    Raises:
        DatasetError: The dataset has faults, or the format cannot hold it, or the folder cannot be written.
        MissingExtraError: PyYAML is not installed.
    """
    with _staging(Path(out), force) as staging:
        steps(f"reading {dataset}")
        scan = scan_dataset(dataset, required=())
        scan.raise_faults()
        splits = [
            SplitToWrite(split.name, _common_folder([image.path for image in split.images]), split.images)
            for split in scan.splits
        ]
        steps(f"writing {converter.title}")
        places = converter.write(scan.names, splits, staging.folder)
        return _finish(
            staging,
            converter,
            "from yolo",
            [str(scan.path)],
            {split.name: len(split.images) for split in splits},
            {split.name: sum(len(image.objects) for image in split.images) for split in splits},
            places,
            [f"not written, as YOLO's form has none: {converter.not_written}", *scan.problems.warnings()],
        )


def is_conversion(folder: Path) -> bool:
    """Whether a folder was written by a conversion, or is empty."""
    return folder.is_dir() and ((folder / RECORD).is_file() or not any(folder.iterdir()))


def _staging(out: Path, force: bool) -> Staging:
    if not force and out.is_dir() and any(out.iterdir()):
        hint = "--force replaces it" if is_conversion(out) else "choose another --out"
        raise DatasetError(f"{out} exists; {hint}")
    return Staging(
        out, kind="the output of a conversion", recognise=is_conversion, error=DatasetError, durable=False
    )


def _finish(
    staging: Staging,
    converter: Converter,
    direction: str,
    sources: Sequence[object],
    images: Mapping[str, int],
    objects: Mapping[str, int],
    places: Mapping[str, Mapping[str, str]],
    notes: Sequence[str],
) -> Conversion:
    record = {
        "format": converter.name,
        "direction": direction,
        "sources": sources,
        "images": images,
        "objects": objects,
        "places": places,
        "notes": notes,
    }
    text = json.dumps(record, ensure_ascii=False, indent=1)
    (staging.folder / RECORD).write_text(text + "\n", encoding="utf-8")
    staging.move_into_place()
    return Conversion(staging.place, images, objects, places, tuple(notes))


def _class_names(read: Sequence[ReadLabels], wanted: Sequence[str] | None) -> list[str]:
    """The names of all splits, by class id.

    Raises:
        DatasetError: A class has objects and is not among the wanted names.
    """
    found = dict.fromkeys(labels.names[key] for labels in read for key in sorted(labels.names))
    if wanted is None:
        return list(found)
    used = {
        labels.names[class_id]
        for labels in read
        for image in labels.images
        for class_id in image.objects.class_id.tolist()
    }
    missing = sorted(used - set(wanted))
    if missing:
        raise DatasetError(f"--names lacks {', '.join(missing)}, of which the labels have objects")
    return list(wanted)


def _usable(
    source: LabelSource,
    images: Sequence[LabelledImage],
    findings: Findings,
    left_out: Counter[str],
    *,
    skip_missing: bool,
) -> dict[Path, LabelledImage]:
    """The images that exist, by their path in the folder of images; anything wrong is a fault."""
    kept: dict[Path, LabelledImage] = {}
    stems: dict[Path, Path] = {}
    for image in images:
        relative = Path(os.path.relpath(image.path, source.images))
        if ".." in relative.parts:
            findings.faults.append(f"{image.path}: is not in {source.images}")
            continue
        if not image.path.is_file():
            if skip_missing:
                left_out["images that do not exist"] += 1
            else:
                findings.faults.append(f"{image.path}: no such image (--skip-missing leaves it out)")
            continue
        if relative.suffix.lower() not in IMAGE_SUFFIXES:
            findings.faults.append(f"{image.path}: is no image by its name")
            continue
        other = stems.setdefault(relative.with_suffix(""), relative)
        if relative in kept:
            findings.faults.append(f"{image.path}: has labels twice")
        elif other != relative:
            findings.faults.append(f"{image.path}: would share the label file of {other}; rename one")
        elif fault := _size_fault(image):
            findings.faults.append(fault)
        kept[relative] = image
    return kept


def _size_fault(image: LabelledImage) -> str:
    """What is wrong where the labels are of an image of another shape, e.g. before it was turned upright."""
    try:
        height, width = read_image_size(image.path)
    except SourceError as error:
        return str(error)
    if image.size_hw is None:
        return ""
    labelled_height, labelled_width = image.size_hw
    # The same picture at another size has the same shape but for rounding to whole pixels.
    if abs(height * labelled_width - width * labelled_height) <= max(
        height + width, labelled_height + labelled_width
    ):
        return ""
    return (
        f"{image.path}: is {width}x{height}, but its labels say {labelled_width}x{labelled_height}; were "
        "they made of another file, or before it was turned as its EXIF data says?"
    )


def _common_folder(images: Sequence[Path]) -> Path:
    return Path(os.path.commonpath([os.path.abspath(image.parent) for image in images]))  # noqa: PTH100
