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

from yolo_edge.datasets.given_files import is_file
from yolo_edge.datasets.image_size import read_image_size
from yolo_edge.datasets.labels import Findings, LabelledImage
from yolo_edge.errors import DatasetError, SourceError
from yolo_edge.sources import IMAGE_SUFFIXES
from yolo_edge.staging import Staging
from yolo_train.converters.base import (
    IMAGE_MODES,
    Converter,
    ImageMode,
    LabelSource,
    ReadLabels,
    SplitToWrite,
)
from yolo_train.converters.yolo_writer import put_image, write_label_file, write_yaml
from yolo_train.datasets.scan import ScannedSplit, scan_dataset

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
        sources: What was read; of a conversion from YOLO, what each split can be read back from.
        notes: What was left out or put right.
    """

    folder: Path
    images: Mapping[str, int]
    objects: Mapping[str, int]
    sources: tuple[LabelSource, ...]
    notes: tuple[str, ...]


def convert_to_yolo(
    converter: Converter,
    sources: Sequence[LabelSource],
    out: Path | str,
    *,
    names: Sequence[str] | None = None,
    images: ImageMode = IMAGE_MODES[0],
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
        kept: dict[str, dict[Path, LabelledImage]] = {}
        for source in sources:
            steps(f"checking {source.images}")
            labels = read[source.split]
            kept[source.split] = _usable(source, labels.images, findings, left_out, skip_missing=skip_missing)
            findings.raise_faults(source.images)
            steps(f"writing {source.split}")
            _write_split(staging.folder, source.split, kept[source.split], labels.names, class_names, images)
        comment = f"Written by yolo-train convert {converter.name}; {RECORD} says from what."
        write_yaml(staging.folder / _YAML, splits, class_names, comment)
        notes = [f"left out: {count} {what}" for what, count in left_out.items()] + findings.warnings()
        done = Conversion(
            out,
            {split: len(found) for split, found in kept.items()},
            {split: sum(len(image.objects) for image in found.values()) for split, found in kept.items()},
            tuple(sources),
            tuple(notes),
        )
        _finish(staging, converter, "to yolo", done)
        return done


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
    out = Path(out)
    with _staging(out, force) as staging:
        steps(f"reading {dataset}")
        scan = scan_dataset(dataset, required=())
        scan.raise_faults()
        splits = [_to_write(split) for split in scan.splits]
        steps(f"writing {converter.title}")
        labels = converter.write(scan.names, splits, staging.folder)
        done = Conversion(
            out,
            {split.name: len(split.images) for split in splits},
            {split.name: sum(len(image.objects) for image in split.images) for split in splits},
            tuple(LabelSource(split.name, out / labels[split.name], split.images_folder) for split in splits),
            (f"not written, as YOLO's form has none: {converter.not_written}", *scan.problems.warnings()),
        )
        _finish(staging, converter, "from yolo", done)
        return done


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


def _finish(staging: Staging, converter: Converter, direction: str, done: Conversion) -> None:
    """Writes the record and moves the folder into its place."""
    record = {
        "format": converter.name,
        "direction": direction,
        "labels": [
            {"split": source.split, "labels": str(source.labels), "images": str(source.images)}
            for source in done.sources
        ],
        "images": done.images,
        "objects": done.objects,
        "notes": done.notes,
    }
    text = json.dumps(record, ensure_ascii=False, indent=1)
    (staging.folder / RECORD).write_text(text + "\n", encoding="utf-8")
    staging.move_into_place()


def _write_split(
    folder: Path,
    split: str,
    images: Mapping[Path, LabelledImage],
    old_names: Mapping[int, str],
    names: Sequence[str],
    mode: ImageMode,
) -> None:
    """Writes label files, with the class ids of the new names, and puts the images beside them."""
    new_ids = {class_id: names.index(name) for class_id, name in old_names.items() if name in names}
    for relative, image in images.items():
        class_id = [new_ids[old] for old in image.objects.class_id.tolist()]
        objects = dataclasses.replace(image.objects, class_id=np.array(class_id, np.int32))
        write_label_file(folder, split, relative, objects)
        put_image(folder, split, relative, image.path, mode)


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
        if not is_file(image.path):
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


def _to_write(split: ScannedSplit) -> SplitToWrite:
    # Links stay as they are, and lead where they led.
    paths = [Path(os.path.abspath(image.path)) for image in split.images]  # noqa: PTH100
    folder = Path(os.path.commonpath([path.parent for path in paths]))
    images = [dataclasses.replace(image, path=path) for image, path in zip(split.images, paths)]
    return SplitToWrite(split.name, folder, images)
