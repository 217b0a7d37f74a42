"""Images that precisions are compared on: labelled ones, or those on which the checkpoint finds something."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from yolo_edge.bundle import Bundle, ModelInput
from yolo_edge.checking import reference
from yolo_edge.checking.agreement import SAME_CORNERS_PX
from yolo_edge.datasets.dataset import Dataset, open_dataset
from yolo_edge.datasets.yolo_format import images_of_folder, label_path
from yolo_edge.detections import Detections
from yolo_edge.detector import Detector
from yolo_edge.errors import DatasetError, SourceError
from yolo_edge.options import DetectOptions
from yolo_edge.sources.images import read_image
from yolo_edge.val.evaluation import evaluate
from yolo_edge.val.figures import require_pycocotools
from yolo_export.errors import GateError
from yolo_export.expected import letterboxed_for
from yolo_export.source import Source

__all__ = ["Labelled", "Unlabelled", "Yardstick", "figure_of", "open_yardstick"]

_MAX_LOST_AGREEMENT = 0.05
"""Share of boxes that may be lost or invented where there are no labels; a drop of AP has another scale."""

_FEWEST_BOXES = 20
"""With fewer there is nothing to judge by."""

_CONF_SLACK = 0.10
"""A box that one side finds must be known to the other down to this far below the threshold of confidence:
what lies at the threshold is found or not by chance."""

_MIN_IOU = 0.5
"""Overlap from which two boxes of one class are the same object."""


class Yardstick(Protocol):
    """Images that precisions are compared on."""

    figure: str
    """What is measured, and its key in ``bundle.json``."""

    def measure(self, detector: Detector) -> float:
        """The figure of a detector, 0..1."""

    def limit(self, max_drop: float) -> float:
        """How much less than float32 a precision may have."""

    def first_image(self) -> npt.NDArray[np.uint8]:
        """One to measure time on, BGR."""


class Labelled:
    """A labelled dataset: average precision over IoU .50 to .95.

    Args:
        dataset: With the class names of the model.

    Raises:
        MissingExtraError: pycocotools is not installed.
    """

    figure = "ap"

    def __init__(self, dataset: Dataset) -> None:
        require_pycocotools()  # here, not after minutes of conversion
        self._dataset = dataset

    def measure(self, detector: Detector) -> float:
        """AP@[.50:.95].

        Raises:
            DatasetError: An image cannot be read, or there is no AP.
        """
        evaluation = evaluate(detector, self._dataset)
        if evaluation.failures:
            raise DatasetError("; ".join(evaluation.failures))
        if evaluation.figures.ap is None:
            raise DatasetError(f"{self._dataset.path}: there is no average precision of these labels")
        return evaluation.figures.ap

    def limit(self, max_drop: float) -> float:
        """As given."""
        return max_drop

    def first_image(self) -> npt.NDArray[np.uint8]:
        """The first of the dataset."""
        return _read(self._dataset.images[0].path)


class Unlabelled:
    """Images without labels: share of boxes on which a detector and the checkpoint agree.

    A box above the default threshold of confidence counts as agreed on when the other side has one of the
    same class that overlaps by half, even if it is a little less confident.

    Args:
        images: Image files.
        source: What finds the right boxes.
        model_input: How the bundle says that images become tensors.

    Raises:
        GateError: The checkpoint finds too few boxes in them to judge by.
        DatasetError: An image cannot be read.
    """

    figure = "agreement"

    def __init__(self, images: Sequence[Path], source: Source, model_input: ModelInput) -> None:
        self._conf = DetectOptions().conf
        self._low = DetectOptions(conf=max(0.0, self._conf - _CONF_SLACK))
        self._images = list(images)
        self._expected = [self._find(path, source, model_input) for path in self._images]
        count = sum(int(np.count_nonzero(found.confidence > self._conf)) for found in self._expected)
        if count < _FEWEST_BOXES:
            raise GateError(
                f"the {source.kind} finds {count} boxes in {len(self._images)} images, too few to judge a "
                f"precision by (needed: {_FEWEST_BOXES}); give more images, or labelled ones with --data"
            )

    def measure(self, detector: Detector) -> float:
        """Boxes that both sides know, of all that either finds."""
        agreed = total = 0
        for path, expected in zip(self._images, self._expected):
            found = detector.detect(_read(path), options=self._low)
            for ones, others in ((found, expected), (expected, found)):
                sure = ones[ones.confidence > self._conf]
                total += len(sure)
                agreed += _known(sure, others)
        return agreed / total if total else 0.0

    def limit(self, max_drop: float) -> float:
        """Another scale than AP's, so ``max_drop`` is not used."""
        return _MAX_LOST_AGREEMENT

    def first_image(self) -> npt.NDArray[np.uint8]:
        """The first of them."""
        return _read(self._images[0])

    def _find(self, path: Path, source: Source, model_input: ModelInput) -> Detections:
        image = _read(path)
        geometry, tensor = letterboxed_for(source, model_input, image, model_input.size_hw)
        boxes = reference.decode(source.compute_heads(tensor), source.strides, source.anchors_px)
        boxes = reference.non_max_suppression(boxes, self._low.conf, self._low.iou)
        boxes = boxes[np.arange(len(boxes.scores))[: self._low.max_detections]]
        xyxy = reference.scale_boxes(boxes.xyxy, geometry.tensor_hw, (image.shape[0], image.shape[1]))
        return Detections(
            xyxy.astype(np.float32),
            boxes.confidence.astype(np.float32),
            boxes.class_id.astype(np.int32),
            tuple(source.names),
        )


def open_yardstick(data: Path, source: Source, model_input: ModelInput) -> Yardstick:
    """What to compare precisions on.

    Args:
        data: A labelled dataset (folder or YAML), or a folder of images without labels.
        source: What is exported.
        model_input: How images become tensors.

    Raises:
        DatasetError: It cannot be read or does not fit the model.
        GateError: There are no labels, and too few boxes to judge by.
        MissingExtraError: There are labels, and the extra ``val`` is not installed.
    """
    if data.is_dir():
        images = images_of_folder(data, None)
        if not any(label_path(image).is_file() for image in images):
            return Unlabelled(images, source, model_input)
    return Labelled(open_dataset(data, list(source.names)))


def figure_of(yardstick: Yardstick, bundle: Bundle, precision: str) -> float:
    """The figure of a bundle with one target.

    Args:
        yardstick: What measures.
        bundle: With that target alone.
        precision: The arithmetic to run in.
    """
    (target,) = bundle.targets
    with Detector(bundle, engine=target.engine, precision=precision) as detector:
        return yardstick.measure(detector)


def _known(ones: Detections, others: Detections) -> int:
    """How many of some boxes have one of the same class among others that overlaps enough."""
    overlaps = reference.iou_matrix(ones.xyxy.astype(np.float64), others.xyxy.astype(np.float64))
    # A box that the border cut to a line overlaps nothing.
    apart = np.abs(ones.xyxy[:, None] - others.xyxy[None]).max(axis=2, initial=0.0)
    same_class = ones.class_id[:, None] == others.class_id[None]
    same_place = (overlaps >= _MIN_IOU) | (apart <= SAME_CORNERS_PX)
    return int(np.count_nonzero(np.any(same_class & same_place, axis=1)))


def _read(path: Path) -> npt.NDArray[np.uint8]:
    """Decodes an image.

    Raises:
        DatasetError: It cannot be read.
    """
    try:
        return read_image(path)
    except SourceError as error:
        raise DatasetError(str(error)) from None
