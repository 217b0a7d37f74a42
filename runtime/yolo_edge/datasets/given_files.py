"""Files that a dataset of somebody else names: whatever their names, sizes and kinds, reading them ends."""

from __future__ import annotations

import os
from pathlib import Path

from yolo_edge.errors import DatasetError
from yolo_edge.regular_file import require_regular_file

MOST_BYTES_OF_AN_IMAGE = 16 << 20
"""Of a label file, an XML or a JSON file that describes one image: some 300,000 objects."""


def is_file(path: Path) -> bool:
    """Whether there is a file of that name; pathlib raises for names that are too long."""
    return os.path.isfile(path)  # noqa: PTH113  (pathlib raises for long names)


def is_folder(path: Path) -> bool:
    """Whether there is a folder of that name."""
    return os.path.isdir(path)  # noqa: PTH112  (as above)


def read_given_bytes(path: Path, *, most_bytes: int | None = None) -> bytes:
    """Reads a file, but no pipe or device, which may have no end.

    Args:
        path: The file.
        most_bytes: A larger one is refused; None reads any.

    Raises:
        FileNotFoundError: There is none.
        DatasetError: It cannot be read.
    """
    try:
        size = require_regular_file(path).st_size
        if most_bytes is not None and size > most_bytes:
            raise DatasetError(
                f"{path}: has {size:,} bytes; a file of this kind is read up to {most_bytes:,}"
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None


def read_given_text(path: Path, *, most_bytes: int | None = None) -> str:
    """The same of text in UTF-8; a byte order mark, as editors of Windows write it, is left out.

    Raises:
        FileNotFoundError: There is none.
        DatasetError: It cannot be read, or is not a text file.
    """
    data = read_given_bytes(path, most_bytes=most_bytes)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise DatasetError(f"{path}: is not a text file in UTF-8")
    return text
