"""Plain lines on standard output, for a person who asked for nothing else."""

from __future__ import annotations

import sys
from collections import Counter

from yolo_edge.detections import Detections
from yolo_edge.sinks.base import Sink, writable
from yolo_edge.sources.base import Frame


class TextSink(Sink):
    """``SOURCE frame N: 2 person, 1 car`` for each frame with detections, and for each image."""

    def write(self, frame: Frame, detections: Detections) -> None:
        if not len(detections) and not frame.is_still:
            return
        counts = Counter(detections.class_names)
        found = ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "nothing"
        where = frame.source if frame.is_still else f"{frame.source} frame {frame.index}"
        sys.stdout.write(writable(f"{where}: {found}\n"))
        sys.stdout.flush()
