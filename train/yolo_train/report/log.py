"""What a training says while it runs: a line that rewrites itself, and one for each epoch that stays."""

from __future__ import annotations

import time

from yolo_edge.progress import Progress, duration
from yolo_train.report.results import EpochResult

__all__ = ["TrainingLog"]


class TrainingLog:
    """Shows how far a training is.

    Args:
        progress: Where it is shown.
        epochs: Of the whole training.
        first_epoch: Which one comes first, from 0.
        batches: In an epoch.
    """

    def __init__(self, progress: Progress, *, epochs: int, first_epoch: int, batches: int) -> None:
        self._progress = progress
        self._epochs = epochs
        self._first = first_epoch
        self._batches = batches
        self._started = time.monotonic()
        self._epoch_started = self._started
        self._images = 0

    def epoch_begins(self) -> None:
        """Starts counting the images of an epoch."""
        self._epoch_started = time.monotonic()
        self._images = 0

    def due(self, images: int) -> bool:
        """Counts images that were trained on; whether `batch` would show something now."""
        self._images += images
        return self._progress.due()

    def batch(self, epoch: int, done: int, loss: float) -> None:
        """Tells how far the epoch is."""
        now = time.monotonic()
        rate = self._images / max(now - self._epoch_started, 1e-9)
        share = done / self._batches
        self._progress.status(
            f"epoch {epoch + 1}/{self._epochs}, batch {done}/{self._batches}: loss {loss:.4f}, "
            f"{rate:.1f} images per second, {self._left(epoch + share, now)}"
        )

    def validating(self, epoch: int) -> None:
        """Tells that validation has begun."""
        self._progress.status(f"epoch {epoch + 1}/{self._epochs}: validating")

    def epoch_ends(self, result: EpochResult, *, best: bool) -> None:
        """Shows an epoch's line."""
        left = self._left(result.epoch + 1, time.monotonic())
        self._progress.detail(
            f"epoch {result.epoch + 1:>{len(str(self._epochs))}}/{self._epochs}  "
            f"loss {result.train_loss:.4f} (box {result.train_box:.4f} obj {result.train_obj:.4f} "
            f"cls {result.train_cls:.4f})  AP50 {result.ap50:.4f}  AP {result.ap:.4f}  "
            f"{result.images_per_second:.1f} images/s  {duration(result.seconds)}, {left}"
            + ("  best" if best else "")
        )

    def _left(self, epochs_done: float, now: float) -> str:
        done = epochs_done - self._first
        if done <= 0:
            return "time left unknown"
        if epochs_done >= self._epochs:
            return "done"
        return f"{duration((now - self._started) / done * (self._epochs - epochs_done))} left"
