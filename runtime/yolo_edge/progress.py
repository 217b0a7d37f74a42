"""The progress line on standard error."""

from __future__ import annotations

import sys
import time
from typing import Protocol, TextIO

from yolo_edge.command_line import discard

_TERMINAL_INTERVAL_S = 0.1
_LOG_INTERVAL_S = 30.0


class Shown(Protocol):
    """What is shown of a source, or of several together."""

    @property
    def name(self) -> str:
        """How it is called."""

    @property
    def frame_count(self) -> int | None:
        """Number of frames, None when unknown."""

    @property
    def dropped(self) -> int:
        """Frames that newer ones overtook."""


class Progress:
    """Shows how far a run is: one line that rewrites itself on a terminal, a line now and then in a log.

    When whoever read them is gone, as with ``2>&1 | head``, the work goes on and nothing more is shown.

    Args:
        quiet: Show messages only.
        stream: Where to; standard error if None.
    """

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._quiet = quiet
        self._terminal = self._stream.isatty()
        self._interval_s = _TERMINAL_INTERVAL_S if self._terminal else _LOG_INTERVAL_S
        self._next = time.monotonic() + (0 if self._terminal else _LOG_INTERVAL_S)
        self._line_open = False

    def due(self) -> bool:
        """Whether :meth:`frame` and :meth:`status` would show something now; cheap."""
        return not self._quiet and time.monotonic() >= self._next

    def frame(self, source: Shown, done: int, fps: float, found: int, *, age_ms: float | None = None) -> None:
        """Tells of a finished frame.

        Args:
            source: Where it is from.
            done: Frames so far.
            fps: Frames per second so far.
            found: Detections in this frame.
            age_ms: How old the frame is; None shows nothing of it.
        """
        if not self.due():
            return
        total = source.frame_count
        parts = [f"{source.name}: frame {done}" + (f" of {total}" if total else "")]
        parts.append(f"{fps:.1f} per second")
        if total and fps > 0 and total > done:
            parts.append(f"{duration((total - done) / fps)} left")
        if source.dropped:
            parts.append(f"{source.dropped} dropped")
        if age_ms is not None:
            parts.append(f"{age_ms:.0f} ms old")
        parts.append(f"{found} found")
        self._show(", ".join(parts))

    def status(self, text: str) -> None:
        """Tells where things stand."""
        if self.due():
            self._show(text)

    def _show(self, text: str) -> None:
        self._next = time.monotonic() + self._interval_s
        self._write(f"\r\x1b[K{text}" if self._terminal else text + "\n")
        self._line_open = self._terminal

    def message(self, text: str) -> None:
        """Shows a line that stays."""
        self.clear()
        self._write(text + "\n")

    def detail(self, text: str) -> None:
        """Shows a line that stays, unless quiet."""
        if not self._quiet:
            self.message(text)

    def clear(self) -> None:
        """Removes the progress line."""
        if self._line_open:
            self._write("\r\x1b[K")
            self._line_open = False

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            discard(self._stream)


def duration(seconds: float) -> str:
    """Seconds as people say them: ``7 s``, ``1:30 min``, ``2:05 h``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return (
        f"{whole // 60}:{whole % 60:02d} min" if whole < 3600 else f"{whole // 3600}:{whole // 60 % 60:02d} h"
    )
