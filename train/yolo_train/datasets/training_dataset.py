"""The images and objects that a network is trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from yolo_edge.datasets.labels import LabelledImage
from yolo_train.datasets.scan import Scan, ScanProgress, scan_dataset


@dataclass(frozen=True)
class TrainingDataset:
    """A dataset without faults.

    Attributes:
        path: The dataset YAML.
        names: Class names by class id, each once.
        train: Images to train on; every ``size_hw`` is filled.
        val: Images to validate on.
        warnings: What was put right or looks wrong, one line for each kind.
        report: All that was found.
    """

    path: Path
    names: tuple[str, ...]
    train: tuple[LabelledImage, ...]
    val: tuple[LabelledImage, ...]
    warnings: tuple[str, ...]
    report: Scan


def open_training_dataset(path: Path | str, *, progress: ScanProgress | None = None) -> TrainingDataset:
    """Reads a dataset YAML with its splits ``train`` and ``val``, and checks it.

    Images are judged by their headers, not decoded. Names that stand twice are merged and class ids numbered
    from 0, with a warning. Nothing is written.

    Args:
        path: The dataset YAML.
        progress: Told after each image.

    Raises:
        DatasetError: The dataset has faults; the message lists them by kind.
        MissingExtraError: PyYAML is not installed.

    Example:
        >>> dataset = open_training_dataset("data.yaml")                # doctest: +SKIP
        >>> dataset.names, len(dataset.train)                           # doctest: +SKIP
        (('person', 'car'), 1200)
    """
    scan = scan_dataset(path, progress=progress)
    scan.raise_faults()
    images = {split.name: split.images for split in scan.splits}
    return TrainingDataset(
        scan.path, scan.names, images["train"], images["val"], scan.problems.warnings(), scan
    )
