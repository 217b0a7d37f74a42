"""Runs a detector over a dataset and computes its figures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from yolo_edge.detections import Detections
from yolo_edge.detector import Detector
from yolo_edge.options import DetectOptions
from yolo_edge.progress import Progress
from yolo_edge.sources.base import FailedFrame
from yolo_edge.sources.images import ImagesSource
from yolo_edge.val.dataset import Dataset
from yolo_edge.val.figures import Figures, ImageBoxes, average_precision, require_pycocotools
from yolo_edge.val.labels import DatasetError, LabelledImage
from yolo_edge.val.options import EVALUATION_OPTIONS


@dataclass
class EvaluationTimes:
    """Where the time went, in seconds."""

    images: int = 0
    decode_s: float = 0.0
    """Reading and decoding image files."""
    letterbox_s: float = 0.0
    inference_s: float = 0.0
    postprocess_s: float = 0.0
    other_s: float = 0.0
    """What else the loop over the images takes."""
    average_precision_s: float = 0.0
    """pycocotools, after the loop."""

    @property
    def loop_s(self) -> float:
        """The loop over the images."""
        return self.decode_s + self.letterbox_s + self.inference_s + self.postprocess_s + self.other_s

    @property
    def total_s(self) -> float:
        """The loop and the figures."""
        return self.loop_s + self.average_precision_s

    @property
    def images_per_second(self) -> float:
        """Images per second of the loop."""
        return self.images / self.loop_s if self.loop_s > 0 else 0.0

    @property
    def overhead(self) -> float:
        """Share of the loop outside the engine and image decoding, 0..1."""
        return 1 - (self.decode_s + self.inference_s) / self.loop_s if self.loop_s > 0 else 0.0

    @property
    def total_overhead(self) -> float:
        """The same share of the total, so with pycocotools counted as overhead."""
        return 1 - (self.decode_s + self.inference_s) / self.total_s if self.total_s > 0 else 0.0


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation."""

    figures: Figures
    times: EvaluationTimes
    detections: int
    """Boxes found in all images."""
    failures: tuple[str, ...]
    """Images that could not be evaluated, and why; their objects count nowhere."""


def evaluate(
    detector: Detector,
    dataset: Dataset,
    *,
    options: DetectOptions = EVALUATION_OPTIONS,
    progress: Progress | None = None,
) -> Evaluation:
    """Detects in every image of a dataset and compares with its labels.

    Args:
        detector: What detects.
        dataset: Of :func:`~yolo_edge.val.dataset.open_dataset`, with this detector's class names.
        options: Thresholds and limits; ``classes`` must be None, the dataset says which.
        progress: Told of every image; messages only if None.

    Raises:
        ValueError: ``options.classes`` is given.
        DatasetError: Not one image could be evaluated.
        MissingExtraError: pycocotools or OpenCV is not installed.
    """
    require_pycocotools()
    if options.classes is not None:
        raise ValueError(
            "options.classes is given; open_dataset(classes=...) chooses the classes to evaluate"
        )
    names = detector.bundle.names
    class_ids = list(dataset.class_ids) if len(dataset.class_ids) < len(names) else None
    progress = progress if progress is not None else Progress(quiet=True)
    source = ImagesSource([image.path for image in dataset.images])
    times = EvaluationTimes()
    evaluated: list[ImageBoxes] = []
    failures: list[str] = []

    started = asked = time.perf_counter()
    for labelled, item in zip(dataset.images, source):
        times.decode_s += time.perf_counter() - asked
        try:
            if isinstance(item, FailedFrame):
                raise DatasetError(item.error)
            _check_size(labelled, (item.image.shape[0], item.image.shape[1]))
            detections = detector.detect(item.image, classes=class_ids, options=options)
        except DatasetError as error:
            failures.append(str(error))
            progress.message(str(error))
        else:
            evaluated.append(_in_pixels(labelled, (item.image.shape[0], item.image.shape[1]), detections))
            if stages := detections.times:
                times.letterbox_s += stages.letterbox_ms / 1e3
                times.inference_s += stages.inference_ms / 1e3
                times.postprocess_s += stages.postprocess_ms / 1e3
            times.images += 1
            elapsed = time.perf_counter() - started
            progress.frame(source, times.images, times.images / elapsed, len(detections))
        asked = time.perf_counter()
    finished = time.perf_counter()
    times.other_s = max(0.0, finished - started - times.loop_s)
    if not evaluated:
        raise DatasetError(f"{dataset.path}: not one of its {len(dataset.images)} images could be evaluated")
    figures = average_precision(evaluated, names)
    times.average_precision_s = time.perf_counter() - finished
    return Evaluation(
        figures=figures,
        times=times,
        detections=sum(len(image.found) for image in evaluated),
        failures=tuple(failures),
    )


def _check_size(labelled: LabelledImage, size_hw: Sequence[int]) -> None:
    """Refuses an image of another size than its labels were made for.

    Raises:
        DatasetError: They differ.
    """
    if labelled.size_hw is not None and labelled.size_hw != tuple(size_hw):
        height, width = labelled.size_hw
        raise DatasetError(
            f"{labelled.path}: is {size_hw[1]}x{size_hw[0]} pixels, but its labels are for {width}x{height}"
        )


def _in_pixels(labelled: LabelledImage, size_hw: tuple[int, int], found: Detections) -> ImageBoxes:
    objects = labelled.objects
    height, width = size_hw
    xyxy = objects.boxes * np.array([width, height, width, height], np.float64)
    box_area = (xyxy[:, 2] - xyxy[:, 0]) * (xyxy[:, 3] - xyxy[:, 1])
    area_px = np.where(np.isnan(objects.area_px), box_area, objects.area_px)
    return ImageBoxes(xyxy, objects.class_id, objects.crowd, area_px, found)
