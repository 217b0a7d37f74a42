"""Inference in the C++ runtime: one call goes from the image to the boxes, and the GIL is free meanwhile."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from yolo_edge import _core
from yolo_edge.bundle import Bundle, ChannelOrder, Target
from yolo_edge.detections import Detections, StageTimes
from yolo_edge.inference.base import Choice, FloatArray, Image, Inference, InferenceOptions, check_image


class NativeInference(Inference[_core.NativeJob]):
    """Runs a target in one of the engines that are compiled into the core."""

    native: ClassVar[bool] = True

    def __init__(self, bundle: Bundle, target: Target, options: InferenceOptions) -> None:
        super().__init__(bundle, target, options)
        self._detector = _core.NativeDetector(
            json.dumps(bundle.only(target).manifest),
            str(bundle.path),
            engine=target.engine,
            threads=options.threads,
            cpus=options.cpus,
            precision=options.precision,
            size_hw=options.size_hw,
            square=options.letterbox == "square",
        )

    @property
    def precision(self) -> str:
        return self._detector.precision

    def bound_cpus(self) -> _core.CpuSet:
        return self._detector.bound_cpus()

    def start(self, image: Image, image_channels: ChannelOrder) -> _core.NativeJob:
        check_image(image)
        return self._detector.start(image, image_channels=image_channels)

    def try_start(self, image: Image, image_channels: ChannelOrder) -> _core.NativeJob | None:
        check_image(image)
        return self._detector.try_start(image, image_channels=image_channels)

    def finish(self, job: _core.NativeJob, choice: Choice) -> Detections:
        return self._detections(*self._detector.finish(job, **_options(choice)))

    def abandon(self, job: _core.NativeJob) -> None:
        job.abandon()

    def run(self, image: Image, image_channels: ChannelOrder, choice: Choice) -> Detections:
        check_image(image)
        found = self._detector.detect(image, image_channels=image_channels, **_options(choice))
        return self._detections(*found)

    def compute_heads(self, tensor: FloatArray) -> list[FloatArray]:
        return self._detector.compute_heads(tensor)

    def close(self) -> None:
        self._detector.close()

    def _detections(
        self,
        xyxy: npt.NDArray[np.float32],
        confidence: npt.NDArray[np.float32],
        class_id: npt.NDArray[np.int32],
        times: tuple[float, float, float, float, float],
    ) -> Detections:
        return Detections.from_core(xyxy, confidence, class_id, self.bundle.names, StageTimes(*times))


def _options(choice: Choice) -> dict[str, Any]:
    """The thresholds as the core names them."""
    options = choice.options
    return {
        "conf": options.conf,
        "iou": options.iou,
        "classes": choice.class_ids,
        "agnostic": options.agnostic,
        "multi_label": options.multi_label,
        "max_detections": options.max_detections,
        "max_candidates": options.max_candidates,
    }
