"""Results handed to a function."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from yolo_edge.detections import Detections
from yolo_edge.errors import SourceError
from yolo_edge.sinks.base import Sink, StopRun
from yolo_edge.sources.base import FailedFrame, Frame


class CallbackSink(Sink):
    """Calls a function for each result.

    Args:
        on_result: Called with the frame and its detections; returning False ends the run.
        on_failure: Called with what could not be read; None raises it as a SourceError.
    """

    wants_calling_thread: ClassVar[bool] = True

    def __init__(
        self,
        on_result: Callable[[Frame, Detections], object],
        on_failure: Callable[[FailedFrame], object] | None = None,
    ) -> None:
        self._on_result = on_result
        self._on_failure = on_failure

    def write(self, frame: Frame, detections: Detections) -> None:
        if self._on_result(frame, detections) is False:
            raise StopRun

    def fail(self, failed: FailedFrame) -> None:
        if self._on_failure is None:
            raise SourceError(failed.error)
        self._on_failure(failed)
