"""Where results go: annotated pictures and video, JSON Lines, YOLO label files, a window.

To add one: a file here with a :class:`~yolo_edge.sinks.base.Sink`, and its flag in ``commands/run.py``.
"""

from __future__ import annotations

from yolo_edge.sinks.base import Sink, StopRun

__all__ = ["Sink", "StopRun"]
