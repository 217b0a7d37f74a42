"""The part of the training command that needs torch."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from yolo_edge.progress import Progress
from yolo_edge.table import format_table
from yolo_train.datasets import open_training_dataset
from yolo_train.errors import TrainingError
from yolo_train.training.hyperparameters import Hyperparameters, read_hyperparameters
from yolo_train.training.options import TrainOptions
from yolo_train.training.run_folder import BEST, LAST, create_run_folder, find_last
from yolo_train.training.saving import read_resume
from yolo_train.training.session import Outcome, train

__all__ = ["begin", "resume"]


def begin(
    options: TrainOptions,
    hyp: Path | None,
    settings: Sequence[str],
    place: tuple[Path, str, Path | None],
    progress: Progress,
    *,
    plots: bool,
) -> int:
    """Begins a training in a folder of its own."""
    hyperparameters = read_hyperparameters(hyp, settings)
    dataset = open_training_dataset(options.data)
    for warning in dataset.warnings:
        progress.message(f"note: {warning}")
    out = place[2]
    was_there = out is not None and out.exists()
    folder = create_run_folder(*place)
    try:
        return _finish(
            folder,
            progress,
            lambda: train(dataset, options, hyperparameters, folder, progress=progress, plots=plots),
        )
    except (RuntimeError, ValueError, OSError):
        if not was_there:
            with suppress(OSError):  # anything in it is worth keeping
                folder.rmdir()
        raise


def resume(folder: Path, given: Mapping[str, Any], progress: Progress, *, plots: bool) -> int:
    """Goes on with an interrupted training."""
    last = find_last(folder)
    content = read_resume(last)
    if last.name != LAST:
        raise TrainingError(f"{last}: a training goes on in its folder, from the file {LAST} in it")
    kept = content["resume"]
    try:
        options = TrainOptions.from_plain(kept["options"])
        hyperparameters = Hyperparameters.from_plain(kept["hyperparameters"])
    except (TypeError, ValueError) as error:
        raise TrainingError(f"{last}: its options are damaged or of another version: {error}") from error
    options = dataclasses.replace(options, **given)
    dataset = open_training_dataset(options.data)
    return _finish(
        last.parent,
        progress,
        lambda: train(
            dataset, options, hyperparameters, last.parent, progress=progress, plots=plots, resumed=content
        ),
    )


def _finish(folder: Path, progress: Progress, work: Callable[[], Outcome]) -> int:
    try:
        outcome = work()
    except KeyboardInterrupt:
        progress.clear()
        if (folder / LAST).exists():
            progress.message(
                f"interrupted; `yolo-train --resume {folder}` goes on after the last whole epoch"
            )
        raise
    sys.stdout.write(_table(outcome) + f"\nwrote {folder / BEST}\n")
    return 0


def _table(outcome: Outcome) -> str:
    figures = outcome.validation.evaluation.figures
    rows = [
        [row.name, str(row.images), str(row.objects), f"{row.ap50:.4f}", f"{row.ap:.4f}"]
        for row in figures.classes
    ]
    rows.insert(
        0,
        [
            "all",
            str(outcome.validation.evaluation.times.images),
            str(figures.objects),
            f"{outcome.validation.ap50:.4f}",
            f"{outcome.validation.ap:.4f}",
        ],
    )
    title = f"epoch {outcome.best_epoch + 1} of {outcome.epochs} is the best"
    return f"{title}\n" + format_table(["class", "images", "objects", "AP@.50", "AP@[.50:.95]"], rows)
