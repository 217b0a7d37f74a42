"""What a dataset format can do, and the registry of formats."""

from __future__ import annotations

import argparse
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar, get_args

if TYPE_CHECKING:
    from yolo_edge.datasets.labels import Findings, LabelledImage

PIXEL_DECIMALS = 8
"""Of pixel coordinates that are written.

A YOLO row of seven decimals is exact with them: the edge of a box is half a width from its centre, which
takes one more. A pixel coordinate of as many decimals comes back from a YOLO row.
"""

ImageMode = Literal["link", "copy"]
IMAGE_MODES: tuple[ImageMode, ...] = get_args(ImageMode)
"""How images get into a converted dataset; the first is the default."""


@dataclass(frozen=True)
class LabelSource:
    """Where a split is read from."""

    split: str
    labels: Path
    images: Path
    """The folder of its images."""


@dataclass
class ReadLabels:
    """What a format's labels hold: fractions of images, as YOLO has them."""

    names: dict[int, str]
    """Class names by the ids of ``images``."""
    images: list[LabelledImage]
    """``size_hw`` is what the labels say; None where they say nothing."""
    left_out: dict[str, int] = field(default_factory=dict)
    """What YOLO's form has no place for, and how often it was there."""


@dataclass(frozen=True)
class SplitToWrite:
    """A split of a YOLO dataset."""

    name: str
    images_folder: Path
    """A folder that all its images are in."""
    images: Sequence[LabelledImage]
    """Every ``size_hw`` is filled."""


class Converter(ABC):
    """A dataset format. Options of a format are keyword arguments of its constructor."""

    name: ClassVar[str]
    title: ClassVar[str]
    """How the format is called."""
    labels_help: ClassVar[str]
    """What LABELS is."""
    not_written: ClassVar[str]
    """What the format has and YOLO's has not, so that the way back cannot write it."""

    @staticmethod
    @abstractmethod
    def add_arguments(group: argparse._ActionsContainer) -> None:
        """Adds the flags of the format; each is called as an argument of the constructor."""

    @classmethod
    @abstractmethod
    def from_arguments(cls, args: argparse.Namespace) -> Converter:
        """With the options of a command line."""

    @abstractmethod
    def read(self, source: LabelSource, findings: Findings) -> ReadLabels:
        """Reads the labels of a split.

        Args:
            source: Where they are.
            findings: Faults, and what was put right, are added here.

        Raises:
            DatasetError: They cannot be read at all.
        """

    @abstractmethod
    def write(self, names: Sequence[str], splits: Sequence[SplitToWrite], folder: Path) -> Mapping[str, Path]:
        """Writes a YOLO dataset in this format.

        Args:
            names: Class names by id.
            splits: What to write.
            folder: An empty folder.

        Returns:
            For each split what its labels are read back from, a path in the folder.

        Raises:
            DatasetError: The format cannot hold it.
        """


_CONVERTERS: dict[str, type[Converter]] = {}

C = TypeVar("C", bound=type[Converter])


def register(name: str) -> Callable[[C], C]:
    """Makes a format known under a name."""

    def add(converter: C) -> C:
        converter.name = name
        _CONVERTERS[name] = converter
        return converter

    return add


def converter_names() -> list[str]:
    """The formats that this version knows."""
    _load()
    return sorted(_CONVERTERS)


def converter_class(name: str) -> type[Converter]:
    """The class of a format.

    Raises:
        ValueError: There is none of that name; the message lists the known ones.
    """
    _load()
    if name not in _CONVERTERS:
        raise ValueError(f"unknown format {name!r}; known formats: {', '.join(sorted(_CONVERTERS))}")
    return _CONVERTERS[name]


def _load() -> None:
    """Imports the formats, each of which registers itself; none of them imports numpy before it works."""
    from yolo_train.converters import bdd100k, coco, voc  # noqa: F401
