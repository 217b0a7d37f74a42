"""What writes video: the interface, its options, and which writer this machine has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from yolo_edge.errors import MissingExtraError
from yolo_edge.options import MOST_THREADS, check_count

if TYPE_CHECKING:
    from yolo_edge.cpu_plan import CpuPlan

_MOST_THREADS = 4
"""More slices than this make the file larger and hardly shorten the time of a frame."""


@dataclass(frozen=True)
class VideoOptions:
    """How video is encoded.

    Raises:
        ValueError: A value outside its range.
    """

    threads: int = 1
    """Threads of one encoder, each with a slice of the frame. More than the engine leaves free slow it."""

    crf: int = 26
    """x264's constant rate factor, 0..51: 6 less doubles the file and is a step better."""

    fragment_s: float = 1.0
    """Seconds of video in one fragment: what a crash loses at most, and how finely a player can seek."""

    def __post_init__(self) -> None:
        check_count("threads", self.threads, MOST_THREADS)
        if not 0 <= self.crf <= 51:
            raise ValueError(f"crf is {self.crf!r}; it must be a number from 0 to 51")
        if not 0.1 <= self.fragment_s <= 60:
            raise ValueError(f"fragment_s is {self.fragment_s!r}; it must be a number from 0.1 to 60")

    @classmethod
    def beside(cls, plan: CpuPlan) -> VideoOptions:
        """Options for an encoder that takes only what the engine leaves: the other CPUs, or one thread."""
        spare = len(plan.other_cpus - plan.engine_cpus)
        return cls(threads=max(1, min(_MOST_THREADS, spare)))


class VideoWriter(ABC):
    """Writes frames of one size into one file. Used by one thread at a time.

    Args:
        path: The file; replaced.
        size_hw: Height and width of every frame.
        fps: Nominal frames per second.
        options: How to encode.

    Raises:
        SinkError: From any method: the file cannot be written. What was written before stays and plays.
    """

    suffix: ClassVar[str]
    """Of the files it writes."""

    path: Path
    size_hw: tuple[int, int]

    @abstractmethod
    def __init__(self, path: Path, size_hw: tuple[int, int], fps: float, options: VideoOptions) -> None: ...

    @abstractmethod
    def write(self, image: npt.NDArray[np.uint8], time_s: float) -> None:
        """Adds a frame.

        Args:
            image: uint8 (height, width, 3), BGR.
            time_s: When it is to be shown, on the source's clock.
        """

    @abstractmethod
    def close(self) -> None:
        """Finishes the file; may be called twice, and does nothing after an error."""

    @property
    @abstractmethod
    def format(self) -> str:
        """What the file holds, for people."""


def choose_writer() -> type[VideoWriter]:
    """The writer of video that browsers play where PyAV is installed, else OpenCV's."""
    from yolo_edge.sinks.video_opencv import OpenCvWriter
    from yolo_edge.sinks.video_pyav import PyAvWriter, find_encoder

    try:
        return PyAvWriter if find_encoder() is not None else OpenCvWriter
    except MissingExtraError:  # not silent: the format that the run reports at its end says what is missing
        return OpenCvWriter
