"""A camera that is not there: a drawn scene with moving codes, paced like a camera."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import ClassVar

from yolo_edge.capture_options import CaptureOptions
from yolo_edge.markers.moving_scene import MovingScene
from yolo_edge.sources.base import Frame, FrameOrFailure, Source

DEFAULT_SIZE_WH = (640, 480)
DEFAULT_FPS = 25.0


class DemoSource(Source):
    """QR codes, ArUco and AprilTag markers and bar codes that move about on a table, for ever.

    A frame is drawn when it is taken, as a camera at that instant would have shown the scene; those nobody
    had time for count as dropped. Frame N of a seed is the same picture in every run.

    Args:
        options: Picture size and frame rate.
        every: Take only each N-th frame.
        seed: Another seed, other codes and motions.
    """

    live: ClassVar[bool] = True

    def __init__(self, options: CaptureOptions | None = None, every: int = 1, seed: int = 0) -> None:
        options = options if options is not None else CaptureOptions()
        self.name = "demo"
        self.frame_count = None
        self.fps = options.fps if options.fps is not None else DEFAULT_FPS
        self._every = every
        self._scene = MovingScene(options.size_wh or DEFAULT_SIZE_WH, seed)
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[FrameOrFailure]:
        fps = self.fps if self.fps is not None else DEFAULT_FPS
        interval_s = self._every / fps
        started, wall, step = time.monotonic(), time.time(), 0
        while not self._closed.wait(max(0.0, started + step * interval_s - time.monotonic())):
            newest = max(step, int((time.monotonic() - started) / interval_s))
            self.dropped += newest - step
            index, time_s = newest * self._every, newest * interval_s
            image, _ = self._scene.draw(time_s)
            yield Frame(image, self.name, index, time_s, wall + time_s, started + time_s, fps=fps)
            step = newest + 1

    def close(self) -> None:
        self._closed.set()
