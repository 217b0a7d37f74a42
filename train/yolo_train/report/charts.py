"""The charts and pictures of one training, in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from yolo_edge.datasets import LabelledImage
from yolo_edge.val.plots import plot_evaluation
from yolo_train.loading import Batch, draw_batch
from yolo_train.report.curves import plot_results
from yolo_train.report.labels import plot_labels
from yolo_train.report.pictures import PredictionSheet, save_picture
from yolo_train.report.results import EpochResult
from yolo_train.training.validation import OnImage, Validation

__all__ = ["Charts"]

_BATCHES = 3


class Charts:
    """Draws what a training shows of itself.

    Args:
        folder: Where the files go.
        names: Class names.
        subject: What is trained on what.
        val: The validation images.
    """

    def __init__(
        self, folder: Path, names: Sequence[str], subject: str, val: Sequence[LabelledImage]
    ) -> None:
        self._folder, self._names, self._subject = folder, names, subject
        self._sheet = PredictionSheet(val, names)

    def labels(self, train: Sequence[LabelledImage], data: str) -> None:
        """``labels.png``."""
        subject = f"{len(train)} images of {data}"
        plot_labels(train, self._names, self._folder / "labels.png", subject)

    def batch(self, index: int, batch: Batch) -> None:
        """``train_batch0.png`` and the next ones: the first batches of the first epoch."""
        if index < _BATCHES:
            save_picture(draw_batch(batch, self._names), self._folder / f"train_batch{index}.png")

    @property
    def on_image(self) -> OnImage:
        """What the last validation is to call with every image."""
        return self._sheet.add

    def finish(self, history: Sequence[EpochResult], validation: Validation) -> None:
        """The course of the training, the curves of the best network, and what it finds.

        Raises:
            SinkError: A file cannot be written.
        """
        plot_results(history, self._folder / "results.png", self._subject)
        plot_evaluation(validation.evaluation, self._folder, f"best.pt, {self._subject}")
        self._sheet.save(self._folder / "val_labels.png", self._folder / "val_predictions.png")
