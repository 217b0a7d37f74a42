"""Cameras on V4L2 devices."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

from yolo_edge._core import CpuSet
from yolo_edge.capture_options import CaptureOptions
from yolo_edge.errors import SourceError
from yolo_edge.packages import require_cv2
from yolo_edge.sources.live import Connection, LiveSource, plausible_fps
from yolo_edge.sources.opencv_capture import OpenCvConnection
from yolo_edge.sources.reconnect import StreamLost

OLDEST_PICTURE_S = 60.0
"""A driver's time stamp that is older is not on our clock."""


class CameraSource(LiveSource):
    """A USB camera, or whatever else has a ``/dev/videoN``.

    Args:
        index: N of ``/dev/videoN``.
        options: Size, frame rate and pixel format asked of the driver; time-outs and retries.
        every: Take only each N-th frame.
        cpus: CPUs that the capturing thread is bound to; None binds nothing.

    Raises:
        SourceError: No such camera; the message lists the devices there are. One that is unplugged later is
            tried again.
    """

    def __init__(
        self, index: int, options: CaptureOptions, every: int = 1, cpus: CpuSet | None = None
    ) -> None:
        super().__init__(f"cam{index}", options, every, cpus)
        self._cv2 = require_cv2("reading cameras")
        self._path = Path(f"/dev/video{index}")
        self._number = index
        try:
            self._first: Any = self._open()
        except StreamLost as lost:
            raise SourceError(f"{self.name}: {lost}") from None
        for text in self._differences(self._first):
            warnings.warn(f"{self.name}: {text}", UserWarning, stacklevel=2)
        self.start()

    def connect(self) -> Connection:
        capture, self._first = self._first, None
        if capture is None:
            capture = self._open()
        fps = plausible_fps(float(capture.get(self._cv2.CAP_PROP_FPS)))

        def captured(now: float) -> float:
            # OpenCV's V4L2 gives the driver's time stamp, which is on CLOCK_MONOTONIC with most drivers.
            taken = float(capture.get(self._cv2.CAP_PROP_POS_MSEC)) / 1e3
            return taken if now - OLDEST_PICTURE_S < taken <= now else now

        return OpenCvConnection(capture, fps, "stopped delivering frames", captured)

    def close(self) -> None:
        super().close()
        if self._first is not None:
            self._first.release()

    def _open(self) -> Any:
        if not self._path.exists():
            raise StreamLost(f"there is no {self._path}; {_present()}")
        cv2, options = self._cv2, self.options
        capture = cv2.VideoCapture(self._number, cv2.CAP_V4L2)
        if not capture.isOpened():
            raise StreamLost(
                f"{self._path} does not open (in use by another program, no permission, "
                f"or not a capture device); {_present()}"
            )
        # The format first: the sizes and rates that a driver offers depend on it.
        if options.pixel_format is not None:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter_fourcc(*options.pixel_format))
        if options.size_wh is not None:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, options.size_wh[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, options.size_wh[1])
        if options.fps is not None:
            capture.set(cv2.CAP_PROP_FPS, options.fps)
        return capture

    def _differences(self, capture: Any) -> list[str]:
        """What the driver gave instead of what was asked for."""
        cv2, options, found = self._cv2, self.options, []
        size = (int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)))
        if options.size_wh is not None and size != options.size_wh:
            asked = f"{options.size_wh[0]}x{options.size_wh[1]}"
            found.append(f"size {asked} was asked for, the driver gives {size[0]}x{size[1]}")
        fps = float(capture.get(cv2.CAP_PROP_FPS))
        if options.fps is not None and abs(fps - options.fps) > 0.01 * options.fps:
            found.append(f"{options.fps:g} frames per second were asked for, the driver gives {fps:g}")
        fourcc = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=False)
        shown = fourcc.decode("ascii", "replace").strip("\0 ")
        if options.pixel_format is not None and shown != options.pixel_format.strip():
            found.append(f"format {options.pixel_format} was asked for, the driver gives {shown or 'none'}")
        return found


def camera_devices(root: Path = Path("/dev")) -> list[str]:
    """The V4L2 devices of this machine, by number."""
    found: list[tuple[int, Path]] = []
    for path in root.glob("video*"):
        if match := re.fullmatch(r"video(\d+)", path.name):
            found.append((int(match[1]), path))
    return [str(path) for _, path in sorted(found)]


def _present() -> str:
    devices = camera_devices()
    return f"devices here: {', '.join(devices)}" if devices else "this machine has no /dev/video devices"
