"""What the gate is told. Importing this imports nothing heavy: the command line shows the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["DEFAULT_MAX_DROP", "GateOptions"]

DEFAULT_MAX_DROP = 0.01
"""Average precision that a precision may lose."""


@dataclass(frozen=True)
class GateOptions:
    """What weights other than float32 are judged by.

    Raises:
        ValueError: ``max_drop`` is out of range.
    """

    data: Path
    """A labelled dataset, or a folder of images without labels."""
    max_drop: float = DEFAULT_MAX_DROP
    """Average precision that they may lose, 0..1; of unlabelled images the limit is fixed."""

    def __post_init__(self) -> None:
        if not 0 <= self.max_drop <= 1:
            raise ValueError(f"max_drop is {self.max_drop!r}; it must be a number from 0 to 1")
