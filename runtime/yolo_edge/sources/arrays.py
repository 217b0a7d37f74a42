"""Images that the program already has."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from yolo_edge.sources.base import Frame, FrameOrFailure, Source


class ArraySource(Source):
    """An iterable of uint8 arrays (height, width, 3), BGR, taken one at a time as they are needed."""

    name = "arrays"
    frame_count = None

    def __init__(self, images: Iterable[npt.NDArray[np.uint8]], every: int = 1) -> None:
        self._images = images
        self._every = every

    def __iter__(self) -> Iterator[FrameOrFailure]:
        started = time.monotonic()
        for index, image in enumerate(self._images):
            if index % self._every == 0:
                clock = time.monotonic()
                yield Frame(image, self.name, index, clock - started, time.time(), clock)
