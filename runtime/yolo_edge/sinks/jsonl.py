"""JSON Lines: one line for each frame."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import datetime, timezone
from io import FileIO
from pathlib import Path
from typing import Any

from yolo_edge.detections import Detections
from yolo_edge.errors import SinkError
from yolo_edge.sinks.base import Sink, writable
from yolo_edge.sources import redact
from yolo_edge.sources.base import FailedFrame, Frame


class JsonLinesSink(Sink):
    """Writes the lines described in docs/jsonl.md.

    Args:
        target: A file, which is replaced, or ``-`` for standard output.

    Raises:
        SinkError: The file cannot be opened or written.
        BrokenPipeError: Whoever read standard output is gone.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._lines = 0
        self._file: FileIO | None = None
        if target != "-":
            try:
                # Without a buffer: a line is in the file when it is written, or the file is cut back.
                self._file = Path(target).open("wb", buffering=0)  # noqa: SIM115 - closed by close()
            except OSError as error:
                raise SinkError(f"{target}: cannot be written: {error.strerror}") from None

    def write(self, frame: Frame, detections: Detections) -> None:
        height, width = frame.image.shape[:2]
        age_ms = frame.age_ms
        if age_ms is None:  # nobody measured it
            age_ms = (time.monotonic() - frame.captured_clock) * 1e3
        self._put(
            {
                "source": redact(frame.source),
                "frame": frame.index,
                "time_s": round(frame.time_s, 6),
                "captured_at": _iso(frame.captured_at),
                "age_ms": round(age_ms, 1),
                "width": width,
                "height": height,
                **detections.to_dict(),
            }
        )

    def fail(self, failed: FailedFrame) -> None:
        self._put(
            {
                "source": redact(failed.source),
                "frame": failed.index,
                "captured_at": _iso(failed.captured_at),
                "error": redact(failed.error),
            }
        )

    def close(self) -> None:
        if self._file is None:
            return
        try:
            self._file.close()
        except OSError as error:
            raise SinkError(f"{self._target}: cannot be written: {error.strerror}") from None

    @property
    def outputs(self) -> list[str]:
        return [] if self._target == "-" else [f"{self._lines} lines in {self._target}"]

    def _put(self, record: dict[str, Any]) -> None:
        line = writable(json.dumps(record, ensure_ascii=False)) + "\n"
        try:
            if self._file is None:
                sys.stdout.write(line)
                sys.stdout.flush()
            else:
                _append(self._file, line.encode())
        except BrokenPipeError:
            raise
        except OSError as error:
            name = "standard output" if self._target == "-" else self._target
            raise SinkError(
                f"{name}: cannot be written: {error.strerror or os.strerror(error.errno or 0)}"
            ) from None
        self._lines += 1


def _append(file: FileIO, line: bytes) -> None:
    """Writes a whole line or, where the file can be cut, nothing of it."""
    done = 0
    try:
        while done < len(line):
            done += file.write(line[done:])
    except OSError:
        if done and file.seekable():
            file.truncate(file.tell() - done)
        raise


def _iso(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
