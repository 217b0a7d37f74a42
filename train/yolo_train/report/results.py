"""The figures of each epoch, and ``results.csv``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolo_edge.file_replacement import replace_text
from yolo_train.errors import TrainingError

__all__ = ["COLUMNS", "EpochResult", "write_results"]

COLUMNS = {
    "epoch": "epoch",
    "train_box": "train/box_loss",
    "train_obj": "train/obj_loss",
    "train_cls": "train/cls_loss",
    "precision": "metrics/precision",
    "recall": "metrics/recall",
    "ap50": "metrics/mAP_0.5",
    "ap": "metrics/mAP_0.5:0.95",
    "val_box": "val/box_loss",
    "val_obj": "val/obj_loss",
    "val_cls": "val/cls_loss",
    "lr": "x/lr0",
    "seconds": "seconds",
    "images_per_second": "images_per_second",
    "loading_s": "loading_s",
}
"""Columns of ``results.csv`` by field; the first twelve are called as in YOLOv5's."""


@dataclass(frozen=True)
class EpochResult:
    """One epoch."""

    epoch: int
    """From 0."""
    train_box: float
    train_obj: float
    train_cls: float
    precision: float
    """At the confidence with the best F1, like recall."""
    recall: float
    ap50: float
    ap: float
    val_box: float
    val_obj: float
    val_cls: float
    lr: float
    """Of the weights, at the end of the epoch."""
    seconds: float
    """With validation."""
    images_per_second: float
    """In training."""
    loading_s: float
    """Time in which the training waited for images."""

    @property
    def fitness(self) -> float:
        """What decides which epoch is best, as in YOLOv5: a tenth AP50, the rest AP."""
        return 0.1 * self.ap50 + 0.9 * self.ap

    @property
    def train_loss(self) -> float:
        """All parts together."""
        return self.train_box + self.train_obj + self.train_cls

    def as_plain(self) -> dict[str, Any]:
        """Numbers by field."""
        return dataclasses.asdict(self)

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> EpochResult:
        """The inverse of `as_plain`."""
        return cls(**values)


def write_results(path: Path, history: Sequence[EpochResult]) -> None:
    """Writes ``results.csv`` anew.

    Raises:
        TrainingError: It cannot be written.
    """
    lines = [",".join(COLUMNS.values())]
    for result in history:
        values = result.as_plain()
        lines.append(",".join(_text(values[name]) for name in COLUMNS))
    try:
        replace_text(path, "\n".join(lines) + "\n")
    except OSError as error:
        raise TrainingError(f"{path}: cannot be written: {error.strerror}") from error


def _text(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"
