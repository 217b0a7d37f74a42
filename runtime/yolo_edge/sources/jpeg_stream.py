"""Pictures out of a stream of JPEG files, whatever stands between them: MJPEG over HTTP or from a pipe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from yolo_edge.packages import require_cv2
from yolo_edge.sources.live import DamagedPicture, Picture
from yolo_edge.sources.reconnect import StreamLost

LARGEST_JPEG = 64 << 20
MOST_BETWEEN = 1 << 20
"""Bytes without a JPEG after which a stream is no MJPEG."""

_START = b"\xff\xd8\xff"
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
"""In entropy-coded data 0xFF is stuffed with 0x00; restart markers belong to it (ITU-T T.81, B.1.1)."""
_END_OF_IMAGE, _START_OF_SCAN, _START_OF_IMAGE = 0xD9, 0xDA, 0xD8


@dataclass(frozen=True)
class Jpeg:
    """One JPEG file of a stream."""

    data: bytes
    before: bytes
    """The end of what stood before it: the headers of its part."""
    arrived: float
    """When its first bytes came."""


class JpegSplitter:
    """Finds whole JPEG files in bytes that come in pieces, by walking their segments.

    Boundaries and lengths that a server announces are not used: many are wrong.

    Attributes:
        damaged: Files that were cut off or are no JPEG inside; they are left out.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self._arrived = 0.0
        self._before = b""
        self._between = 0
        self._position = 0  # where the walk goes on; 0 looks for a start
        self._in_scan = False
        self.damaged = 0

    def feed(self, piece: bytes, arrived: float) -> Iterator[Jpeg]:
        """Takes the next bytes and yields the files that they complete.

        Raises:
            StreamLost: This is no stream of JPEG files.
        """
        self._data += piece
        while True:
            if self._position == 0 and not self._find_start(arrived):
                return
            found = self._walk()
            if found is None:
                if len(self._data) > LARGEST_JPEG:
                    raise StreamLost(f"a JPEG picture of more than {LARGEST_JPEG >> 20} MB; this is no MJPEG")
                return
            if found:
                self._between = 0
                yield Jpeg(bytes(self._data[: self._position]), self._before, self._arrived)
            else:
                self.damaged += 1
            del self._data[: self._position]
            self._position, self._in_scan = 0, False
            # What is left of this piece came now.

    def _find_start(self, arrived: float) -> bool:
        start = self._data.find(_START)
        if start < 0:
            keep = 4096
            self._between += max(0, len(self._data) - keep)
            if self._between > MOST_BETWEEN:
                raise StreamLost("no JPEG pictures in what the server sends")
            del self._data[:-keep]
            return False
        self._before = bytes(self._data[max(0, start - 4096) : start])
        del self._data[:start]
        self._position, self._in_scan, self._arrived = 2, False, arrived
        return True

    def _walk(self) -> bool | None:
        """Goes on through the segments.

        Returns:
            True at the end of a file, False where it breaks off, None when more bytes are needed.
        """
        data = self._data
        while True:
            if self._in_scan:
                marker = _MARKER.search(data, self._position)
                if marker is None:
                    self._position = max(2, len(data) - 1)  # its last byte may begin a marker
                    return None
                self._position, self._in_scan = marker.start(), False
            if len(data) < self._position + 2:
                return None
            if data[self._position] != 0xFF:
                return False
            kind = data[self._position + 1]
            if kind == 0xFF:  # a fill byte
                self._position += 1
                continue
            if kind == _END_OF_IMAGE:
                self._position += 2
                return True
            if kind == _START_OF_IMAGE or kind < 0xC0:
                return False
            if len(data) < self._position + 4:
                return None
            length = int.from_bytes(data[self._position + 2 : self._position + 4], "big")
            if length < 2:
                return False
            if len(data) < self._position + 2 + length:
                return None
            self._position += 2 + length
            self._in_scan = kind == _START_OF_SCAN


def jpeg_picture(data: bytes, captured_clock: float) -> Picture:
    """A picture that is decoded when somebody wants it."""

    def to_bgr() -> npt.NDArray[np.uint8]:
        cv2 = require_cv2("reading MJPEG")
        try:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        except cv2.error:
            image = None
        if image is None:
            raise DamagedPicture
        decoded: npt.NDArray[np.uint8] = image
        return decoded

    return Picture(captured_clock, to_bgr)
