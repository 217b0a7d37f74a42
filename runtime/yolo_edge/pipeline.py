"""From sources through the detector to the sinks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from yolo_edge.detector import Detector
from yolo_edge.options import DetectOptions
from yolo_edge.progress import Progress
from yolo_edge.sinks import Sink
from yolo_edge.sources import FailedFrame, Source


@dataclass
class RunStatistics:
    """Figures of a run; they take the same memory after a minute and after a month."""

    frames: int = 0
    failures: int = 0
    dropped: int = 0
    detections: int = 0
    elapsed_s: float = 0.0
    stage_ms: dict[str, float] = field(
        default_factory=lambda: {"letterbox": 0.0, "inference": 0.0, "postprocess": 0.0}
    )
    """Sum over all frames, by stage."""

    @property
    def fps(self) -> float:
        """Frames per second from the first frame to the last."""
        return self.frames / self.elapsed_s if self.elapsed_s > 0 else 0.0

    def describe(self) -> str:
        """One line for people."""
        stages = ", ".join(
            f"{name} {total / max(1, self.frames):.1f} ms" for name, total in self.stage_ms.items()
        )
        parts = [f"{self.frames} frames in {self.elapsed_s:.1f} s ({self.fps:.1f} per second): {stages}"]
        parts.append(f"{self.detections} detections")
        if self.dropped:
            parts.append(f"{self.dropped} frames dropped")
        if self.failures:
            parts.append(f"{self.failures} failed")
        return "; ".join(parts)


def run(
    detector: Detector,
    sources: Iterable[Source],
    sinks: Sequence[Sink],
    *,
    options: DetectOptions,
    progress: Progress,
    max_frames: int | None = None,
    statistics: RunStatistics | None = None,
) -> RunStatistics:
    """Detects in every frame of every source, one source after the other.

    Args:
        detector: What detects.
        sources: Closed here, each after its last frame.
        sinks: Every result goes to each; the caller closes them.
        options: Thresholds and limits.
        progress: Told of every frame.
        max_frames: Stop after so many frames in all.
        statistics: Figures are added here as they come, so that they are there after an interruption too.

    Raises:
        SinkError: An output cannot be written.
    """
    figures = statistics if statistics is not None else RunStatistics()
    started = time.monotonic()
    for source in sources:
        dropped_before = figures.dropped
        with source:
            for item in source:
                figures.dropped = dropped_before + source.dropped
                if isinstance(item, FailedFrame):
                    figures.failures += 1
                    progress.message(item.error)
                    for sink in sinks:
                        sink.fail(item)
                    continue
                detections = detector.detect(item.image, options=options)
                for sink in sinks:
                    sink.write(item, detections)
                figures.frames += 1
                figures.detections += len(detections)
                figures.elapsed_s = time.monotonic() - started
                if times := detections.times:
                    figures.stage_ms["letterbox"] += times.letterbox_ms
                    figures.stage_ms["inference"] += times.inference_ms
                    figures.stage_ms["postprocess"] += times.postprocess_ms
                progress.frame(source, figures.frames, figures.fps, len(detections))
                if max_frames is not None and figures.frames >= max_frames:
                    return figures
    return figures
