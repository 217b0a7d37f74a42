"""What V4L2 cameras and GStreamer pipelines share: OpenCV's VideoCapture."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from yolo_edge.sources.live import Connection, Picture
from yolo_edge.sources.reconnect import StreamLost


class OpenCvConnection(Connection):
    """An open ``cv2.VideoCapture``.

    Args:
        capture: Released at the end.
        fps: Nominal frames per second.
        stopped: What to say when it stops delivering.
        captured: When the picture just read was taken, on ``time.monotonic``'s clock, given the clock now;
            None means now.
    """

    def __init__(
        self,
        capture: Any,
        fps: float | None,
        stopped: str,
        captured: Callable[[float], float] | None = None,
    ) -> None:
        self._capture = capture
        self._stopped = stopped
        self._captured = captured
        self.fps = fps

    def pictures(self) -> Iterator[Picture]:
        while True:
            read, image = self._capture.read()
            now = time.monotonic()
            if not read or image is None:
                raise StreamLost(self._stopped)
            yield Picture(self._captured(now) if self._captured else now, _constant(image))

    def close(self) -> None:
        self._capture.release()


def _constant(image: npt.NDArray[np.uint8]) -> Callable[[], npt.NDArray[np.uint8]]:
    return lambda: image
