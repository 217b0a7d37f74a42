"""From sources through the detector to the sinks."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Union

import numpy as np
import numpy.typing as npt

from yolo_edge.detections import Detections
from yolo_edge.detector import Detector
from yolo_edge.options import DetectOptions
from yolo_edge.progress import Progress
from yolo_edge.read_ahead import read_ahead
from yolo_edge.sinks import Sink, StopRun
from yolo_edge.sources import FailedFrame, Frame, Source
from yolo_edge.sources.base import FrameOrFailure


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

    def add(self, detections: Detections, elapsed_s: float) -> None:
        """Counts a frame."""
        self.frames += 1
        self.detections += len(detections)
        self.elapsed_s = elapsed_s
        if times := detections.times:
            self.stage_ms["letterbox"] += times.letterbox_ms
            self.stage_ms["inference"] += times.inference_ms
            self.stage_ms["postprocess"] += times.postprocess_ms

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
    progress: Progress | None = None,
    max_frames: int | None = None,
    statistics: RunStatistics | None = None,
) -> RunStatistics:
    """Detects in every frame of every source, one source after the other.

    Args:
        detector: What detects.
        sources: Closed here, each after its last frame.
        sinks: Every result goes to each; the caller closes them.
        options: Thresholds and limits.
        progress: Told of every frame; None for none.
        max_frames: Stop after so many frames in all.
        statistics: Figures are added here as they come, so that they are there after an interruption too.

    Raises:
        SinkError: An output cannot be written.
    """
    figures = statistics if statistics is not None else RunStatistics()
    with contextlib.suppress(StopRun):
        for source in sources:
            with source:
                _run_source(detector, source, sinks, options, progress, max_frames, figures)
    return figures


def watch(
    detector: Detector,
    source: str | Iterable[str] | Iterable[npt.NDArray[np.uint8]],
    on_result: Callable[[Frame, Detections], object],
    *,
    on_failure: Callable[[FailedFrame], object] | None = None,
    options: DetectOptions | None = None,
    every: int = 1,
    max_frames: int | None = None,
) -> RunStatistics:
    """Calls back for every frame of a source, in the calling thread.

    Args:
        detector: What detects.
        source: What ``yolo-edge run`` takes (an image, folder, glob pattern, video file or ``camN``), a list
            of such names, or images: uint8 arrays (height, width, 3), BGR.
        on_result: Called with each frame and its detections; when it returns False the run ends.
        on_failure: Called with what could not be read; None raises it as a SourceError.
        options: Thresholds and limits; None means the defaults.
        every: Take only each N-th frame.
        max_frames: Stop after so many frames.

    Raises:
        SourceError: The source cannot be opened, or something in it cannot be read and there is no
            ``on_failure``.

    Example:
        >>> images = [np.zeros((90, 160, 3), np.uint8)] * 2               # or "cam0", "street.mp4", ...
        >>> with Detector("best.edge") as detector:
        ...     statistics = watch(detector, images, lambda frame, found: print(frame.index))
        0
        1
    """
    from yolo_edge.sinks.callback import CallbackSink
    from yolo_edge.sources import open_source

    opened = open_source(source, every)
    sink = CallbackSink(on_result, on_failure)
    return run(detector, opened, [sink], options=options or DetectOptions(), max_frames=max_frames)


def _run_source(
    detector: Detector,
    source: Source,
    sinks: Sequence[Sink],
    options: DetectOptions,
    progress: Progress | None,
    max_frames: int | None,
    figures: RunStatistics,
) -> None:
    """Adds one source to the figures.

    Raises:
        StopRun: There are enough frames, or an output has enough.
    """
    dropped_before, elapsed_before, started = figures.dropped, figures.elapsed_s, time.monotonic()
    with contextlib.closing(_results(detector, source, options)) as results:
        for result in results:
            figures.dropped = dropped_before + source.dropped
            if isinstance(result, FailedFrame):
                figures.failures += 1
                if progress:
                    progress.message(result.error)
                for sink in sinks:
                    sink.fail(result)
                continue
            frame, detections = result
            figures.add(detections, elapsed_before + time.monotonic() - started)
            for sink in sinks:
                sink.write(frame, detections)
            if progress:
                progress.frame(source, figures.frames, figures.fps, len(detections))
            if max_frames is not None and figures.frames >= max_frames:
                raise StopRun


Result = Union[tuple[Frame, Detections], FailedFrame]


def _results(detector: Detector, source: Source, options: DetectOptions) -> Generator[Result, None, None]:
    """What becomes of every frame, in order.

    Of a file the next frames are read in a thread, and one is letterboxed, while the engine computes; what
    the caller does with a result happens meanwhile, too. Whoever watches a camera wants the newest frame, so
    nothing runs ahead there.
    """
    if not source.may_run_ahead:
        for item in source:
            if isinstance(item, FailedFrame):
                yield item
            else:
                yield item, detector.detect(item.image, options=options)
        return
    waiting: deque[FrameOrFailure] = deque()

    def images() -> Iterator[npt.NDArray[np.uint8]]:
        with contextlib.closing(read_ahead(source)) as items:
            for read in items:
                waiting.append(read.item)
                if isinstance(read.item, Frame):
                    yield read.item.image

    with contextlib.closing(detector.detect_stream(images(), options=options)) as stream:
        for detections in stream:
            while isinstance(item := waiting.popleft(), FailedFrame):
                yield item
            yield item, detections
    for item in waiting:
        if isinstance(item, FailedFrame):
            yield item
