"""Video files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from yolo_edge.errors import SourceError
from yolo_edge.packages import require_cv2
from yolo_edge.sources.base import FailedFrame, Frame, FrameOrFailure, Source


class VideoSource(Source):
    """A video file, every frame in order."""

    may_run_ahead: ClassVar[bool] = True

    def __init__(self, path: Path, every: int = 1) -> None:
        cv2 = require_cv2("reading video")
        self._cv2 = cv2
        self._path = path
        self._every = every
        self.name = str(path)
        self.files = [path]
        try:
            with path.open("rb") as file:
                empty = not file.read(1)
        except OSError as error:
            raise SourceError(f"{path}: cannot be read: {error.strerror}") from None
        if empty:
            raise SourceError(f"{path}: the file is empty")
        self._closed = False
        capture = self._open()
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self._container_count = count if count > 0 else None
        self.frame_count = -(-count // every) if count > 0 else None
        fps = float(capture.get(cv2.CAP_PROP_FPS))
        self.fps = fps if 0 < fps < 1000 else None
        # Opened again when its turn comes: hundreds of files must not hold hundreds of decoders.
        capture.release()

    def __iter__(self) -> Iterator[FrameOrFailure]:
        capture = self._open()
        try:
            yield from self._frames(capture)
        finally:
            capture.release()

    def close(self) -> None:
        self._closed = True

    def _open(self) -> Any:
        capture = self._cv2.VideoCapture(str(self._path))
        if not capture.isOpened():
            raise SourceError(
                f"{self._path}: does not open as a video (damaged, cut off, or of another kind)"
            )
        return capture

    def _frames(self, capture: Any) -> Iterator[FrameOrFailure]:
        index = 0
        # A frame that is skipped is decoded, for the following ones build on it, but not converted to BGR.
        while not self._closed and capture.grab():
            if index % self._every == 0:
                wall, clock = time.time(), time.monotonic()
                read, image = capture.retrieve()
                if not read:
                    break
                time_s = self._time_s(capture, index)
                yield Frame(image, self.name, index, time_s, wall, clock, self._path, fps=self.fps)
            index += 1
        if self._closed:
            return
        expected = self._container_count
        # Some containers only estimate the number of frames: a few frames short is not a damaged file.
        if expected is not None and index < expected - max(2, expected // 100):
            error = f"{self._path}: ended after {index} of {expected} frames; the file is cut off or damaged"
            yield FailedFrame(self.name, index, time.time(), error)

    def _time_s(self, capture: Any, index: int) -> float:
        position_ms = float(capture.get(self._cv2.CAP_PROP_POS_MSEC))
        if index and position_ms <= 0 and self.fps:
            return index / self.fps
        return position_ms / 1e3
