"""The Detector: a bundle loaded in an engine, from image to boxes."""

from __future__ import annotations

import dataclasses
import os
import time
import warnings
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Union

import numpy as np
import numpy.typing as npt

from yolo_edge import _core
from yolo_edge.bundle import Bundle, ChannelOrder, LetterboxMode, Target, load_bundle
from yolo_edge.cpu_plan import plan_cpus
from yolo_edge.detections import Detections, StageTimes
from yolo_edge.engines import create_engine, select_target
from yolo_edge.engines.base import SLOTS, EngineOptions, FloatArray, Pending, Slot
from yolo_edge.errors import EngineError
from yolo_edge.options import ClassSelection, DetectOptions, resolve_classes, validate_size

Image = npt.NDArray[np.uint8]
Size = Union[int, tuple[int, int]]


class Detector:
    """Detects objects in images with a bundle. Heavy; make one and share it between threads.

    Args:
        bundle: A bundle folder, or one already read.
        engine: ``onnxruntime``, ``ncnn`` or ``auto``, the usually fastest that is installed.
        threads: Threads of one inference; None takes one for each CPU of the set it is bound to.
        cluster: Cores to run on: ``all``, ``big``, ``medium`` or ``little``; None takes the big ones, all
            where they are alike.
        affinity: CPUs to run on instead of a cluster, by list (``0-3,6``) or mask (``0xf0``).
        imgsz: Network size in pixels, one number or (height, width), multiples of the model's stride;
            None takes the bundle's.
        letterbox: ``rect`` pads to the next multiple of the stride, ``square`` to the full size;
            None takes the bundle's. A target with fixed shapes always pads to its shape.

    Raises:
        ValueError: A bad argument.
        BundleError: The bundle cannot be used.
        MissingExtraError: The engine's package is not installed.
        EngineError: The engine refuses the model.

    Example:
        >>> import numpy as np
        >>> image_bgr = np.zeros((90, 160, 3), np.uint8)
        >>> with Detector("best.edge", threads=2) as detector:
        ...     detections = detector.detect(image_bgr, conf=0.5)
        >>> detections.xyxy.shape[1], detections.xyxy.dtype
        (4, dtype('float32'))
    """

    def __init__(
        self,
        bundle: Bundle | str | os.PathLike[str],
        *,
        engine: str = "auto",
        threads: int | None = None,
        cluster: str | None = None,
        affinity: str | _core.CpuSet | None = None,
        imgsz: Size | None = None,
        letterbox: LetterboxMode | None = None,
    ) -> None:
        self.bundle = bundle if isinstance(bundle, Bundle) else load_bundle(Path(bundle))
        model_input = self.bundle.input
        self.size_hw = _size_hw(imgsz) if imgsz is not None else model_input.size_hw
        validate_size(self.size_hw, model_input.stride)
        self.letterbox: LetterboxMode = letterbox if letterbox is not None else model_input.letterbox
        if self.letterbox not in ("rect", "square"):
            raise ValueError(f"letterbox is {letterbox!r}; it must be rect or square")
        plan = plan_cpus(threads, cluster, affinity)
        if plan.warning:
            warnings.warn(plan.warning, stacklevel=2)
        options = EngineOptions(threads=plan.threads, cpus=plan.engine_cpus)

        self.target = select_target(self.bundle, engine)
        shapes = self.target.input.shapes
        self._fixed_shapes = None if shapes == "dynamic" else shapes
        self._stages = [_Stages(self.bundle, self.target) for _ in range(SLOTS)]
        self._engine = create_engine(self.target, self.bundle.open_files(self.target), options)

    @property
    def engine(self) -> str:
        """Name of the engine that runs."""
        return self._engine.name

    @property
    def threads(self) -> int:
        """Threads of one inference."""
        return self._engine.options.threads

    @property
    def cpus(self) -> _core.CpuSet:
        """CPUs that the engine is bound to, read back from the kernel."""
        return self._engine.bound_cpus()

    @property
    def compute(self) -> str:
        """Arithmetic of the inference."""
        return self._engine.options.compute

    @property
    def head_tolerance(self) -> float:
        """Largest allowed difference of a raw head value from the checkpoint's."""
        return self._engine.head_tolerance[self._engine.options.compute]

    def describe(self) -> str:
        """One line for people: what runs, and how."""
        height, width = self.size_hw
        size = f"{height}" if height == width else f"{height}x{width}"
        return (
            f"model {self.bundle.title} ({self.bundle.family}, {len(self.bundle.names)} classes), engine "
            f"{self.engine} {self.compute}, {self.threads} threads on CPUs {self.cpus}, "
            f"{size} {self.letterbox}"
        )

    def detect(
        self,
        image: Image,
        *,
        conf: float | None = None,
        iou: float | None = None,
        classes: ClassSelection = None,
        options: DetectOptions | None = None,
        image_channels: ChannelOrder = "bgr",
    ) -> Detections:
        """Detects objects in one image.

        Args:
            image: uint8 (height, width, 3), any row stride.
            conf: Confidence threshold; overrides ``options``.
            iou: IoU threshold of NMS; overrides ``options``.
            classes: Class ids or names to keep; overrides ``options``.
            options: All thresholds and limits; None means the defaults of DetectOptions.
            image_channels: Channel order of ``image``: ``bgr`` as OpenCV has it, or ``rgb``.

        Raises:
            ValueError: A bad argument.
            EngineError: The engine failed.
        """
        choice = self._choose(options, conf, iou, classes)
        geometry = self.geometry(image)
        slot = self._engine.acquire(geometry.tensor_hw)
        return self._finish(self._start(slot, image, geometry, image_channels), choice)

    def detect_batch(
        self,
        images: Iterable[Image],
        *,
        conf: float | None = None,
        iou: float | None = None,
        classes: ClassSelection = None,
        options: DetectOptions | None = None,
        image_channels: ChannelOrder = "bgr",
    ) -> list[Detections]:
        """Detects objects in several images, of any sizes; the arguments are those of :meth:`detect`.

        While the engine computes one image the next is letterboxed. The networks of this family gain
        nothing from larger batches on a CPU, so each image is an inference of its own.

        Returns:
            One Detections for each image, in their order.
        """
        return list(self._stream(images, self._choose(options, conf, iou, classes), image_channels))

    def detect_stream(
        self,
        images: Iterable[Image],
        *,
        conf: float | None = None,
        iou: float | None = None,
        classes: ClassSelection = None,
        options: DetectOptions | None = None,
        image_channels: ChannelOrder = "bgr",
    ) -> Generator[Detections, None, None]:
        """Detects objects in any number of images; the arguments are those of :meth:`detect`.

        While the engine computes one image, the caller works on the result before it and the next image is
        read and letterboxed. A result therefore comes once the next image was read: for cameras there is
        :func:`~yolo_edge.pipeline.watch`. Images may be reused as soon as the next one is asked for.

        Between two results an unfinished stream holds one of the engine's two slots, so a thread may call
        :meth:`detect` meanwhile, but not while it holds two unfinished streams of one detector. ``close()``
        ends a stream early.

        Yields:
            One Detections for each image, in their order.

        Raises:
            ValueError: A bad argument, or a bad image when its turn comes.
            EngineError: The engine failed.

        Example:
            >>> import numpy as np
            >>> images = (np.full((90, 160, 3), grey, np.uint8) for grey in (0, 127, 255))
            >>> with Detector("best.edge") as detector:
            ...     sum(1 for detections in detector.detect_stream(images))
            3
        """
        return self._stream(images, self._choose(options, conf, iou, classes), image_channels)

    def _stream(
        self, images: Iterable[Image], choice: _Choice, image_channels: ChannelOrder
    ) -> Generator[Detections, None, None]:
        running: deque[_Job] = deque()
        try:
            for image in images:
                geometry = self.geometry(image)
                slot = self._engine.try_acquire(geometry.tensor_hw)
                while slot is None:
                    if running:
                        yield self._finish(running.popleft(), choice)
                        slot = self._engine.try_acquire(geometry.tensor_hw)
                    else:
                        slot = self._engine.acquire(geometry.tensor_hw)
                running.append(self._start(slot, image, geometry, image_channels))
                if len(running) == SLOTS:
                    yield self._finish(running.popleft(), choice)
            while running:
                yield self._finish(running.popleft(), choice)
        finally:
            for job in running:  # after an error or close(): their slots are needed
                self._abandon(job)

    def geometry(self, image: Image) -> _core.LetterboxGeometry:
        """Where an image lies in the network's input tensor."""
        if not isinstance(image, np.ndarray) or image.ndim != 3:
            shown = getattr(image, "shape", type(image).__name__)
            raise ValueError(f"image is {shown}; expected a uint8 array (height, width, 3)")
        source_hw = (image.shape[0], image.shape[1])
        size_hw, mode = self.size_hw, self.letterbox
        if self._fixed_shapes is not None:
            size_hw, mode = _best_fixed_shape(self._fixed_shapes, source_hw), "square"
        return _core.letterbox_geometry(
            source_hw, size_hw=size_hw, stride=self.bundle.input.stride, mode=mode
        )

    def compute_heads(self, tensor: FloatArray) -> list[FloatArray]:
        """Runs the bare network, for comparing it with the checkpoint.

        Args:
            tensor: float32 (1, 3, H, W), letterboxed and normalised.

        Returns:
            One float32 array (C, ny, nx) per head, raw (no sigmoid), in the bundle's order; of a bundle that
            was imported, the outputs in the form that the target names.
        """
        slot = self._engine.acquire((tensor.shape[2], tensor.shape[3]))
        try:
            slot.input[...] = tensor
            self._engine.infer(slot)
            return [np.array(head) for head in slot.heads]
        finally:
            self._engine.release(slot)

    def letterboxed(self, image: Image, *, image_channels: ChannelOrder = "bgr") -> FloatArray:
        """The tensor that the network would see: float32 (1, 3, H, W)."""
        geometry = self.geometry(image)
        tensor = np.empty((1, 3, *geometry.tensor_hw), np.float32)
        _Stages(self.bundle, self.target).letterbox.run(
            image, geometry, tensor, image_channels=image_channels
        )
        return tensor

    def _choose(
        self,
        options: DetectOptions | None,
        conf: float | None,
        iou: float | None,
        classes: ClassSelection,
    ) -> _Choice:
        chosen = options or DetectOptions()
        given = {"conf": conf, "iou": iou, "classes": classes}
        overrides = {name: value for name, value in given.items() if value is not None}
        if overrides:
            chosen = dataclasses.replace(chosen, **overrides)  # type: ignore[arg-type]
        return _Choice(chosen, resolve_classes(chosen.classes, self.bundle.names))

    def _start(
        self, slot: Slot, image: Image, geometry: _core.LetterboxGeometry, image_channels: ChannelOrder
    ) -> _Job:
        """Letterboxes an image into a slot and posts its inference; gives the slot back on an error."""
        try:
            started = time.perf_counter()
            letterbox = self._stages[slot.index].letterbox
            letterbox.run(image, geometry, slot.input, image_channels=image_channels)
            boxed = time.perf_counter()
            return _Job(slot, geometry, (boxed - started) * 1e3, boxed, self._engine.start(slot))
        except BaseException:
            self._engine.release(slot)
            raise

    def _finish(self, job: _Job, choice: _Choice) -> Detections:
        """Waits for an inference and decodes its heads."""
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
        return Detections(xyxy, confidence, class_id, self.bundle.names, times)

    def _abandon(self, job: _Job) -> None:
        try:
            job.pending.result()
        except EngineError:
            pass  # the caller gets the error that came first
        finally:
            self._engine.release(job.slot)

    def close(self) -> None:
        """Frees the model and ends the inference thread; may be called twice."""
        self._engine.close()

    def __enter__(self) -> Detector:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclasses.dataclass(frozen=True)
