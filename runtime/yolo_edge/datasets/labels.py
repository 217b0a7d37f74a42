"""The objects that people marked in images, whatever file they came from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from yolo_edge.errors import DatasetError

_SHOWN_FAULTS = 10

_ROUNDING = 1e-3
"""Fraction of the image by which a label that was rounded to three decimals may stick out of it."""


class Label(NamedTuple):
    """One marked object as it was read."""

    class_id: int
    box: tuple[float, float, float, float]
    """Left, top, right, bottom as fractions of the image's width and height."""
    place: str
    """Where it was read, for messages."""
    crowd: bool = False
    """A group of objects: what is found in it counts neither as right nor as wrong."""
    area_px: float = math.nan
    """Area in square pixels; NaN means that of the box."""


@dataclass(frozen=True)
class Objects:
    """The marked objects of one image.

    Attributes:
        class_id: int32 (n,).
        boxes: float64 (n, 4): left, top, right, bottom as fractions of the image's width and height.
        crowd: bool (n,): groups of objects, see :class:`Label`.
        area_px: float64 (n,), square pixels; NaN means that of the box.
    """

    class_id: npt.NDArray[np.int32]
    boxes: npt.NDArray[np.float64]
    crowd: npt.NDArray[np.bool_]
    area_px: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.class_id)

    def where(self, keep: npt.NDArray[np.bool_]) -> Objects:
        """The objects for which ``keep``, bool (n,), is true."""
        return Objects(self.class_id[keep], self.boxes[keep], self.crowd[keep], self.area_px[keep])


@dataclass(frozen=True)
class LabelledImage:
    """An image file and its objects."""

    path: Path
    objects: Objects
    size_hw: tuple[int, int] | None = None
    """Height and width in pixels, where the dataset says them."""

    @property
    def known_size_hw(self) -> tuple[int, int]:
        """The size.

        Raises:
            ValueError: It is not known.
        """
        if self.size_hw is None:
            raise ValueError(f"{self.path}: size_hw is not known; read_image_size reads it")
        return self.size_hw

    def boxes_px(self) -> npt.NDArray[np.float64]:
        """The objects' boxes in pixels, float64 (n, 4): left, top, right, bottom.

        Raises:
            ValueError: The size is not known.
        """
        height, width = self.known_size_hw
        return self.objects.boxes * np.array([width, height, width, height], np.float64)


@dataclass
class Findings:
    """What reading labels brought to light: faults, which end it, and what was put right."""

    faults: list[str] = field(default_factory=list)
    clipped: list[str] = field(default_factory=list)
    """The places of what was put right, each once."""
    duplicates: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)

    def raise_faults(self, dataset: Path) -> None:
        """Raises all faults as one error.

        Raises:
            DatasetError: There are any.
        """
        if not self.faults:
            return
        shown = self.faults[:_SHOWN_FAULTS]
        if len(self.faults) > len(shown):
            shown.append(f"and {len(self.faults) - len(shown)} more")
        raise DatasetError(f"{dataset}: " + "; ".join(shown))

    def warnings(self) -> list[str]:
        """One line for each kind of thing that was put right."""
        kinds = (
            (self.clipped, "boxes that reach outside their image, clipped"),
            (self.duplicates, "boxes that stand twice, dropped once"),
            (self.empty, "boxes without area, dropped"),
        )
        return [f"{text}: {len(places)} (first: {places[0]})" for places, text in kinds if places]


def make_objects(labels: Sequence[Label], findings: Findings) -> Objects:
    """Clips boxes to the image and drops repeated and empty ones, counting each."""
    kept: list[Label] = []
    seen: set[tuple[int, tuple[float, float, float, float]]] = set()
    for label in labels:
        key = label.class_id, label.box
        if key in seen:
            findings.duplicates.append(label.place)
            continue
        seen.add(key)
        x0, y0, x1, y1 = (min(max(side, 0.0), 1.0) for side in label.box)
        if x1 <= x0 or y1 <= y0:
            findings.empty.append(label.place)
            continue
        if min(label.box) < -_ROUNDING or max(label.box) > 1 + _ROUNDING:
            findings.clipped.append(label.place)
        kept.append(label._replace(box=(x0, y0, x1, y1)))
    return Objects(
        class_id=np.array([label.class_id for label in kept], np.int32),
        boxes=np.array([label.box for label in kept], np.float64).reshape(-1, 4),
        crowd=np.array([label.crowd for label in kept], np.bool_),
        area_px=np.array([label.area_px for label in kept], np.float64),
    )


def is_fraction(value: float) -> bool:
    """Whether a coordinate lies in 0..1, give or take the rounding of a file."""
    return -_ROUNDING <= value <= 1 + _ROUNDING
