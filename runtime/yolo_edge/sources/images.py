"""Image files."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from yolo_edge.errors import SourceError
from yolo_edge.packages import require_cv2
from yolo_edge.regular_file import require_regular_file
from yolo_edge.sources.base import FailedFrame, Frame, FrameOrFailure, Source

_DECODING = {
    1: "IMREAD_COLOR",
    2: "IMREAD_REDUCED_COLOR_2",
    4: "IMREAD_REDUCED_COLOR_4",
    8: "IMREAD_REDUCED_COLOR_8",
}
"""OpenCV's flag for each way to shrink an image."""


class ImagesSource(Source):
    """A list of image files; one that cannot be read is reported and the rest goes on."""

    may_run_ahead: ClassVar[bool] = True

    def __init__(self, paths: Sequence[Path], every: int = 1) -> None:
        require_cv2("reading images")
        self._numbered = list(enumerate(paths))[::every]
        self.name = str(paths[0]) if len(paths) == 1 else f"{len(paths)} images"
        self.frame_count = len(self._numbered)
        self.files = paths

    def __iter__(self) -> Iterator[FrameOrFailure]:
        for index, path in self._numbered:
            wall, clock = time.time(), time.monotonic()
            try:
                image = read_image(path)
            except SourceError as error:
                yield FailedFrame(str(path), index, wall, str(error))
            else:
                yield Frame(image, str(path), index, 0.0, wall, clock, path, is_still=True)


def read_image(path: Path, *, shrink: Literal[1, 2, 4, 8] = 1) -> npt.NDArray[np.uint8]:
    """Decodes an image file to uint8 (height, width, 3), BGR, turned upright as its EXIF data says.

    Args:
        path: The file.
        shrink: Divides both sides, rounded up. A JPEG file is decoded at that size, which takes less time.

    Raises:
        SourceError: The file cannot be read, is no image, or is incomplete.
    """
    cv2 = require_cv2("reading images")
    try:
        require_regular_file(path)
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from None
    if data.size == 0:
        raise SourceError(f"{path}: the file is empty")
    if _is_cut_jpeg(data.tobytes()):
        # Older OpenCV decodes what is there and paints the rest grey.
        raise SourceError(f"{path}: the JPEG file is cut off ({data.size} bytes, no end marker)")
    try:
        image = cv2.imdecode(data, getattr(cv2, _DECODING[shrink]))
    except cv2.error as error:
        raise SourceError(f"{path}: does not decode: {error}") from None
    if image is None:
        raise SourceError(
            f"{path}: does not decode as an image ({data.size} bytes; damaged or of another kind)"
        )
    decoded: npt.NDArray[np.uint8] = image
    return decoded


def _is_cut_jpeg(data: bytes) -> bool:
    """Whether a JPEG's image data lacks the end marker (ITU-T T.81, B.1.1.3 and B.2)."""
    if data[:2] != b"\xff\xd8":
        return False
    position = 2
    # Walk the segments before the first scan: a thumbnail inside them has an end marker of its own.
    while data[position : position + 1] == b"\xff":
        if data[position + 1 : position + 2] == b"\xda":
            # It stands at the end or near it, so it is looked for from there.
            return data.rfind(b"\xff\xd9", position) < 0
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return position >= len(data)
