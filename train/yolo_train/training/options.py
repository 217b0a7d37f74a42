"""What a training is told; the command line takes its defaults from here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolo_edge.options import MOST_THREADS
from yolo_train.training.optimiser_options import NOMINAL_BATCH

__all__ = ["OPTIMISERS", "PRECISIONS", "TrainOptions"]

OPTIMISERS = ("sgd", "adamw")
PRECISIONS = ("auto", "fp32", "bf16")


@dataclass(frozen=True)
class TrainOptions:
    """The options of a training.

    Raises:
        ValueError: Values outside their range; the message names each with its range.
    """

    data: Path
    """The dataset YAML."""
    weights: Path | None = None
    """Checkpoint that training starts from."""
    cfg: str | None = None
    """Network by name or YAML file; without ``weights`` it starts from random numbers."""
    epochs: int = 100
    batch: int = 16
    """Images at once."""
    nominal_batch: int = NOMINAL_BATCH
    """Gradients are gathered until so many images have been seen, whatever ``batch`` is. With fewer an epoch
    has more steps, which short trainings profit from."""
    imgsz: int | None = None
    """Side of the network's input in px; None is what the checkpoint was trained at, else 640."""
    optimiser: str = "sgd"
    """``sgd`` with Nesterov momentum, or ``adamw``, which wants ``lr0`` 0.001 and ``warmup_bias_lr`` 0."""
    cos_lr: bool = False
    """The learning rate falls along a cosine instead of a line."""
    patience: int = 100
    """Epochs without a better result after which training stops; 0 never stops early."""
    freeze: int = 0
    """The first so many layers keep their numbers, those of their batch norms too."""
    rect: bool = False
    """Batches of images of like shape, with less padding and without mosaic."""
    single_cls: bool = False
    """All objects are of one class, ``object``."""
    multi_scale: bool = False
    """Every batch has a size of its own, from half to one and a half times ``imgsz``."""
    image_weights: bool = False
    """Images whose classes are found badly come up more often."""
    class_weights: bool = False
    """In the loss rare classes count more: with the inverse of how often they occur."""
    noautoanchor: bool = False
    """Anchors stay as they are, however badly they fit."""
    precision: str = "fp32"
    """``auto`` takes bf16 where this CPU has it and a trial shows that it is faster. Not the default: a trial
    may come out otherwise the next time, and then the same seed gives other weights."""
    seed: int = 0
    threads: int | None = None
    """Of torch; None for all CPUs that the process may use. Another number may give other last digits."""
    workers: int | None = None
    """Threads that load images; None chooses."""
    cache_mb: float = 1000.0
    """Memory for decoded images in 10^6 bytes."""

    def __post_init__(self) -> None:
        faults = [
            f"{name} is {value!r}; it must be a whole number of at least {least}"
            for name, least in _LEAST.items()
            if (value := getattr(self, name)) is not None
            and (not isinstance(value, int) or isinstance(value, bool) or value < least)
        ]
        faults += [
            f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(allowed)}"
            for name, allowed in (("optimiser", OPTIMISERS), ("precision", PRECISIONS))
            if getattr(self, name) not in allowed
        ]
        faults += [
            f"{name} is {value}; it must be at most {MOST_THREADS}"
            for name in ("threads", "workers")
            if isinstance(value := getattr(self, name), int) and value > MOST_THREADS
        ]
        if not self.cache_mb >= 0:
            faults.append(f"cache_mb is {self.cache_mb!r}; it must be 0 or more")
        if self.weights is None and self.cfg is None:
            faults.append("give --weights CHECKPOINT, or --cfg NAME for random weights")
        if self.rect and self.image_weights:
            faults.append("rect sorts the images by shape, so image_weights cannot choose them")
        if faults:
            raise ValueError("; ".join(faults))

    def as_plain(self) -> dict[str, Any]:
        """The options as texts, numbers and None."""
        values = dataclasses.asdict(self)
        return {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> TrainOptions:
        """The inverse of `as_plain`.

        Raises:
            ValueError: Names that are no options, or values out of range.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(map(str, set(values) - known)):
            raise ValueError(f"unknown options: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        paths = {name: Path(values[name]) for name in ("data", "weights") if values.get(name) is not None}
        return cls(**{**values, **paths})


_LEAST = {
    "epochs": 1,
    "batch": 1,
    "nominal_batch": 1,
    "imgsz": 1,
    "patience": 0,
    "freeze": 0,
    "seed": 0,
    "threads": 1,
    "workers": 0,
}