class _Choice:
    options: DetectOptions
    class_ids: list[int] | None


@dataclasses.dataclass(frozen=True)
class _Job:
    """An image whose inference was posted."""

    slot: Slot
    geometry: _core.LetterboxGeometry
    letterbox_ms: float
    posted_at: float
    pending: Pending[None]


class _Stages:
    """What stands before and after the network. Each owns working memory, so there is one per slot."""

    def __init__(self, bundle: Bundle, target: Target) -> None:
        self.letterbox = _core.Letterbox(
            tensor_channels=bundle.input.channels,
            mean=bundle.input.mean,
            scale=bundle.input.scale,
            pad_value=bundle.input.pad_value,
        )
        forms = [(output.layout, output.activation) for output in target.outputs_by_head]
        raw = all(form == ("c,h,w", "none") for form in forms)
        self.postprocessor = _core.Postprocessor(
            [(head.stride, list(head.anchors_px)) for head in bundle.heads], outputs=None if raw else forms
        )


def _size_hw(imgsz: Size) -> tuple[int, int]:
    if isinstance(imgsz, (int, np.integer)):
        return int(imgsz), int(imgsz)
    height, width = imgsz
    return int(height), int(width)


def _best_fixed_shape(shapes: Sequence[tuple[int, int]], source_hw: tuple[int, int]) -> tuple[int, int]:
    """Of a target's fixed shapes the one that shows the image largest, and of these the smallest."""

    def rank(shape: tuple[int, int]) -> tuple[float, int]:
        return -min(shape[0] / source_hw[0], shape[1] / source_hw[1]), shape[0] * shape[1]

    return min(shapes, key=rank)
