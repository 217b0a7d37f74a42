"""What every source yields."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Union

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Frame:
    """One image and where it came from."""

    image: npt.NDArray[np.uint8]
    """uint8 (height, width, 3), BGR."""
    source: str
    """The source's name; for images the path."""
    index: int
    """Number of the frame in its source, from 0."""
    time_s: float
    """Time since the start of the source, in seconds; 0 for images."""
    captured_at: float
    """When the frame was captured or read: seconds since 1970 (``time.time``)."""
    captured_clock: float
    """The same instant on ``time.monotonic``'s clock, for measuring the frame's age."""
    path: Path | None = None
    """The file it was read from, None for a camera."""
    is_still: bool = False
    """An image, not a frame of a video or camera."""
    fps: float | None = None
    """Nominal frames per second of its source, where known."""
    age_ms: float | None = None
    """Milliseconds from capture to result; known once there is a result."""


@dataclass(frozen=True)
class FailedFrame:
    """A frame, or the rest of a source, that could not be read."""

    source: str
    index: int
    captured_at: float
    error: str


FrameOrFailure = Union[Frame, FailedFrame]


class Source(ABC):
    """An iterator of frames. Iterate once, then close.

    A run iterates in a thread of its own and closes there; when it is stopped it closes from another thread
    while ``__iter__`` may be waiting for a frame, which then has to end soon.

    Raises:
        SourceError: From ``__iter__``: this source has failed, the others of the run go on. Any other error
            ends the run.
    """

    live: ClassVar[bool] = False
    """A live source yields its newest frame and drops what came before; a file never drops."""

    may_run_ahead: ClassVar[bool] = False
    """Whether the next frames may be read while one is being computed: files. Otherwise a frame is asked for
    when the one before it is done with."""

    name: str
    """How messages and results call it."""
    frame_count: int | None
    """Number of frames, None when unknown."""
    files: Sequence[Path] = ()
    """What it reads, which no output may replace."""
    fps: float | None = None
    """Nominal frames per second, None for images."""
    dropped: int = 0
    """Frames that a live source dropped so far."""
    damaged: int = 0
    """Frames that a live source left out so far because they are damaged, or build on a damaged one."""

    @abstractmethod
    def __iter__(self) -> Iterator[FrameOrFailure]:
        """Yields frames in order; what cannot be read is a FailedFrame."""

    def close(self) -> None:  # noqa: B027 - most sources hold nothing
        """Frees what the source holds; may be called twice."""

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
