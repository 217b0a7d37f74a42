"""Inference with an engine that comes as a Python package; letterbox and decoding are the core's."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from yolo_edge import _core
from yolo_edge.bundle import Bundle, ChannelOrder, Target
from yolo_edge.detections import Detections, StageTimes
from yolo_edge.engines import choose_precision, create_engine
from yolo_edge.engines.base import SLOTS, EngineOptions, FloatArray, Pending, Slot
from yolo_edge.errors import EngineError
from yolo_edge.inference.base import Choice, Image, Inference, InferenceOptions, letterbox_of


@dataclass(frozen=True)
class PackagedJob:
    """An image whose inference was posted."""

    slot: Slot
    geometry: _core.LetterboxGeometry
    letterbox_ms: float
    posted_at: float
    pending: Pending[None]


class PackagedInference(Inference[PackagedJob]):
    """Runs a target in one of :mod:`yolo_edge.engines`."""

    native: ClassVar[bool] = False

    def __init__(self, bundle: Bundle, target: Target, options: InferenceOptions) -> None:
        super().__init__(bundle, target, options)
        self._stages = [_Stages(bundle, target) for _ in range(SLOTS)]
        self._engine = create_engine(
            target,
            bundle.open_files(target),
            EngineOptions(
                threads=options.threads,
                cpus=options.cpus,
                compute=choose_precision(target, options.precision),
            ),
        )

    @property
    def precision(self) -> str:
        return self._engine.options.compute

    def bound_cpus(self) -> _core.CpuSet:
        return self._engine.bound_cpus()

    def start(self, image: Image, image_channels: ChannelOrder) -> PackagedJob:
        geometry = self.geometry(image)
        return self._post(self._engine.acquire(geometry.tensor_hw), image, geometry, image_channels)

    def try_start(self, image: Image, image_channels: ChannelOrder) -> PackagedJob | None:
        geometry = self.geometry(image)
        slot = self._engine.try_acquire(geometry.tensor_hw)
        return None if slot is None else self._post(slot, image, geometry, image_channels)

    def _post(
        self, slot: Slot, image: Image, geometry: _core.LetterboxGeometry, image_channels: ChannelOrder
    ) -> PackagedJob:
        """Letterboxes an image into a slot and posts its inference; gives the slot back on an error."""
        try:
            started = time.perf_counter()
            letterbox = self._stages[slot.index].letterbox
            letterbox.run(image, geometry, slot.input, image_channels=image_channels)
            boxed = time.perf_counter()
            return PackagedJob(slot, geometry, (boxed - started) * 1e3, boxed, self._engine.start(slot))
        except BaseException:
            self._engine.release(slot)
            raise

    def finish(self, job: PackagedJob, choice: Choice) -> Detections:
        options = choice.options
        try:
            job.pending.result()
            started = time.perf_counter()
            xyxy, confidence, class_id = self._stages[job.slot.index].postprocessor.run(
                job.slot.heads,
                job.geometry,
                confidence=options.conf,
                iou=options.iou,
                classes=choice.class_ids,
                class_agnostic=options.agnostic,
                multi_label=options.multi_label,
                max_detections=options.max_detections,
                max_candidates=options.max_candidates,
            )
            finished = time.perf_counter()
        finally:
            self._engine.release(job.slot)
        times = StageTimes(
            letterbox_ms=job.letterbox_ms,
            inference_ms=(job.pending.finished_at - job.posted_at) * 1e3,
            postprocess_ms=(finished - started) * 1e3,
            engine_from_s=job.pending.started_at,
            engine_to_s=job.pending.finished_at,
        )
        return Detections.from_core(xyxy, confidence, class_id, self.bundle.names, times)

    def abandon(self, job: PackagedJob) -> None:
        try:
            job.pending.result()
        except EngineError:
            pass  # the caller gets the error that came first
        finally:
            self._engine.release(job.slot)

    def compute_heads(self, tensor: FloatArray) -> list[FloatArray]:
        slot = self._engine.acquire((tensor.shape[2], tensor.shape[3]))
        try:
            slot.input[...] = tensor
            self._engine.infer(slot)
            return [np.array(head) for head in slot.heads]
        finally:
            self._engine.release(slot)

    def close(self) -> None:
        self._engine.close()


class _Stages:
    """What stands before and after the network. Each owns working memory, so there is one per slot."""

    def __init__(self, bundle: Bundle, target: Target) -> None:
        self.letterbox = letterbox_of(bundle.input)
        forms = [(output.layout, output.activation) for output in target.outputs_by_head]
        raw = all(form == ("c,h,w", "none") for form in forms)
        self.postprocessor = _core.Postprocessor(
            [(head.stride, list(head.anchors_px)) for head in bundle.heads], outputs=None if raw else forms
        )
