"""The hyper-parameters of optimiser, loss and augmentation, and the YAML file that holds them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yolo_edge.finite import is_finite_number
from yolo_export.errors import ConfigError
from yolo_export.yaml_file import read_yaml
from yolo_train.augment import Augmentation
from yolo_train.loss.options import LossOptions
from yolo_train.training.optimiser_options import OptimiserOptions

__all__ = ["Hyperparameters", "read_hyperparameters"]

#: Ranges of YOLOv5's evolution of hyper-parameters, widened to what makes sense.
_RANGES = {
    "lr0": (1e-7, 10.0),
    "lrf": (1e-5, 1.0),
    "momentum": (0.0, 0.999),
    "weight_decay": (0.0, 1.0),
    "warmup_epochs": (0.0, 100.0),
    "warmup_momentum": (0.0, 0.999),
    "warmup_bias_lr": (0.0, 10.0),
    "box": (0.0, 100.0),
    "cls": (0.0, 100.0),
    "cls_pw": (0.01, 100.0),
    "obj": (0.0, 100.0),
    "obj_pw": (0.01, 100.0),
    "anchor_t": (1.01, 20.0),
    "fl_gamma": (0.0, 10.0),
    "label_smoothing": (0.0, 1.0),
}
#: Of YOLOv5's files, with the only value that can be granted, and why.
_FIXED = {
    "iou_t": (0.2, "nothing reads it, in YOLOv5 neither"),
    "copy_paste": (0.0, "it needs outlines of the objects, and labels here are boxes"),
}


@dataclass(frozen=True)
class Hyperparameters:
    """All of them; a file and ``--set`` name them flat, as YOLOv5's files do.

    Raises:
        ValueError: Values outside their range; the message names each with its range.
    """

    optimiser: OptimiserOptions = field(default_factory=OptimiserOptions)
    loss: LossOptions = field(default_factory=LossOptions)
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        faults = [
            f"{name} is {value!r}; it must be a number from {low:g} to {high:g}"
            for part in (self.optimiser, self.loss)
            for name, value in dataclasses.asdict(part).items()
            for low, high in [_RANGES[name]]
            if not (is_finite_number(value) and low <= value <= high)
        ]
        if faults:
            raise ValueError("; ".join(faults))

    def as_plain(self) -> dict[str, float]:
        """Numbers by name."""
        parts = (self.optimiser, self.loss, self.augmentation)
        return {name: float(value) for part in parts for name, value in dataclasses.asdict(part).items()}

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Hyperparameters:
        """Takes numbers by name; the others keep their defaults.

        Raises:
            ValueError: Names that are none and values out of range, all of them.
        """
        faults = []
        parts: list[Any] = []
        taken: set[str] = set()
        for kind in (OptimiserOptions, LossOptions, Augmentation):
            names = {each.name for each in dataclasses.fields(kind)}
            taken |= names
            given = {name: value for name, value in values.items() if name in names}
            try:
                parts.append(kind(**given))
            except ValueError as error:
                faults.append(str(error))
                parts.append(kind())
        for name, (only, why) in _FIXED.items():
            if name in values and values[name] != only:
                faults.append(f"{name} is {values[name]!r}; it can only be {only:g}: {why}")
        unknown = sorted(str(name) for name in values if name not in taken and name not in _FIXED)
        if unknown:
            faults.append(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(taken))}")
        made = None
        try:
            made = cls(*parts)
        except ValueError as error:
            faults.insert(0, str(error))
        if faults or made is None:
            raise ValueError("; ".join(faults))
        return made


def read_hyperparameters(path: Path | None, settings: Sequence[str] = ()) -> Hyperparameters:
    """Reads a YAML file, and single settings that go before it.

    Args:
        path: The file; None for the defaults.
        settings: Such as ``lr0=0.001``.

    Raises:
        ConfigError: The file cannot be read, or holds what is no hyper-parameter.
        ValueError: A setting is none, or out of its range.
    """
    values: dict[str, Any] = {}
    if path is not None:
        values = dict(read_yaml(path, expected="a mapping of hyper-parameters"))
        try:
            Hyperparameters.from_plain(values)
        except ValueError as error:
            raise ConfigError(f"{path}: {error}") from error
    for setting in settings:
        name, equals, text = setting.partition("=")
        try:
            values[name.strip()] = float(text)
        except ValueError:
            equals = ""
        if not equals:
            raise ValueError(f"--set {setting}: expected NAME=NUMBER, such as lr0=0.001")
    return Hyperparameters.from_plain(values)
