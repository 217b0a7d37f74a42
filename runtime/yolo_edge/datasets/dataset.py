"""A labelled dataset, with the classes of the model that is to be evaluated on it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from yolo_edge.datasets.coco_format import read_coco
from yolo_edge.datasets.dataset_yaml import read_yaml
from yolo_edge.datasets.labels import Findings, LabelledImage
from yolo_edge.datasets.yolo_format import DEFAULT_SPLIT, images_of_folder, read_labels
from yolo_edge.errors import DatasetError
from yolo_edge.options import ClassSelection, resolve_classes

_SHOWN_NAMES = 20


@dataclass(frozen=True)
class Dataset:
    """Images, their objects, and which classes of the model are looked for."""

    path: Path
    """What the user named."""
    kind: Literal["folder", "yaml", "coco"]
    split: str | None
    images: tuple[LabelledImage, ...]
    """Class ids are the model's."""
    class_ids: tuple[int, ...]
    """Classes of the model that the dataset knows; others are not looked for."""
    warnings: tuple[str, ...]
    """What was put right, one line for each kind."""

    @property
    def object_count(self) -> int:
        """Marked objects in all images."""
        return sum(len(image.objects) for image in self.images)


def open_dataset(
    data: Path | str,
    model_names: Sequence[str],
    *,
    split: str | None = None,
    images: Path | str | None = None,
    classes: ClassSelection = None,
) -> Dataset:
    """Reads a dataset and gives its objects the model's class ids.

    Args:
        data: A YOLO folder (images/ and labels/), a dataset YAML or a COCO annotation file (.json).
        model_names: The model's class names, by id. Classes are matched by name where the dataset names
            them (YAML, COCO), else by id.
        split: ``val`` (default), ``test`` or ``train``; not for COCO files.
        images: The folder of a COCO file's images.
        classes: The model's classes to evaluate, ids or names; None takes all.

    Raises:
        ValueError: Arguments that do not go together, or an unknown class.
        DatasetError: The dataset cannot be read or does not fit the model. Faults are listed in one message.
        MissingExtraError: A YAML, and PyYAML is not installed.
    """
    path = Path(data)
    wanted = resolve_classes(classes, model_names)
    if not path.exists():
        raise DatasetError(f"{path}: no such dataset (a YOLO folder, a dataset YAML or a COCO JSON file)")
    suffix = path.suffix.lower()
    findings = Findings()
    names = dict(enumerate(model_names))
    if suffix == ".json" and path.is_file():
        if images is None:
            raise ValueError(f"{path} is a COCO file; name the folder of its images with --images DIR")
        if split is not None:
            raise ValueError(f"{path} is a COCO file, which has no splits; leave --split {split} out")
        labelled, names = read_coco(path, Path(images), findings)
        kind: Literal["folder", "yaml", "coco"] = "coco"
    elif images is not None:
        raise ValueError(f"--images belongs to a COCO JSON file; {path} is none")
    elif path.is_dir():
        kind = "folder"
        labelled = read_labels(images_of_folder(path, split), names, "the model", findings)
    elif suffix in (".yaml", ".yml"):
        kind, split = "yaml", split or DEFAULT_SPLIT
        files, names = read_yaml(path, split)
        labelled = read_labels(files, names, "the dataset", findings)
    else:
        raise DatasetError(f"{path}: is neither a folder, a dataset YAML (.yaml) nor a COCO file (.json)")
    findings.raise_faults(path)

    used: Counter[int] = Counter()
    for image in labelled:
        used.update(image.objects.class_id.tolist())
    if not used:
        raise DatasetError(
            f"{path}: no objects are marked in its {len(labelled)} images{_looked(kind, labelled)}"
        )
    model_ids = _match_classes(path, names, used, model_names, strict=wanted is None)
    if wanted is not None:
        model_ids = {theirs: ours for theirs, ours in model_ids.items() if ours in wanted}
        if not any(theirs in used for theirs in model_ids):
            raise DatasetError(f"{path}: no object in its {len(labelled)} images is of the chosen classes")
    warnings = findings.warnings()
    if (twice := _repeated(list(names.values()))) and len(set(model_ids.values())) < len(model_ids):
        warnings.append(f"the dataset has {_classes(twice)} more than once; merged")
    unknown = [name for i, name in enumerate(model_names) if i not in model_ids.values()]
    if unknown and wanted is None:
        warnings.append(f"the dataset does not know the model's {_classes(unknown)}; not looked for")
    return Dataset(
        path=path,
        kind=kind,
        split=split,
        images=tuple(_with_model_ids(image, model_ids) for image in labelled),
        class_ids=tuple(sorted(set(model_ids.values()))),
        warnings=tuple(warnings),
    )


def _match_classes(
    path: Path,
    names: Mapping[int, str],
    used: Mapping[int, int],
    model_names: Sequence[str],
    *,
    strict: bool,
) -> dict[int, int]:
    """The model's class id for each of the dataset's.

    Raises:
        DatasetError: A class that has objects and that the model lacks, or a name that the model has twice.
    """
    if dict(names) == dict(enumerate(model_names)):
        return {index: index for index in names}
    faults = []
    if twice := _repeated(model_names):
        faults.append(f"the model has {_classes(twice)} more than once, so names do not tell them apart")
    by_name = {name: i for i, name in enumerate(model_names)}
    missing = [f"{names[i]} ({used[i]} of its objects)" for i in sorted(used) if names[i] not in by_name]
    if missing and strict:
        faults.append(
            f"the model does not have the dataset's {_classes(missing)}; it has: {_listed(model_names)} "
            "(choose the classes to evaluate with --classes, or name the folder of images to match by id)"
        )
    if faults:
        raise DatasetError(f"{path}: " + "; ".join(faults))
    return {index: by_name[name] for index, name in names.items() if name in by_name}


def _repeated(names: Sequence[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _with_model_ids(image: LabelledImage, model_ids: Mapping[int, int]) -> LabelledImage:
    known = np.array([class_id in model_ids for class_id in image.objects.class_id.tolist()], np.bool_)
    objects = image.objects.where(known)
    mapped = np.array([model_ids[class_id] for class_id in objects.class_id.tolist()], np.int32)
    return dataclasses.replace(image, objects=dataclasses.replace(objects, class_id=mapped))


def _looked(kind: str, images: Sequence[LabelledImage]) -> str:
    if kind == "coco":
        return ""
    from yolo_edge.datasets.yolo_format import label_path

    return f"; the labels of the first, {images[0].path}, are looked for in {label_path(images[0].path)}"


def _classes(names: Sequence[str]) -> str:
    return f"class{'es' if len(names) > 1 else ''} {_listed(names)}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(names[:_SHOWN_NAMES]) + more
