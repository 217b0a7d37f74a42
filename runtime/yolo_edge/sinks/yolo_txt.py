"""YOLO label files: a line ``class cx cy w h [confidence]`` for each box, relative to the image."""

from __future__ import annotations

from pathlib import Path

from yolo_edge.detections import Detections
from yolo_edge.sinks.base import Sink
from yolo_edge.sinks.files import OutputFolder, replace_output
from yolo_edge.sources.base import Frame


class YoloTxtSink(Sink):
    """Writes ``NAME.txt`` for an image and ``NAME_FRAME.txt`` for a frame of a video or camera.

    An image without boxes gets an empty file, as the format has it.

    Args:
        folder: Where to; made if missing.
        confidence: Add the confidence as a sixth column.
    """

    def __init__(self, folder: Path, *, confidence: bool = False) -> None:
        self._folder = OutputFolder(folder)
        self._confidence = confidence
        self._count = 0

    def write(self, frame: Frame, detections: Detections) -> None:
        height, width = frame.image.shape[:2]
        lines = []
        for (x0, y0, x1, y1), score, class_id in zip(
            detections.xyxy.tolist(), detections.confidence.tolist(), detections.class_id.tolist()
        ):
            values = [(x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height]
            if self._confidence:
                values.append(score)
            lines.append(" ".join([str(class_id), *(f"{value:.6f}" for value in values)]) + "\n")
        suffix = ".txt" if frame.is_still else f"_{frame.index:06d}.txt"
        path = self._folder.file_for(frame.source, suffix, frame.path)
        self._folder.forget(frame.source, suffix)
        replace_output(path, "".join(lines).encode())
        self._count += 1

    @property
    def outputs(self) -> list[str]:
        return [f"{self._count} label files in {self._folder.path}"]
