"""The image files that labels of other formats belong to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from yolo_edge.datasets.labels import Findings, Label, LabelledImage


def find_image(folder: Path, names: Sequence[str]) -> Path:
    """The first of the names that is an image of a folder, with or without its suffix.

    Returns:
        The image; where there is none, the path that the first name would have.
    """
    from yolo_edge.datasets.given_files import is_file
    from yolo_edge.sources import IMAGE_SUFFIXES

    suffixes = sorted(IMAGE_SUFFIXES, key=lambda suffix: (suffix != ".jpg", suffix))
    for name in names:
        if Path(name).suffix.lower() in IMAGE_SUFFIXES:
            candidates = [folder / name]
        else:
            candidates = [folder / f"{name}{suffix}" for suffix in suffixes]
        for candidate in candidates:
            if is_file(candidate):
                return candidate
    return folder / names[0]


def labelled_in_pixels(
    file: Path, labels: Sequence[Label], size_hw: tuple[int, int] | None, findings: Findings
) -> LabelledImage:
    """An image whose labels stand in pixels.

    Args:
        file: The image; of one that does not exist nothing is taken.
        labels: Their boxes are pixels.
        size_hw: Height and width that the labels refer to; None reads the image's.
        findings: What is wrong or was put right is added here.
    """
    from yolo_edge.datasets.given_files import is_file
    from yolo_edge.datasets.image_size import read_image_size
    from yolo_edge.datasets.labels import LabelledImage, make_objects
    from yolo_edge.errors import SourceError

    if not is_file(file):
        return LabelledImage(file, make_objects([], findings), size_hw)
    if size_hw is None:
        try:
            size_hw = read_image_size(file)
        except SourceError as error:
            findings.faults.append(str(error))
            return LabelledImage(file, make_objects([], findings))
    height, width = size_hw
    fractions = [
        label._replace(
            box=(
                label.box[0] / width,
                label.box[1] / height,
                label.box[2] / width,
                label.box[3] / height,
            )
        )
        for label in labels
    ]
    return LabelledImage(file, make_objects(fractions, findings), size_hw)
