"""Runs a detector over a dataset and computes its figures."""

from __future__ import annotations

import dataclasses
import math
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from yolo_edge.datasets.dataset import Dataset
from yolo_edge.datasets.labels import LabelledImage
from yolo_edge.detections import Detections
from yolo_edge.detector import Detector
from yolo_edge.errors import DatasetError
from yolo_edge.options import DetectOptions
from yolo_edge.progress import Progress
from yolo_edge.read_ahead import Read, read_ahead
from yolo_edge.sources.base import FailedFrame, FrameOrFailure
from yolo_edge.sources.images import ImagesSource
from yolo_edge.val.comparison import Comparison, ImageBoxes, Parameters, compare
from yolo_edge.val.confidence_curves import ConfidenceCurves, confidence_curves
from yolo_edge.val.confusion import ConfusionCounter, ConfusionMatrix
from yolo_edge.val.figures import Figures, figures_of, require_pycocotools
from yolo_edge.val.options import EVALUATION_OPTIONS, ConfusionThresholds


@dataclass
class EvaluationTimes:
    """Where the time went, in seconds. Stages overlap, so together they may take longer than the whole."""

    images: int = 0
    decode_s: float = 0.0
    """Reading and decoding image files, in a thread of its own."""
    letterbox_s: float = 0.0
    inference_s: float = 0.0
    """The engine at work, on its thread."""
    postprocess_s: float = 0.0
    average_precision_s: float = 0.0
    """The figures, after the last image."""
    busy_s: float = 0.0
    """Wall time in which the engine was at work, or an image was being decoded, or both."""
    total_s: float = 0.0
    """Wall time from asking for the first image to having the figures."""

    @property
    def loop_s(self) -> float:
        """Wall time of the images, without the figures."""
        return self.total_s - self.average_precision_s

    @property
    def images_per_second(self) -> float:
        """Images per second of wall time, the figures included."""
        return self.images / self.total_s if self.total_s > 0 else 0.0

    @property
    def overhead(self) -> float:
        """Share of the total in which neither the engine was at work nor an image was being decoded, 0..1."""
        return 1 - self.busy_s / self.total_s if self.total_s > 0 else 0.0


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation."""

    figures: Figures
    times: EvaluationTimes
    detections: int
    """Boxes found in all images."""
    failures: tuple[str, ...]
    """Images that could not be evaluated, and why; their objects count nowhere."""
    compared: tuple[Comparison, ...] = field(repr=False, compare=False)
    """What the curves are made of, image by image."""
    confused: ConfusionCounter = field(repr=False, compare=False)
    """What the confusion matrix is made of."""
    names: tuple[str, ...] = field(repr=False)
    """The model's class names."""

    @cached_property
    def curves(self) -> ConfidenceCurves:
        """Precision, recall and F1 over confidence; computed when first asked for."""
        return confidence_curves(self.compared, self.names, Parameters.of_coco())

    @cached_property
    def confusion(self) -> ConfusionMatrix:
        """Which classes were taken for which; computed when first asked for."""
        return self.confused.matrix()


