"""Video through OpenCV, where PyAV is not installed: MPEG-4 part 2 in Matroska."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from yolo_edge.errors import SinkError
from yolo_edge.packages import require_cv2
from yolo_edge.sinks.video_writer import VideoOptions, VideoWriter

_CODEC = "mp4v"
"""The one codec for motion that every OpenCV wheel can write."""

_FULL_BYTES = 1 << 20
"""A disk with less room than this is full: OpenCV does not say when it could not write."""


class OpenCvWriter(VideoWriter):
    """Writes a stream of Matroska, which plays up to where it was cut off.

    OpenCV knows no times: the frames of a camera that drops some are shown faster than they came. It keeps
    some seconds of video in memory, and it cannot encode in fewer threads; ``options`` have no effect.
    """

    suffix: ClassVar[str] = ".mkv"

    def __init__(self, path: Path, size_hw: tuple[int, int], fps: float, options: VideoOptions) -> None:
        self._cv2 = require_cv2("writing video")
        self.path = path
        self.size_hw = size_hw
        self._frames_per_check = max(1, round(fps))
        self._frames = 0
        try:
            path.open("wb").close()  # OpenCV does not say why a file cannot be written; this does
        except OSError as error:
            raise SinkError(f"{path}: cannot be written: {error.strerror}") from None
        height, width = (side + side % 2 for side in size_hw)
        self._writer = self._cv2.VideoWriter(
            str(path), self._cv2.CAP_FFMPEG, self._cv2.VideoWriter_fourcc(*_CODEC), fps, (width, height)
        )
        if not self._writer.isOpened():
            raise SinkError(f"{path}: this OpenCV cannot write {_CODEC} video (does it have FFmpeg?)")

    def write(self, image: npt.NDArray[np.uint8], time_s: float) -> None:
        self._writer.write(even_sized(image))
        self._frames += 1
        if self._frames % self._frames_per_check == 0:
            self._check_disk()

    def close(self) -> None:
        if self._writer.isOpened():
            self._writer.release()
            if self._frames:
                self._check_disk()

    @property
    def format(self) -> str:
        return "MPEG-4 part 2, which browsers do not play; pip install 'yolo-edge[stream]' brings H.264"

    def _check_disk(self) -> None:
        empty = not self._writer.isOpened() and self.path.stat().st_size == 0
        if empty or shutil.disk_usage(self.path).free < _FULL_BYTES:
            self._writer.release()
            raise SinkError(f"{self.path}: cannot be written: {os.strerror(errno.ENOSPC)}")


def even_sized(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The image, with its last row and column repeated where height and width are odd.

    Video has one colour value for 2x2 pixels.
    """
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return image
