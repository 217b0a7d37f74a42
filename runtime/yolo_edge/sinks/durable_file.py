"""A file that survives a power cut but for its last second or so."""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from yolo_edge.errors import SinkError


class DurableFile:
    """A file that grows by whole pieces, each on its way to the disk at once.

    The system would keep what is written in memory for up to half a minute. Here a thread tells it to write
    to the disk after each piece; whoever appends does not wait for that.

    Args:
        path: The file; replaced.

    Raises:
        SinkError: From any method: it cannot be written. It then ends after its last whole piece.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0
        try:
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise self._cannot(error) from None
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="yolo-edge-disk")
        self._syncing: Future[None] | None = None

    def append(self, piece: bytes) -> None:
        """Adds a piece, all of it or nothing."""
        try:
            if self._syncing is not None and self._syncing.done():
                self._syncing.result()
                self._syncing = None
            rest = memoryview(piece)
            while rest:
                rest = rest[self._file.write(rest) :]
            self._size += len(piece)
            if self._syncing is None:
                self._syncing = self._disk.submit(os.fsync, self._file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):  # what is told is why the piece could not be written
                self._file.truncate(self._size)
                self._file.seek(self._size)
            raise self._cannot(error) from None

    def close(self) -> None:
        """Waits until everything is on the disk; may be called twice."""
        if self._file.closed:
            return
        try:
            self._disk.shutdown()
            if self._syncing is not None:
                self._syncing.result()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._cannot(error) from None
        finally:
            self._file.close()

    def _cannot(self, error: OSError) -> SinkError:
        return SinkError(f"{self._path}: cannot be written: {error.strerror}")
