"""The loop: epochs of batches, validation, and what is kept of them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from yolo_train.errors import TrainingError
from yolo_train.loading import Batch, TrainingBatches
from yolo_train.loss import DetectionLoss
from yolo_train.report.log import TrainingLog
from yolo_train.report.results import EpochResult
from yolo_train.training.frozen import train_mode
from yolo_train.training.optimiser import Schedule
from yolo_train.training.precision import autocast
from yolo_train.training.state import TrainingState
from yolo_train.training.weighting import ImageWeights

if TYPE_CHECKING:
    from collections.abc import Callable

    from yolo_train.training.validation import Validator

__all__ = ["EpochTimes", "Trainer"]

_MAX_GRADIENT_NORM = 10.0


@dataclass
class EpochTimes:
    """Where the time of an epoch's training went, in seconds."""

    loading_s: float = 0.0
    """Waiting for images."""
    compute_s: float = 0.0
    """Forward, loss and backward."""
    step_s: float = 0.0
    """The optimiser and the moving average."""
    total_s: float = 0.0

    @property
    def overhead(self) -> float:
        """Share of the total that is none of these, 0..1."""
        used = self.loading_s + self.compute_s + self.step_s
        return 1 - used / self.total_s if self.total_s > 0 else 0.0


class Trainer:
    """Trains a network epoch by epoch.

    Args:
        state: Network, average, optimiser.
        batches: What is trained on.
        loss: What is made small.
        validator: Judges the average after each epoch.
        schedule: Of the learning rate.
        precision: ``fp32`` or ``bf16``.
        frozen: How many layers keep their numbers.
        log: Is told of every step.
        image_weights: What images come up by; None for each once.

    Attributes:
        times: Of the last epoch.
    """

    def __init__(
        self,
        state: TrainingState,
        batches: TrainingBatches,
        loss: DetectionLoss,
        validator: Validator,
        schedule: Schedule,
        *,
        precision: str,
        frozen: int,
        log: TrainingLog,
        image_weights: ImageWeights | None = None,
    ) -> None:
        self.state = state
        self.times = EpochTimes()
        self._batches = batches
        self._loss = loss
        self._validator = validator
        self._schedule = schedule
        self._precision = precision
        self._frozen = frozen
        self._log = log
        self._image_weights = image_weights
        self._images = 0
        self._parameters = [
            parameter for group in state.optimiser.param_groups for parameter in group["params"]
        ]

    def run_epoch(self, on_batch: Callable[[int, Batch], None] | None = None) -> EpochResult:
        """Trains one epoch and validates.

        Args:
            on_batch: Gets the number of each batch and the batch, before it is trained on.

        Raises:
            TrainingError: The loss or its gradient is not finite.
            SourceError: An image cannot be read.
        """
        started = time.perf_counter()
        epoch = self.state.next_epoch
        box, obj, cls = self.train_epoch(epoch, on_batch)
        trained_s = self.times.total_s
        self._log.validating(epoch)
        validation = self._validator.run(self.state.average.network, self._loss)
        self.state.class_ap = validation.class_ap
        best = validation.evaluation.curves.best_f1()
        return EpochResult(
            epoch=epoch,
            train_box=box,
            train_obj=obj,
            train_cls=cls,
            precision=(best.precision or 0.0) if best else 0.0,
            recall=best.recall if best else 0.0,
            ap50=validation.ap50,
            ap=validation.ap,
            val_box=validation.losses[0],
            val_obj=validation.losses[1],
            val_cls=validation.losses[2],
            lr=float(self.state.optimiser.param_groups[0]["lr"]),
            seconds=time.perf_counter() - started,
            images_per_second=self._images / trained_s,
            loading_s=self.times.loading_s,
        )

    def train_epoch(
        self, epoch: int, on_batch: Callable[[int, Batch], None] | None = None
    ) -> tuple[float, float, float]:
        """Trains one epoch, without validation; returns the mean parts of the loss."""
        self.times = times = EpochTimes()
        started = mark = time.perf_counter()
        train_mode(self.state.network, self._frozen)
        self._log.epoch_begins()
        count = len(self._batches)
        sums, images, gathered = torch.zeros(3), 0, 0
        chosen = self._image_weights
        weights = None if chosen is None else chosen.of(self.state.class_ap)
        with closing(self._batches.epoch(epoch, weights=weights)) as batches:
            for index, batch in enumerate(batches):
                now = time.perf_counter()
                times.loading_s += now - mark
                if on_batch is not None:
                    on_batch(index, batch)
                    now = time.perf_counter()
                wanted = self._schedule.apply(self.state.optimiser, epoch, index)
                parts = self._backward(batch)
                place = f"epoch {epoch + 1}, batch {index + 1} of {count}"
                total = float(parts.sum())
                if not math.isfinite(total):
                    raise _not_finite("loss", total, place)
                computed = time.perf_counter()
                times.compute_s += computed - now
                gathered += 1
                if gathered >= wanted or index == count - 1:
                    norm = self._step()
                    if not math.isfinite(norm):
                        raise _not_finite("gradient", norm, place)
                    gathered = 0
                    times.step_s += time.perf_counter() - computed
                sums += parts * len(batch)
                images += len(batch)
                if self._log.due(len(batch)):
                    self._log.batch(epoch, index + 1, total)
                mark = time.perf_counter()
        times.total_s = time.perf_counter() - started
        self._images = images
        box, obj, cls = (sums / images).tolist()
        return box, obj, cls

    def _backward(self, batch: Batch) -> torch.Tensor:
        """Gathers the gradients of a batch; returns the parts of its loss."""
        images = torch.from_numpy(batch.images).float().div_(255)
        images = images.contiguous(memory_format=torch.channels_last)
        with autocast(self._precision):
            heads = self.state.network(images)
        parts = self._loss(heads, torch.from_numpy(batch.targets))
        (parts.total * len(batch)).backward()  # type: ignore[no-untyped-call]
        return torch.stack(list(parts)).detach()

    def _step(self) -> float:
        """Moves the network and the average; returns the length that the gradient had."""
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, _MAX_GRADIENT_NORM, foreach=True)
        self.state.optimiser.step()
        self.state.optimiser.zero_grad(set_to_none=True)
        self.state.average.follow()
        return float(norm)


def _not_finite(what: str, value: float, place: str) -> TrainingError:
    return TrainingError(
        f"the {what} became {value} in {place}: a smaller learning rate may help (--set lr0=0.001), and "
        "`yolo-train check` shows labels that look wrong; last.pt holds the epoch before"
    )


def sizes_between(imgsz: int, stride: int) -> Iterator[int]:
    """Multi-scale sizes: multiples of the stride from half to one and a half of a size."""
    low, high = max(1, math.ceil(imgsz * 0.5 / stride)), math.floor(imgsz * 1.5 / stride)
    return (stride * step for step in range(low, high + 1))
