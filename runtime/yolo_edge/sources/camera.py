"""Cameras on V4L2 devices."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from yolo_edge._core import CpuSet, bind_current_thread
from yolo_edge.errors import SourceError
from yolo_edge.packages import require_cv2
from yolo_edge.sources.base import FailedFrame, Frame, FrameOrFailure, Source

STALL_TIMEOUT_S = 10.0
"""A camera that delivers nothing for so long has failed."""


class CameraSource(Source):
    """A camera; yields the newest frame and counts those that were overtaken.

    Args:
        index: N of ``/dev/videoN``.
        every: Take only each N-th frame.
        cpus: CPUs that the capturing thread is bound to; None binds nothing.

    Raises:
        SourceError: No such camera; the message lists the devices there are.
    """

    live: ClassVar[bool] = True

    def __init__(self, index: int, every: int = 1, cpus: CpuSet | None = None) -> None:
        self.name = f"cam{index}"
        self.frame_count = None
        device = Path(f"/dev/video{index}")
        if not device.exists():
            raise SourceError(f"{self.name}: there is no {device}; {_present()}")
        cv2 = require_cv2("reading cameras")
        self._capture = cv2.VideoCapture(index, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise SourceError(
                f"{self.name}: {device} does not open (in use by another program, no permission, "
                f"or not a capture device); {_present()}"
            )
        fps = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.fps = fps if 0 < fps < 1000 else None
        self._every = every
        self._cpus = cpus
        self._newest = NewestFrame()
        self._thread = threading.Thread(
            target=self._capture_frames, name=f"yolo-edge-{self.name}", daemon=True
        )
        self._thread.start()

    def __iter__(self) -> Iterator[FrameOrFailure]:
        while True:
            item = self._newest.get(STALL_TIMEOUT_S)
            self.dropped = self._newest.dropped
            if item is None:
                error = f"{self.name}: no frame for {STALL_TIMEOUT_S:.0f} s"
                item = FailedFrame(self.name, self._newest.put_count, time.time(), error)
            yield item
            if isinstance(item, FailedFrame):
                return

    def close(self) -> None:
        if not self._newest.closed:
            self._newest.close()
            self._thread.join(timeout=STALL_TIMEOUT_S)
            self._capture.release()

    def _capture_frames(self) -> None:
        if self._cpus is not None:
            bind_current_thread(self._cpus)
        started, index = time.monotonic(), 0
        while not self._newest.closed:
            read, image = self._capture.read()
            wall, clock = time.time(), time.monotonic()
            if not read:
                self._newest.put(
                    FailedFrame(self.name, index, wall, f"{self.name}: stopped delivering frames")
                )
                return
            if index % self._every == 0:
                self._newest.put(Frame(image, self.name, index, clock - started, wall, clock, fps=self.fps))
            index += 1


class NewestFrame:
    """A place for one item: a newer one replaces what nobody has taken yet."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: FrameOrFailure | None = None
        self.put_count = 0
        self.dropped = 0
        self.closed = False

    def put(self, item: FrameOrFailure) -> None:
        """Leaves an item, which replaces one not yet taken."""
        with self._changed:
            self.put_count += 1
            if self._item is not None:
                self.dropped += 1
            self._item = item
            self._changed.notify()

    def get(self, timeout_s: float) -> FrameOrFailure | None:
        """Takes the newest item; None when there was none in time or the place was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self.closed, timeout_s)
            item, self._item = self._item, None
            return item

    def close(self) -> None:
        """Wakes whoever waits."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()


def camera_devices(root: Path = Path("/dev")) -> list[str]:
    """The V4L2 devices of this machine, by number."""
    found: list[tuple[int, Any]] = []
    for path in root.glob("video*"):
        if match := re.fullmatch(r"video(\d+)", path.name):
            found.append((int(match[1]), path))
    return [str(path) for _, path in sorted(found)]


def _present() -> str:
    devices = camera_devices()
    return f"devices here: {', '.join(devices)}" if devices else "this machine has no /dev/video devices"
