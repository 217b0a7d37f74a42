"""A training from its options to ``best.pt``: sets it up, runs the epochs, keeps what they brought."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from yolo_edge.datasets import LabelledImage
from yolo_edge.options import DEFAULT_SIZE, validate_size
from yolo_edge.progress import Progress
from yolo_export.checkpoint import read_checkpoint
from yolo_train.anchors import fit_anchors
from yolo_train.datasets import TrainingDataset
from yolo_train.errors import TrainingError
from yolo_train.loading import TrainingBatches
from yolo_train.loss import DetectionLoss
from yolo_train.report.charts import Charts
from yolo_train.report.log import TrainingLog
from yolo_train.report.results import write_results
from yolo_train.training.average import MovingAverage
from yolo_train.training.determinism import available_cpus, deterministic
from yolo_train.training.frozen import freeze_layers
from yolo_train.training.hyperparameters import Hyperparameters
from yolo_train.training.optimiser import Schedule, create_optimiser
from yolo_train.training.options import TrainOptions
from yolo_train.training.precision import choose_precision
from yolo_train.training.run_folder import BEST, HYPERPARAMETERS, LAST, OPTIONS, RESULTS, write_yaml
from yolo_train.training.saving import checkpoint_content, write_checkpoint
from yolo_train.training.state import TrainingState
from yolo_train.training.trainer import Trainer, sizes_between
from yolo_train.training.validation import Validation, Validator
from yolo_train.training.weighting import ImageWeights, inverse_frequencies
from yolo_train.transfer import Start, prepare, starting_network

__all__ = ["Outcome", "train"]

_SINGLE_CLASS = ("object",)


@dataclass(frozen=True)
class Outcome:
    """What a training came to.

    Attributes:
        folder: Where everything is.
        epochs: That were trained, also before it was resumed.
        best_epoch: From 0.
        validation: Of ``best.pt``.
    """

    folder: Path
    epochs: int
    best_epoch: int
    validation: Validation


def train(
    dataset: TrainingDataset,
    options: TrainOptions,
    hyperparameters: Hyperparameters,
    folder: Path,
    *,
    progress: Progress,
    plots: bool = True,
    resumed: Mapping[str, Any] | None = None,
) -> Outcome:
    """Trains a network.

    Args:
        dataset: What it learns from.
        options: How.
        hyperparameters: How exactly.
        folder: A folder of its own, where the results go.
        progress: Where it is told.
        plots: Whether charts and pictures are drawn.
        resumed: What ``last.pt`` of this folder holds, to go on from it.

    Raises:
        ValueError: An option does not fit the network or the dataset.
        TrainingError: The loss or its gradient is not finite, a file cannot be written, or ``last.pt`` is of
            another dataset.
        CheckpointError: The weights cannot be read.
        SourceError: An image cannot be read.
    """
    with deterministic(options.threads or available_cpus()):
        return _Session(dataset, options, hyperparameters, folder, progress, resumed).run(plots=plots)


class _Session:
    def __init__(
        self,
        dataset: TrainingDataset,
        options: TrainOptions,
        hyperparameters: Hyperparameters,
        folder: Path,
        progress: Progress,
        resumed: Mapping[str, Any] | None,
    ) -> None:
        self._folder, self._progress = folder, progress
        self._hyperparameters = hyperparameters
        self._names, self._train, self._val = _classes_and_samples(dataset, options.single_cls)
        self._digest = _digest(self._names, self._train, self._val)
        start = self._resumed_start(resumed, options) if resumed else self._new_start(options)
        # As the trainer's images, and as oneDNN computes fastest.
        start.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch lacks the overload
        self._strides, self._anchors = start.strides, start.anchors_px
        self._architecture = start.architecture
        imgsz = options.imgsz or start.imgsz or DEFAULT_SIZE
        validate_size((imgsz, imgsz), max(self._strides))
        torch.manual_seed(options.seed)
        precision, why = (
            (options.precision, "as before")
            if resumed
            else choose_precision(options.precision, start.network, options.batch, imgsz)
        )
        self._options = dataclasses.replace(options, imgsz=imgsz, precision=precision)
        freeze_layers(start.network, options.freeze)
        self._describe(start, why)
        self._state = self._make_state(start)
        if resumed:
            self._state.restore(resumed["resume"])

    def _new_start(self, options: TrainOptions) -> Start:
        start = starting_network(options.weights, options.cfg, self._names, options.seed)
        if options.noautoanchor:
            return start
        fit = fit_anchors(
            self._train,
            start.anchors_px,
            options.imgsz or start.imgsz or DEFAULT_SIZE,
            strides=start.strides,
            threshold=self._hyperparameters.loss.anchor_t,
            seed=options.seed,
        )
        note = f"anchors: best possible recall {fit.given_recall:.4f}"
        if fit.changed:
            note += f"; others were found for these objects, with {fit.recall:.4f}"
        anchors = [list(head) for head in fit.anchors_px]
        return dataclasses.replace(start, anchors_px=anchors, notes=[*start.notes, note])

    def _resumed_start(self, content: Mapping[str, Any], options: TrainOptions) -> Start:
        """The network of ``last.pt``; its numbers follow."""
        if list(self._names) != content["names"]:
            raise TrainingError(
                f"{options.data}: now has the classes {', '.join(self._names)}; this training "
                f"began with {', '.join(map(str, content['names']))}"
            )
        if content["resume"]["dataset"] != self._digest:
            self._progress.message(
                f"note: {options.data} has changed since this training began; what is there now is used"
            )
        checkpoint = read_checkpoint(self._folder / LAST)
        prepare(checkpoint.network)
        return Start(
            checkpoint.network,
            checkpoint.strides,
            checkpoint.anchors_px,
            str(content["resume"]["architecture"]),
            notes=[f"goes on after epoch {len(content['resume']['history'])}"],
        )

    def _make_state(self, start: Start) -> TrainingState:
        options = self._options
        schedule = self._schedule(1)
        optimiser = create_optimiser(
            start.network,
            options.optimiser,
            self._hyperparameters.optimiser,
            images_per_step=options.batch * schedule.accumulated,
        )
        average = MovingAverage(start.network)
        return TrainingState(start.network, average, optimiser, class_ap=[0.0] * len(self._names))

    def _schedule(self, batches: int) -> Schedule:
        options = self._options
        return Schedule(
            self._hyperparameters.optimiser,
            options.epochs,
            batches,
            options.batch,
            options.cos_lr,
            options.nominal_batch,
        )

    def run(self, *, plots: bool) -> Outcome:
        """Trains what is left, then validates the best."""
        options, state = self._options, self._state
        if state.best is not None and not (self._folder / BEST).is_file():
            raise TrainingError(
                f"{self._folder / BEST}: is missing, and no later epoch may be better than that of epoch "
                f"{state.best + 1}; put it back, or begin anew with --weights {self._folder / LAST}"
            )
        batches = self._batches()
        validator = self._validator()
        loss = self._loss()
        log = TrainingLog(
            self._progress, epochs=options.epochs, first_epoch=state.next_epoch, batches=len(batches)
        )
        trainer = Trainer(
            state,
            batches,
            loss,
            validator,
            self._schedule(len(batches)),
            precision=options.precision,
            frozen=options.freeze,
            log=log,
            image_weights=ImageWeights(self._train, len(self._names)) if options.image_weights else None,
        )
        charts = self._charts() if plots else None
        if not state.history:
            write_yaml(self._folder / OPTIONS, options.as_plain())
            write_yaml(self._folder / HYPERPARAMETERS, self._hyperparameters.as_plain())
            self._keep(is_best=False)
            if charts is not None:
                charts.labels(self._train, options.data.name)
        while state.next_epoch < options.epochs and not state.stale(options.patience):
            first = state.next_epoch == 0
            result = trainer.run_epoch(charts.batch if charts is not None and first else None)
            is_best = state.add(result)
            self._keep(is_best=is_best)
            log.epoch_ends(result, best=is_best)
        if state.best is None:
            raise TrainingError(f"{self._folder}: not one epoch was trained")
        if state.next_epoch < options.epochs:
            self._progress.detail(
                f"stopped after epoch {state.next_epoch}: none of the last {options.patience} was better "
                f"than epoch {state.best + 1}"
            )
        best = read_checkpoint(self._folder / BEST).network
        validation = validator.run(best, loss, charts.on_image if charts is not None else None)
        if charts is not None:
            charts.finish(state.history, validation)
        return Outcome(self._folder, state.next_epoch, state.best, validation)

    def _charts(self) -> Charts:
        subject = f"{self._architecture} on {self._options.data.name}, {self._imgsz} px"
        return Charts(self._folder, self._names, subject, self._val)

    def _keep(self, *, is_best: bool) -> None:
        """Writes ``best.pt``, then ``last.pt``: whatever ends the program between, resuming finds both."""
        state, options = self._state, self._options
        content = checkpoint_content(
            state.average.network,
            names=self._names,
            strides=self._strides,
            anchors_px=self._anchors,
            epoch=state.next_epoch - 1,
            best_fitness=state.best_fitness,
            steps=state.average.steps,
            facts={
                "imgsz": options.imgsz,
                "epochs": options.epochs,
                "batch_size": options.batch,
                "optimizer": options.optimiser,
                "data": options.data.name,
                "weights": options.weights.name if options.weights else "",
                "cfg": Path(options.cfg).name if options.cfg else "",
            },
        )
        if is_best:
            write_checkpoint(self._folder / BEST, content)
        resume = {
            **state.as_plain(),
            "options": options.as_plain(),
            "hyperparameters": self._hyperparameters.as_plain(),
            "architecture": self._architecture,
            "dataset": self._digest,
        }
        write_checkpoint(self._folder / LAST, {**content, "resume": resume})
        if state.history:
            write_results(self._folder / RESULTS, state.history)

    def _batches(self) -> TrainingBatches:
        options, stride = self._options, max(self._strides)
        imgsz = self._imgsz
        return TrainingBatches(
            self._train,
            batch=options.batch,
            imgsz=imgsz,
            augmentation=self._hyperparameters.augmentation,
            seed=options.seed,
            workers=self._workers,
            cache_mb=options.cache_mb,
            rect=options.rect,
            sizes_px=tuple(sizes_between(imgsz, stride)) if options.multi_scale else None,
            stride_px=stride,
        )

    def _validator(self) -> Validator:
        return Validator(
            self._val,
            self._names,
            batch=self._options.batch,
            imgsz=self._imgsz,
            workers=self._workers,
            strides=self._strides,
            anchors_px=self._anchors,
        )

    def _loss(self) -> DetectionLoss:
        options = self._options
        weights = inverse_frequencies(self._train, len(self._names))
        return DetectionLoss(
            self._strides,
            self._anchors,
            len(self._names),
            self._hyperparameters.loss,
            imgsz=self._imgsz,
            class_weights=torch.from_numpy(weights.astype(np.float32)) if options.class_weights else None,
        )

    @property
    def _imgsz(self) -> int:
        return self._options.imgsz or DEFAULT_SIZE

    @property
    def _workers(self) -> int:
        given = self._options.workers
        return available_cpus() if given is None else given

    def _describe(self, start: Start, why_precision: str) -> None:
        options = self._options
        for line in start.report():
            self._progress.detail(line)
        self._progress.detail(
            f"{len(self._train)} images to train on, {len(self._val)} to validate on, {len(self._names)} "
            f"classes; {options.imgsz} px, batches of {options.batch}, {torch.get_num_threads()} threads, "
            f"{options.precision} ({why_precision})"
        )
        self._progress.detail(f"results go to {self._folder}")


def _classes_and_samples(
    dataset: TrainingDataset, single_class: bool
) -> tuple[tuple[str, ...], Sequence[LabelledImage], Sequence[LabelledImage]]:
    if not single_class or len(dataset.names) == 1:
        return dataset.names, dataset.train, dataset.val
    train, val = (tuple(map(_of_one_class, part)) for part in (dataset.train, dataset.val))
    return _SINGLE_CLASS, train, val


def _of_one_class(image: LabelledImage) -> LabelledImage:
    objects = image.objects
    merged = dataclasses.replace(objects, class_id=np.zeros_like(objects.class_id))
    return dataclasses.replace(image, objects=merged)


def _digest(names: Sequence[str], *splits: Sequence[LabelledImage]) -> str:
    """What tells whether a dataset is still the same: its images' names and labels."""
    made = hashlib.sha256("\0".join(names).encode())
    for split in splits:
        for image in split:
            made.update(image.path.name.encode("utf-8", "surrogateescape"))
            made.update(image.objects.class_id.tobytes())
            made.update(image.objects.boxes.tobytes())
        made.update(b"\0")
    return made.hexdigest()
