"""Annotated pictures and video."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from yolo_edge.detections import Detections
from yolo_edge.drawing import draw_detections
from yolo_edge.errors import SinkError
from yolo_edge.packages import require_cv2
from yolo_edge.sinks.base import Sink
from yolo_edge.sinks.files import OutputFolder, replace_output
from yolo_edge.sinks.video_writer import VideoOptions, VideoWriter, choose_writer
from yolo_edge.sources.base import Frame

LIVE_FPS = 25.0
"""Nominal frame rate of the video of a camera that does not tell its own."""

MAX_GAP_S = 3600.0
"""A video whose source was silent for longer goes on in a new file, not with a still picture of hours."""


class AnnotatedSink(Sink):
    """Writes each image, and one video for each video or camera, with the boxes drawn in.

    Where the frame size changes or the source was silent for an hour, a new video ``NAME_2`` begins. The
    video of a camera never replaces one of an earlier run.

    Args:
        folder: Where to; made if missing.
        every: The run takes each N-th frame; the video has that much lower a rate.
        video: How to encode video.
        writer: What writes video; None takes the best there is, see :func:`choose_writer`.
        sources: Files of the run's sources: none is replaced.
    """

    def __init__(
        self,
        folder: Path,
        *,
        every: int = 1,
        video: VideoOptions | None = None,
        writer: type[VideoWriter] | None = None,
        sources: Iterable[Path] = (),
    ) -> None:
        self._cv2 = require_cv2("writing annotated images")
        self._folder = OutputFolder(folder, sources)
        self._every = every
        self._video = video or VideoOptions()
        self._writer = writer
        self._writers: dict[str, VideoWriter] = {}
        self._newest_s: dict[str, float] = {}
        self._written: list[str] = []
        self._images = 0

    def write(self, frame: Frame, detections: Detections) -> None:
        canvas = draw_detections(frame.image, detections)
        if frame.is_still:
            self._write_image(frame, canvas)
        else:
            self._writer_of(frame).write(canvas, frame.time_s)

    def close(self) -> None:
        errors = []
        for writer in self._writers.values():
            try:
                writer.close()
            except SinkError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    @property
    def outputs(self) -> list[str]:
        images = [f"{self._images} images in {self._folder.path}"] if self._images else []
        return images + self._written

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
        replace_output(path, data.tobytes())
        self._images += 1

    def _writer_of(self, frame: Frame) -> VideoWriter:
        size_hw = (frame.image.shape[0], frame.image.shape[1])
        writer = self._writers.get(frame.source)
        gap_s = frame.time_s - self._newest_s.get(frame.source, frame.time_s)
        self._newest_s[frame.source] = frame.time_s
        if writer is not None and writer.size_hw == size_hw and gap_s <= MAX_GAP_S:
            return writer
        kind = self._writer = self._writer or choose_writer()
        if writer is not None:
            writer.close()
            self._folder.forget(frame.source, kind.suffix)  # the name stays taken: the next is NAME_2
        # A file can be run again; what a camera saw would be lost.
        keep = frame.path is None
        path = self._folder.file_for(frame.source, kind.suffix, frame.path, keep_existing=keep)
        writer = kind(path, size_hw, (frame.fps or LIVE_FPS) / self._every, self._video)
        self._writers[frame.source] = writer
        self._written.append(f"{path} ({writer.format})")
        return writer
