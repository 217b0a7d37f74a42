"""Results of a source, handed to a function."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from yolo_edge.capture_options import CaptureOptions
from yolo_edge.detections import Detections
from yolo_edge.detector import Detector
from yolo_edge.options import DetectOptions
from yolo_edge.pipeline.assembly import run
from yolo_edge.pipeline.statistics import RunStatistics
from yolo_edge.sinks.callback import CallbackSink
from yolo_edge.sources import open_source
from yolo_edge.sources.base import FailedFrame, Frame


def watch(
    detector: Detector,
    source: str | Iterable[str] | Iterable[npt.NDArray[np.uint8]],
    on_result: Callable[[Frame, Detections], object],
    *,
    on_failure: Callable[[FailedFrame], object] | None = None,
    options: DetectOptions | None = None,
    capture: CaptureOptions | None = None,
    every: int = 1,
    max_frames: int | None = None,
) -> RunStatistics:
    """Calls back for every frame of a source, in the calling thread.

    Args:
        detector: What detects.
        source: What ``yolo-edge run`` takes (an image, folder, glob pattern, video file, ``camN``), a list of
            such names, or images: uint8 arrays (height, width, 3), BGR. An iterator of images is asked for
            the next one, from another thread, when the callback for the one before has returned.
        on_result: Called with each frame, whose ``age_ms`` is known by then, and its detections; when it
            returns False the run ends. While it works on a frame of a file the next ones are computed.
        on_failure: Called with what could not be read; None raises it as a SourceError.
        options: Thresholds and limits; None means the defaults.
        capture: How cameras and streams are opened; None means the defaults.
        every: Take only each N-th frame.
        max_frames: Stop after so many frames.

    Raises:
        ValueError: ``capture`` asks for something that the source does not have.
        SourceError: The source cannot be opened, or something in it cannot be read and there is no
            ``on_failure``.

    Example:
        >>> images = [np.zeros((90, 160, 3), np.uint8)] * 2               # or "cam0", "street.mp4", ...
        >>> with Detector("best.edge") as detector:
        ...     statistics = watch(detector, images, lambda frame, found: print(frame.index))
        0
        1
    """
    opened = open_source(source, every, capture)
    sink = CallbackSink(on_result, on_failure)
    return run(detector, opened, [sink], options=options or DetectOptions(), max_frames=max_frames)