def evaluate(
    detector: Detector,
    dataset: Dataset,
    *,
    options: DetectOptions = EVALUATION_OPTIONS,
    confusion: ConfusionThresholds | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Detects in every image of a dataset and compares with its labels.

    Args:
        detector: What detects.
        dataset: Of :func:`~yolo_edge.datasets.dataset.open_dataset`, with this detector's class names.
        options: Thresholds and limits; ``classes`` must be None, the dataset says which.
        confusion: Where the confusion matrix is taken; the defaults of ConfusionThresholds if None. Boxes
            below ``options.conf`` are not in it either.
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
    busy: list[tuple[float, float]] = []
    parameters = Parameters.of_coco()
    evaluated: list[Comparison] = []
    thresholds = confusion if confusion is not None else ConfusionThresholds()
    thresholds = dataclasses.replace(thresholds, conf=max(thresholds.conf, options.conf))
    confused = ConfusionCounter(names, thresholds)
    detections = 0
    failures: list[str] = []
    asked: deque[tuple[LabelledImage, tuple[int, int]]] = deque()

    def images(reads: Iterable[Read[FrameOrFailure]]) -> Iterator[npt.NDArray[np.uint8]]:
        """What can be evaluated; the detector asks for the next image while the engine computes one."""
        for labelled, read in zip(dataset.images, reads):
            times.decode_s += read.to_s - read.from_s
            busy.append((read.from_s, read.to_s))
            try:
                image = _checked(labelled, read.item)
            except DatasetError as error:
                failures.append(str(error))
                progress.message(str(error))
            else:
                asked.append((labelled, (image.shape[0], image.shape[1])))
                yield image

    started = time.perf_counter()
    with ExitStack() as stack:
        reads = stack.enter_context(closing(read_ahead(source)))
        results = detector.detect_stream(images(reads), classes=class_ids, options=options)
        stack.callback(results.close)
        for found in results:
            # While the engine computes the next image.
            boxes = image_boxes(*asked.popleft(), found)
            evaluated.append(compare(boxes, parameters))
            confused.add(boxes)
            detections += len(found)
            times.images += 1
            if stages := found.times:
                times.letterbox_s += stages.letterbox_ms / 1e3
                times.inference_s += stages.engine_to_s - stages.engine_from_s
                times.postprocess_s += stages.postprocess_ms / 1e3
                busy.append((stages.engine_from_s, stages.engine_to_s))
            elapsed = time.perf_counter() - started
            progress.frame(source, times.images, times.images / elapsed, len(found))
    looped = time.perf_counter()
    if not evaluated:
        raise DatasetError(f"{dataset.path}: not one of its {len(dataset.images)} images could be evaluated")
    figures = figures_of(evaluated, names, parameters)
    finished = time.perf_counter()
    times.average_precision_s = finished - looped
    times.total_s = finished - started
    times.busy_s = covered_s(busy)
    return Evaluation(
        figures=figures,
        times=times,
        detections=detections,
        failures=tuple(failures),
        compared=tuple(evaluated),
        confused=confused,
        names=names,
    )


def covered_s(intervals: Iterable[tuple[float, float]]) -> float:
    """The time that at least one of these intervals covers."""
    covered, end = 0.0, -math.inf
    for from_s, to_s in sorted(intervals):
        covered += max(0.0, to_s - max(from_s, end))
        end = max(end, to_s)
    return covered


def _checked(labelled: LabelledImage, item: FrameOrFailure) -> npt.NDArray[np.uint8]:
    """The image, if it could be read and is of the size that its labels were made for.

    Raises:
        DatasetError: It is not.
    """
    if isinstance(item, FailedFrame):
        raise DatasetError(item.error)
    size_hw = (item.image.shape[0], item.image.shape[1])
    if labelled.size_hw is not None and labelled.size_hw != size_hw:
        height, width = labelled.size_hw
        raise DatasetError(
            f"{labelled.path}: is {size_hw[1]}x{size_hw[0]} pixels, but its labels are for {width}x{height}"
        )
    return item.image


def image_boxes(labelled: LabelledImage, size_hw: tuple[int, int], found: Detections) -> ImageBoxes:
    """The objects of an image, in its pixels, beside what was found in it.

    Args:
        labelled: The image.
        size_hw: Its height and width in pixels.
        found: Boxes in the same pixels.
    """
    objects = labelled.objects
    height, width = size_hw
    xyxy = objects.boxes * np.array([width, height, width, height], np.float64)
    box_area = (xyxy[:, 2] - xyxy[:, 0]) * (xyxy[:, 3] - xyxy[:, 1])
    area_px = np.where(np.isnan(objects.area_px), box_area, objects.area_px)
    return ImageBoxes(xyxy, objects.class_id, objects.crowd, area_px, found)
