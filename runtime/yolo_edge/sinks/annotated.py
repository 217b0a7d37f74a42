"""Annotated pictures and video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from yolo_edge.detections import Detections
from yolo_edge.drawing import draw_detections
from yolo_edge.errors import SinkError
from yolo_edge.packages import require_cv2
from yolo_edge.sinks.base import Sink
from yolo_edge.sinks.files import OutputFolder, replace_file
from yolo_edge.sources.base import Frame

VIDEO_SUFFIX = ".mkv"
"""Matroska is written as a stream: what was written before a power cut still plays. An MP4 would be lost."""

VIDEO_CODEC = "mp4v"
"""MPEG-4 part 2, the one codec for motion that every OpenCV wheel can write."""

LIVE_FPS = 25.0
"""Frame rate of the video of a camera that does not tell its own."""


class AnnotatedSink(Sink):
    """Writes each image, and one video for each video or camera, with the boxes drawn in.

    Args:
        folder: Where to; made if missing.
        every: The run takes each N-th frame; the video is written at that much lower rate.
    """

    def __init__(self, folder: Path, *, every: int = 1) -> None:
        self._cv2 = require_cv2("writing annotated images")
        self._folder = OutputFolder(folder)
        self._every = every
        self._videos: dict[str, _Video] = {}
        self._images = 0

    def write(self, frame: Frame, detections: Detections) -> None:
        canvas = draw_detections(frame.image, detections)
        if frame.is_still:
            self._write_image(frame, canvas)
        else:
            self._video_of(frame).write(canvas)

    def close(self) -> None:
        for video in self._videos.values():
            video.close()

    @property
    def outputs(self) -> list[str]:
        images = [f"{self._images} images in {self._folder.path}"] if self._images else []
        return images + [str(video.path) for video in self._videos.values()]

    def _write_image(self, frame: Frame, canvas: npt.NDArray[np.uint8]) -> None:
        suffix = Path(frame.source).suffix.lower()
        path = self._folder.file_for(frame.source, suffix, frame.path)
        self._folder.forget(frame.source, suffix)
        try:
            encoded, data = self._cv2.imencode(suffix, canvas)
        except self._cv2.error as error:
            raise SinkError(f"{path}: OpenCV cannot write this kind of image: {error}") from None
        if not encoded:
            raise SinkError(f"{path}: OpenCV cannot write this kind of image")
        replace_file(path, data.tobytes())
        self._images += 1

    def _video_of(self, frame: Frame) -> _Video:
        if frame.source not in self._videos:
            path = self._folder.file_for(frame.source, VIDEO_SUFFIX, frame.path)
            fps = (frame.fps or LIVE_FPS) / self._every
            self._videos[frame.source] = _Video(self._cv2, path, frame.image.shape[:2], fps)
        return self._videos[frame.source]


class _Video:
    def __init__(self, cv2: Any, path: Path, size_hw: tuple[int, ...], fps: float) -> None:
        self.path = path
        self._size_hw = tuple(size_hw)
        try:
            path.open("wb").close()  # OpenCV does not say why a file cannot be written; this does
        except OSError as error:
            raise SinkError(f"{path}: cannot be written: {error.strerror}") from None
        self._writer = cv2.VideoWriter(
            str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*VIDEO_CODEC), fps, size_hw[::-1]
        )
        if not self._writer.isOpened():
            raise SinkError(f"{path}: this OpenCV cannot write {VIDEO_CODEC} video (does it have FFmpeg?)")

    def write(self, canvas: npt.NDArray[np.uint8]) -> None:
        if canvas.shape[:2] != self._size_hw:
            raise SinkError(
                f"{self.path}: the frame size changed from {self._size_hw} to {canvas.shape[:2]} "
                "(height, width)"
            )
        self._writer.write(canvas)

    def close(self) -> None:
        if self._writer.isOpened():
            self._writer.release()
            if self.path.stat().st_size == 0:
                raise SinkError(f"{self.path}: nothing could be written (is the disk full?)")
