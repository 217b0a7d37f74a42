"""What the gate is told. Importing this imports nothing heavy: the command line shows the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = [
    "DEFAULT_COUNT",
    "DEFAULT_LIMIT_S",
    "DEFAULT_MAX_DROP",
    "DEFAULT_METHOD",
    "DEFAULT_SEED",
    "CalibrationOptions",
    "GateOptions",
]

DEFAULT_METHOD = "percentile"
"""How the ranges of maps follow from their values."""

DEFAULT_COUNT = 64
"""Calibration images that are drawn. On COCO the ranges hardly move beyond."""

DEFAULT_SEED = 0
"""What they are drawn with."""

DEFAULT_MAX_DROP = 0.01
"""Average precision that a precision may lose."""

DEFAULT_LIMIT_S = 600.0
"""Seconds after which no further choice of layers in float is tried."""


@dataclass(frozen=True)
class CalibrationOptions:
    """What integer weights are calibrated with; None stands for the default."""

    data: Path
    """A folder of images, a dataset's folder or YAML, or a text file that names an image in each line."""
    method: str | None = None
    """How a range follows from the values."""
    count: int | None = None
    """Images that are drawn."""
    seed: int | None = None
    """Another seed, other images."""
    float_layers: tuple[str, ...] | Literal["auto"] = ()
    """Names of convolutions that stay in float; ``auto`` finds the fewest with which the gate opens."""


@dataclass(frozen=True)
class GateOptions:
    """What weights other than float32 are judged by.

    Raises:
        ValueError: ``max_drop`` is out of range.
    """

    data: Path | None = None
    """A labelled dataset, or a folder of images without labels; None takes calibration images that are held
    out, and leaves fp16 weights at the comparison with the source."""
    max_drop: float = DEFAULT_MAX_DROP
    """Average precision that they may lose, 0..1; of unlabelled images the limit is fixed."""

    def __post_init__(self) -> None:
        if not 0 <= self.max_drop <= 1:
            raise ValueError(f"max_drop is {self.max_drop!r}; it must be a number from 0 to 1")
