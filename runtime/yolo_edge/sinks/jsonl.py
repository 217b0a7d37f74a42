"""JSON Lines: one line for each frame."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TextIO

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
        self._file: TextIO
        if target == "-":
            self._file = sys.stdout
        else:
            try:
                self._file = Path(target).open("w", encoding="utf-8")  # noqa: SIM115 - closed by close()
            except OSError as error:
                raise SinkError(f"{target}: cannot be written: {error.strerror}") from None

    def write(self, frame: Frame, detections: Detections) -> None:
        height, width = frame.image.shape[:2]
        self._put(
            {
                "source": redact(frame.source),
                "frame": frame.index,
                "time_s": round(frame.time_s, 6),
                "captured_at": _iso(frame.captured_at),
                "age_ms": round((time.monotonic() - frame.captured_clock) * 1e3, 1),
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
        if self._file is sys.stdout:
            return
        try:
            self._file.close()
        except OSError as error:
            raise SinkError(f"{self._target}: cannot be written: {error.strerror}") from None

    @property
    def outputs(self) -> list[str]:
        return [] if self._target == "-" else [f"{self._lines} lines in {self._target}"]

    def _put(self, record: dict[str, Any]) -> None:
        try:
            self._file.write(writable(json.dumps(record, ensure_ascii=False)) + "\n")
            self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            name = "standard output" if self._target == "-" else self._target
            raise SinkError(
                f"{name}: cannot be written: {error.strerror or os.strerror(error.errno or 0)}"
            ) from None
        self._lines += 1


def _iso(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
