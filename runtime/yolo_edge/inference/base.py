"""The interface between a Detector and what computes for it: from an image to boxes over a loaded engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from yolo_edge import _core
from yolo_edge.bundle import Bundle, ChannelOrder, LetterboxMode, ModelInput, Target
from yolo_edge.detections import Detections
from yolo_edge.options import DetectOptions

Image = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]
Job = TypeVar("Job")


@dataclass(frozen=True)
class InferenceOptions:
    """How to run a target."""

    threads: int
    """Threads of one inference."""
    cpus: _core.CpuSet
    """CPUs that the engine's threads are bound to."""
    precision: str
    """Arithmetic: see :func:`~yolo_edge.engines.choose_precision`."""
    size_hw: tuple[int, int]
    """Network size in pixels, multiples of the model's stride."""
    letterbox: LetterboxMode


@dataclass(frozen=True)
class Choice:
    """Thresholds of one detection, with the classes as ids."""

    options: DetectOptions
    class_ids: list[int] | None


class Inference(ABC, Generic[Job]):
    """A loaded model with what stands before and after it. Safe to call from several threads; calls queue.

    A job is an image that was letterboxed and whose inference was posted; it holds one of two slots. Every
    job has to be finished or abandoned.
    """

    native: ClassVar[bool]
    """Whether the C++ runtime computes, without Python in between."""

    def __init__(self, bundle: Bundle, target: Target, options: InferenceOptions) -> None:
        self.bundle = bundle
        self.target = target
        self.options = options

    @property
    @abstractmethod
    def precision(self) -> str:
        """Arithmetic of the inference; what ``auto`` became."""

    @abstractmethod
    def bound_cpus(self) -> _core.CpuSet:
        """The CPUs that the kernel says the inference thread is bound to."""

    @abstractmethod
    def start(self, image: Image, image_channels: ChannelOrder) -> Job:
        """Letterboxes an image and posts its inference; waits for a free slot."""

    @abstractmethod
    def try_start(self, image: Image, image_channels: ChannelOrder) -> Job | None:
        """The same, or None when no slot is free.

        Whoever holds a job and wants another has to ask this way: two callers that hold one each and wait for
        a second would wait for ever.
        """

    @abstractmethod
    def finish(self, job: Job, choice: Choice) -> Detections:
        """Waits for a job's inference and decodes its heads."""

    @abstractmethod
    def abandon(self, job: Job) -> None:
        """Waits for a job's inference and forgets it."""

    def run(self, image: Image, image_channels: ChannelOrder, choice: Choice) -> Detections:
        """From an image to its boxes."""
        return self.finish(self.start(image, image_channels), choice)

    @abstractmethod
    def compute_heads(self, tensor: FloatArray) -> list[FloatArray]:
        """The bare network: outputs for a float32 (1, 3, H, W) tensor, in the order of the heads."""

    @abstractmethod
    def close(self) -> None:
        """Frees the model and ends the inference thread; may be called twice."""

    def geometry(self, image: Image) -> _core.LetterboxGeometry:
        """Where an image lies in the network's input tensor."""
        check_image(image)
        source_hw = (image.shape[0], image.shape[1])
        size_hw, mode = self.options.size_hw, self.options.letterbox
        shapes = self.target.input.shapes
        if shapes != "dynamic":
            size_hw, mode = _best_fixed_shape(shapes, source_hw), "square"
        return _core.letterbox_geometry(
            source_hw, size_hw=size_hw, stride=self.bundle.input.stride, mode=mode
        )


def check_image(image: Image) -> None:
    """Refuses what is no image; the core looks at the rest.

    Raises:
        ValueError: Not an array of three dimensions.
    """
    if not isinstance(image, np.ndarray) or image.ndim != 3:
        shown = getattr(image, "shape", type(image).__name__)
        raise ValueError(f"image is {shown}; expected a uint8 array (height, width, 3)")


def letterbox_of(model_input: ModelInput) -> _core.Letterbox:
    """What makes a model's input tensor of an image."""
    return _core.Letterbox(
        tensor_channels=model_input.channels,
        mean=model_input.mean,
        scale=model_input.scale,
        pad_value=model_input.pad_value,
    )


def _best_fixed_shape(shapes: Sequence[tuple[int, int]], source_hw: tuple[int, int]) -> tuple[int, int]:
    """Of a target's fixed shapes the one that shows the image largest, and of these the smallest."""

    def rank(shape: tuple[int, int]) -> tuple[float, int]:
        return -min(shape[0] / source_hw[0], shape[1] / source_hw[1]), shape[0] * shape[1]

    return min(shapes, key=rank)
