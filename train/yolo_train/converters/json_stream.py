"""Reads a long JSON list entry by entry.

BDD100K's list of training labels has 1.3 GB, and parsed as a whole takes several times that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from yolo_edge.errors import DatasetError

_CHUNK = 1 << 20
_SPACE = " \t\r\n"


def json_entries(path: Path, list_key: str) -> Iterator[Any]:
    """The entries of a file that holds a list, or an object with a list under ``list_key``.

    Only a list is read piece by piece; an object is read as a whole.

    Raises:
        DatasetError: The file cannot be read, or holds something else.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            start = _first_letter(file)
            file.seek(0)
            if start == "[":
                yield from _stream(file)
                return
            content = json.load(file)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # text that is not UTF-8 is a ValueError too
        raise DatasetError(f"{path}: is not valid JSON: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get(list_key), list):
        raise DatasetError(f"{path}: holds neither a list nor an object with a list {list_key!r}")
    yield from content[list_key]


def _first_letter(file: TextIO) -> str:
    while letter := file.read(1):
        if letter not in _SPACE:
            return letter
    return ""


def _stream(file: TextIO) -> Iterator[Any]:
    """The entries of a list.

    Raises:
        ValueError: It is not valid JSON.
    """
    decoder = json.JSONDecoder()
    buffer = _Buffer(file)
    buffer.expect("[")
    if buffer.peek() == "]":
        buffer.expect("]")
    else:
        while True:
            yield buffer.entry(decoder)
            if buffer.peek() != ",":
                break
            buffer.expect(",")
        buffer.expect("]")
    if rest := buffer.peek():
        raise ValueError(f"{rest!r} follows the end of the list")


class _Buffer:
    """The text that has been read and not yet been used."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._text = ""
        self._place = 0

    def _more(self, size: int = _CHUNK) -> bool:
        read = self._file.read(size)
        self._text = self._text[self._place :] + read
        self._place = 0
        return bool(read)

    def peek(self) -> str:
        """The next letter that is no space; empty at the end."""
        while True:
            while self._place < len(self._text):
                if self._text[self._place] not in _SPACE:
                    return self._text[self._place]
                self._place += 1
            if not self._more():
                return ""

    def expect(self, letter: str) -> None:
        """Takes a letter."""
        found = self.peek()
        if found != letter:
            raise ValueError(f"{found or 'the end of the file'!r} stands where {letter!r} should")
        self._place += 1

    def entry(self, decoder: json.JSONDecoder) -> Any:
        """Takes a value."""
        self.peek()
        size = _CHUNK
        while True:
            try:
                value, end = decoder.raw_decode(self._text, self._place)
            except json.JSONDecodeError:
                # The value may go on behind what has been read; a wrong one is known at the file's end. Each
                # time twice as much is read, so that the work stays within twice the file's length.
                if not self._more(size):
                    raise
                size *= 2
                continue
            if end == len(self._text) and self._more(size):  # a number may go on
                continue
            self._place = end
            return value
