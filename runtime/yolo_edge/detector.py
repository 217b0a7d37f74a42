"""The Detector: a bundle loaded in an engine, from image to boxes."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections import deque
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Union

import numpy as np

from yolo_edge import _core
from yolo_edge.bundle import Bundle, ChannelOrder, LetterboxMode, load_bundle
from yolo_edge.cpu_plan import plan_cpus
from yolo_edge.detections import Detections
from yolo_edge.engines import engine_class, select_target
from yolo_edge.engines.base import SLOTS, WEIGHTS_TOLERANCE
from yolo_edge.errors import BundleError
from yolo_edge.inference import Choice, Inference, InferenceOptions, create_inference
from yolo_edge.inference.base import FloatArray, Image, letterbox_of
from yolo_edge.model_selection import find_model
from yolo_edge.options import (
    INT8_PRECISIONS,
    ClassSelection,
    DetectOptions,
    resolve_classes,
    validate_size,
)

Size = Union[int, tuple[int, int]]

_INT8_MARGIN = 2.0
"""How many times what the export measured heads may be off: other CPUs have other int8 kernels."""

_USUAL_CHOICE = Choice(DetectOptions(), None)


class Detector:
    """Detects objects in images with a bundle. Heavy; make one and share it between threads.

    Args:
        bundle: A bundle folder, or one already read; None takes the one that ``yolo-edge run`` would take:
            $YOLO_EDGE_MODEL, else the only ``*.edge`` of the working folder, else the package's own.
        engine: One of :func:`~yolo_edge.engines.engine_names`, or ``auto``, the usually fastest that is
            installed.
        threads: Threads of one inference; None takes one for each CPU of the set it is bound to.
        cluster: Cores to run on: ``all``, ``big``, ``medium`` or ``little``; None takes the big ones, all
            where they are alike.
        affinity: CPUs to run on instead of a cluster, by list (``0-3,6``) or mask (``0xf0``).
        imgsz: Network size in pixels, one number or (height, width), multiples of the model's stride;
            None takes the bundle's.
        precision: Arithmetic of the inference: ``auto``, ``fp32``, ``fp16-storage``, ``fp16``, ``bf16`` or
            ``int8``; of the engine's targets it picks the one that fits, see
            :func:`~yolo_edge.engines.select_target`.
        letterbox: ``rect`` pads to the next multiple of the stride, ``square`` to the full size;
            None takes the bundle's. A target with fixed shapes always pads to its shape.
        native: True wants the C++ runtime, False the engine's Python package; None takes the C++ runtime
            where it was built with the engine.

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
        bundle: Bundle | str | os.PathLike[str] | None = None,
        *,
        engine: str = "auto",
        threads: int | None = None,
        cluster: str | None = None,
        affinity: str | _core.CpuSet | None = None,
        precision: str = "auto",
        imgsz: Size | None = None,
        letterbox: LetterboxMode | None = None,
        native: bool | None = None,
    ) -> None:
        if not isinstance(bundle, Bundle):
            bundle = load_bundle(Path(bundle) if bundle is not None else find_model(None))
        self.bundle = bundle
        model_input = self.bundle.input
        self.size_hw = _size_hw(imgsz) if imgsz is not None else model_input.size_hw
        validate_size(self.size_hw, model_input.stride)
        self.letterbox: LetterboxMode = letterbox if letterbox is not None else model_input.letterbox
        if self.letterbox not in ("rect", "square"):
            raise ValueError(f"letterbox is {letterbox!r}; it must be rect or square")
        plan = plan_cpus(threads, cluster, affinity)
        if plan.warning:
            warnings.warn(plan.warning, stacklevel=2)
        self.target = select_target(self.bundle, engine, precision)
        options = InferenceOptions(plan.threads, plan.engine_cpus, precision, self.size_hw, self.letterbox)
        self._inference = create_inference(self.bundle, self.target, options, native)

    @property
    def engine(self) -> str:
        """Name of the engine that runs."""
        return self.target.engine

    @property
    def threads(self) -> int:
        """Threads of one inference."""
        return self._inference.options.threads

    @property
    def cpus(self) -> _core.CpuSet:
        """CPUs that the engine is bound to, read back from the kernel."""
        return self._inference.bound_cpus()

    @property
    def compute(self) -> str:
        """Arithmetic of the inference."""
        return self._inference.precision

    @property
    def native(self) -> bool:
        """Whether the C++ runtime computes; otherwise the engine's Python package does."""
        return self._inference.native

    @property
    def holds_gil(self) -> bool:
        """Whether no other Python thread runs while this one computes."""
        return not self.native and engine_class(self.engine).holds_gil()

    @property
    def inference(self) -> Inference[Any]:
        """What computes: images are posted to it as jobs, see :class:`~yolo_edge.inference.Inference`."""
        return self._inference

    @property
    def head_tolerance(self) -> float:
        """Largest allowed difference of a raw head value from the checkpoint's.

        Raises:
            BundleError: Of 8-bit weights it is told by what the export measured, which the bundle does not
                say.
        """
        if self.compute in INT8_PRECISIONS:
            return _INT8_MARGIN * float(self.measured["max_head_error"])
        by_compute = engine_class(self.engine).head_tolerance[self.compute]
        return max(by_compute, WEIGHTS_TOLERANCE.get(self.target.weights, 0.0))

    @property
    def measured(self) -> Mapping[str, Any]:
        """What the export measured of this target in this arithmetic: a row of its ``verification``.

        Raises:
            BundleError: There is none with all of the figures.
        """
        wanted = (self.engine, self.target.weights, self.compute)
        for row in self.bundle.verification:
            figures = [row.get(key) for key in ("max_head_error", "mean_head_error", "box_agreement")]
            found = (row.get("engine"), row.get("weights"), row.get("compute"))
            if found == wanted and all(isinstance(figure, (int, float)) for figure in figures):
                return row
        raise BundleError(
            f"{self.bundle.title} does not say how well {self.engine} does in {self.compute}, so it cannot "
            "be checked; export it again"
        )

    def describe(self) -> str:
        """One line for people: what runs, and how."""
        height, width = self.size_hw
        size = f"{height}" if height == width else f"{height}x{width}"
        engine = f"{self.engine} (native)" if self.native else self.engine
        return (
            f"model {self.bundle.title} ({self.bundle.family}, {len(self.bundle.names)} classes), engine "
            f"{engine} {self._arithmetic()}, {self.threads} threads on CPUs {self.cpus}, "
            f"{size} {self.letterbox}"
        )

    def _arithmetic(self) -> str:
        """The arithmetic, and the weights where they are neither float32 nor named by it."""
        weights = self.target.weights
        return self.compute if weights in ("fp32", self.compute) else f"{self.compute} (weights {weights})"

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
        choice = self.choose(options, conf, iou, classes)
        return self._inference.run(image, image_channels, choice)

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
        return list(self._stream(images, self.choose(options, conf, iou, classes), image_channels))

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
        return self._stream(images, self.choose(options, conf, iou, classes), image_channels)

    def _stream(
        self, images: Iterable[Image], choice: Choice, image_channels: ChannelOrder
    ) -> Generator[Detections, None, None]:
        running: deque[Any] = deque()
        inference = self._inference
        try:
            for image in images:
                job = inference.try_start(image, image_channels)
                while job is None:
                    if running:
                        yield inference.finish(running.popleft(), choice)
                        job = inference.try_start(image, image_channels)
                    else:
                        job = inference.start(image, image_channels)
                running.append(job)
                if len(running) == SLOTS:
                    yield inference.finish(running.popleft(), choice)
            while running:
                yield inference.finish(running.popleft(), choice)
        finally:
            for job in running:  # after an error or close(): their slots are needed
                inference.abandon(job)

    def geometry(self, image: Image) -> _core.LetterboxGeometry:
        """Where an image lies in the network's input tensor."""
        return self._inference.geometry(image)

    def compute_heads(self, tensor: FloatArray) -> list[FloatArray]:
        """Runs the bare network, for comparing it with the checkpoint.

        Args:
            tensor: float32 (1, 3, H, W), letterboxed and normalised.

        Returns:
            One float32 array (C, ny, nx) per head, raw (no sigmoid), in the bundle's order; of a bundle that
            was imported, the outputs in the form that the target names.
        """
        return self._inference.compute_heads(tensor)

    def letterboxed(self, image: Image, *, image_channels: ChannelOrder = "bgr") -> FloatArray:
        """The tensor that the network would see: float32 (1, 3, H, W)."""
        geometry = self.geometry(image)
        tensor = np.empty((1, 3, *geometry.tensor_hw), np.float32)
        letterbox_of(self.bundle.input).run(image, geometry, tensor, image_channels=image_channels)
        return tensor

    def choose(
        self,
        options: DetectOptions | None = None,
        conf: float | None = None,
        iou: float | None = None,
        classes: ClassSelection = None,
    ) -> Choice:
        """Thresholds for :attr:`inference`; the arguments are those of :meth:`detect`.

        Raises:
            ValueError: A bad argument.
        """
        if options is None and conf is None and iou is None and classes is None:
            return _USUAL_CHOICE
        chosen = options or DetectOptions()
        given = {"conf": conf, "iou": iou, "classes": classes}
        overrides = {name: value for name, value in given.items() if value is not None}
        if overrides:
            chosen = dataclasses.replace(chosen, **overrides)  # type: ignore[arg-type]
        return Choice(chosen, resolve_classes(chosen.classes, self.bundle.names))

    def close(self) -> None:
        """Frees the model and ends the inference thread; may be called twice."""
        self._inference.close()

    def __enter__(self) -> Detector:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _size_hw(imgsz: Size) -> tuple[int, int]:
    if isinstance(imgsz, (int, np.integer)):
        return int(imgsz), int(imgsz)
    height, width = imgsz
    return int(height), int(width)
