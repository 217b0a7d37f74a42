"""A window that shows the results as they come."""

from __future__ import annotations

import os
from typing import ClassVar

from yolo_edge.detections import Detections
from yolo_edge.drawing import draw_detections
from yolo_edge.errors import SinkError
from yolo_edge.packages import require_cv2
from yolo_edge.sinks.base import Sink, StopRun
from yolo_edge.sources.base import Frame

_QUIT_KEYS = (ord("q"), 27)


class WindowSink(Sink):
    """Shows annotated frames; ``q`` or Escape ends the run.

    Raises:
        SinkError: This OpenCV has no windows, or there is no screen.
        StopRun: The user pressed the key.
    """

    wants_calling_thread: ClassVar[bool] = True

    def __init__(self) -> None:
        self._cv2 = require_cv2("--show")
        if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            # OpenCV's window toolkit would end the whole process.
            raise SinkError("--show: there is no screen (neither DISPLAY nor WAYLAND_DISPLAY is set)")
        self._names: set[str] = set()

    def write(self, frame: Frame, detections: Detections) -> None:
        try:
            self._cv2.imshow(frame.source, draw_detections(frame.image, detections))
            self._names.add(frame.source)
            key = self._cv2.waitKey(1) & 0xFF
        except self._cv2.error:
            raise SinkError(
                "--show: this OpenCV cannot open a window; it needs a screen and a build with a GUI "
                "(pip install opencv-python in place of opencv-python-headless, "
                "or apt install python3-opencv)"
            ) from None
        if key in _QUIT_KEYS:
            raise StopRun

    def close(self) -> None:
        if self._names:
            self._cv2.destroyAllWindows()
            self._names.clear()
