"""The size of an image file, from its header where that says it for certain."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from yolo_edge.errors import SourceError
from yolo_edge.regular_file import require_regular_file
from yolo_edge.sources.images import read_image

_JPEG_FRAMES = (0xC0, 0xC1, 0xC2)
"""Baseline, extended and progressive DCT with Huffman coding (ITU-T T.81, table B.1)."""

_JPEG_OTHER_FRAMES = frozenset(range(0xC3, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ORIENTATION = 0x0112
_TURNED = range(5, 9)
"""EXIF orientations that swap width and height (CIPA DC-008, 4.6.4)."""

_MOST_PIXELS = 1 << 30
"""OpenCV decodes no larger images unless it is told to."""


def read_image_size(path: Path) -> tuple[int, int]:
    """Height and width of an image as :func:`~yolo_edge.sources.images.read_image` decodes it.

    JPEG and PNG files are judged by header and end, which takes some 0.05 ms; whatever is not as usual there,
    and every other format, is decoded. Damage in between shows only when the image is decoded.

    Raises:
        SourceError: The file cannot be read, is no image, or is incomplete.
    """
    try:
        require_regular_file(path)
        with path.open("rb") as file:
            size_hw = _size_from_header(file)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from None
    if size_hw is None or not 0 < size_hw[0] * size_hw[1] <= _MOST_PIXELS:
        height, width = read_image(path).shape[:2]
        return height, width
    return size_hw


def _size_from_header(file: BinaryIO) -> tuple[int, int] | None:
    """Height and width; None where only decoding can tell."""
    start = file.read(8)
    try:
        if start[:2] == b"\xff\xd8":
            return _jpeg_size(file)
        if start == b"\x89PNG\r\n\x1a\n":
            return _png_size(file)
    except struct.error:  # the file ends too early
        pass
    return None


def _jpeg_size(file: BinaryIO) -> tuple[int, int] | None:
    file.seek(-2, 2)
    if file.read(2) != b"\xff\xd9":
        return None  # cut off, or something follows the image
    file.seek(2)
    size_hw: tuple[int, int] | None = None
    orientation: int | None = None
    while True:
        mark, marker, length = struct.unpack(">BBH", file.read(4))
        if mark != 0xFF or length < 2 or marker in _JPEG_OTHER_FRAMES:
            return None
        if marker == 0xDA:  # the first scan
            return size_hw[::-1] if size_hw and orientation in _TURNED else size_hw
        body = file.tell()
        if marker in _JPEG_FRAMES:
            depth, height, width = struct.unpack(">BHH", file.read(5))
            if depth != 8:
                return None
            size_hw = height, width
        if marker == 0xE1 and file.read(6) == b"Exif\0\0":
            if orientation is not None:
                return None  # two, of which either may count
            orientation = _orientation(file.read(length - 8))
            if orientation is None:
                return None
        file.seek(body + length - 2)


def _orientation(exif: bytes) -> int | None:
    """The orientation of a TIFF header's first directory, 0 where it has none; None if it is damaged."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return None
    (directory,) = struct.unpack_from(f"{order}I", exif, 4)
    (count,) = struct.unpack_from(f"{order}H", exif, directory)
    for number in range(count):
        tag, kind, values, value = struct.unpack_from(f"{order}HHIH", exif, directory + 2 + 12 * number)
        if tag == _ORIENTATION:
            return int(value) if (kind, values) == (3, 1) else None
    return 0


def _png_size(file: BinaryIO) -> tuple[int, int] | None:
    length, kind, width, height = struct.unpack(">I4sII", file.read(16))
    if (length, kind) != (13, b"IHDR"):
        return None
    file.seek(-12, 2)
    if file.read(8) != b"\0\0\0\0IEND":
        return None
    position = 8 + 12 + length
    while True:
        file.seek(position)
        length, kind = struct.unpack(">I4s", file.read(8))
        if kind == b"IEND":
            return height, width
        if kind in (b"eXIf", b"acTL"):
            return None  # turned, which not every OpenCV does; animated
        position += 12 + length
