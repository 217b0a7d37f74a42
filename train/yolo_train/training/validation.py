"""What a network in training finds in the validation images, with the runtime's own decoding and NMS."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from yolo_edge import _core
from yolo_edge.datasets import LabelledImage
from yolo_edge.detections import Detections
from yolo_edge.val.comparison import Comparison, Parameters, compare
from yolo_edge.val.confusion import ConfusionCounter
from yolo_edge.val.evaluation import Evaluation, EvaluationTimes, image_boxes
from yolo_edge.val.figures import figures_of
from yolo_edge.val.options import EVALUATION_OPTIONS, ConfusionThresholds
from yolo_export.models import Network
from yolo_train.loading import Batch, ValidationBatches
from yolo_train.loss import DetectionLoss

__all__ = ["Validation", "Validator"]

OnImage = Callable[[LabelledImage, Detections], None]


@dataclass(frozen=True)
class Validation:
    """What validating brought.

    Attributes:
        evaluation: Average precision, curves and so on.
        losses: Boxes', objectness' and classes' part, means over the images.
    """

    evaluation: Evaluation
    losses: tuple[float, float, float]

    @property
    def ap(self) -> float:
        """AP, the mean over IoU from 0.5 to 0.95."""
        return self.evaluation.figures.ap or 0.0

    @property
    def class_ap(self) -> list[float]:
        """AP of each class; 0 for those without objects."""
        values = [0.0] * len(self.evaluation.names)
        for row in self.evaluation.figures.classes:
            values[row.class_id] = row.ap
        return values

    @property
    def ap50(self) -> float:
        """AP at IoU 0.5."""
        return self.evaluation.figures.ap50 or 0.0


class Validator:
    """Validates networks on the same images again and again.

    Args:
        samples: The images.
        names: Class names.
        batch: Most images at once.
        imgsz: Side of the network's largest input in px.
        workers: Threads that load.
        strides: Of each head in px.
        anchors_px: Width and height of the anchors of each head.
    """

    def __init__(
        self,
        samples: Sequence[LabelledImage],
        names: tuple[str, ...],
        *,
        batch: int,
        imgsz: int,
        workers: int,
        strides: Sequence[int],
        anchors_px: Sequence[Sequence[tuple[float, float]]],
    ) -> None:
        self._samples = samples
        self._names = names
        self._batches = ValidationBatches(
            samples, batch=batch, imgsz=imgsz, workers=workers, stride_px=max(strides)
        )
        self._postprocessor = _core.Postprocessor(list(zip(strides, map(list, anchors_px))))
        self._parameters = Parameters.of_coco()

    def __len__(self) -> int:
        return len(self._samples)

    def run(self, network: Network, loss: DetectionLoss, on_image: OnImage | None = None) -> Validation:
        """Runs a network, in evaluation mode, over all images.

        Args:
            network: The network.
            loss: What is computed beside the figures.
            on_image: Gets every image with what was found in it.
        """
        started = time.perf_counter()
        compared: list[Comparison] = []
        confused = ConfusionCounter(self._names, ConfusionThresholds())
        losses = torch.zeros(3)
        detections = 0
        with torch.inference_mode():
            for batch in self._batches:
                heads = network(torch.from_numpy(batch.images).float().div_(255))
                losses += torch.stack(list(loss(heads, torch.from_numpy(batch.targets)))) * len(batch)
                for index, found in zip(batch.indices.tolist(), self._found(batch, heads)):
                    sample = self._samples[index]
                    if sample.size_hw is None:
                        raise ValueError(f"{sample.path}: a validation image without a size")
                    boxes = image_boxes(sample, sample.size_hw, found)
                    compared.append(compare(boxes, self._parameters))
                    confused.add(boxes)
                    detections += len(found)
                    if on_image is not None:
                        on_image(sample, found)
        figures = figures_of(compared, self._names, self._parameters)
        times = EvaluationTimes(images=len(compared), total_s=time.perf_counter() - started)
        box, obj, cls = (losses / len(self._samples)).tolist()
        evaluation = Evaluation(figures, times, detections, (), tuple(compared), confused, self._names)
        return Validation(evaluation, (box, obj, cls))

    def _found(self, batch: Batch, heads: Sequence[torch.Tensor]) -> list[Detections]:
        options = EVALUATION_OPTIONS
        arrays = [head.float().contiguous().numpy() for head in heads]
        made = []
        for place, geometry in enumerate(batch.geometries):
            boxes = self._postprocessor.run(
                [array[place] for array in arrays],
                geometry,
                confidence=options.conf,
                iou=options.iou,
                multi_label=options.multi_label,
                max_detections=options.max_detections,
                max_candidates=options.max_candidates,
            )
            made.append(Detections(*boxes, self._names))
        return made
