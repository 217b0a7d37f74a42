"""GStreamer pipelines, through an OpenCV that was built with GStreamer."""

from __future__ import annotations

import re

from yolo_edge._core import CpuSet
from yolo_edge.capture_options import CaptureOptions
from yolo_edge.errors import SourceError
from yolo_edge.packages import require_cv2
from yolo_edge.sources.credentials import redact
from yolo_edge.sources.live import Connection, LiveSource, plausible_fps
from yolo_edge.sources.opencv_capture import OpenCvConnection
from yolo_edge.sources.reconnect import StreamLost

_TO_APPSINK = " ! videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1 sync=false"


class GstreamerSource(LiveSource):
    """A pipeline as ``gst-launch-1.0`` takes it.

    Args:
        pipeline: Without an ``appsink``, one that keeps the newest frame is put at its end.
        options: Time-outs and retries.
        every: Take only each N-th frame.
        cpus: CPUs that the capturing thread, and what the pipeline starts, are bound to; None binds nothing.

    Raises:
        SourceError: This OpenCV has no GStreamer.
    """

    def __init__(
        self, pipeline: str, options: CaptureOptions, every: int = 1, cpus: CpuSet | None = None
    ) -> None:
        self._cv2 = cv2 = require_cv2("GStreamer pipelines")
        line = re.search(r"GStreamer:\s*(.*)", cv2.getBuildInformation())
        if line is None or not line[1].strip().startswith("YES"):
            shown = line[0].strip() if line else "no line about GStreamer"
            raise SourceError(
                f"gst: this OpenCV ({cv2.__version__}) was built without GStreamer; its build information "
                f"says '{shown}'. Debian's python3-opencv has it; pip's packages do not"
            )
        super().__init__(f"gst:{redact(pipeline)}", options, every, cpus)
        self._pipeline = pipeline if "appsink" in pipeline else pipeline + _TO_APPSINK
        self.start()

    def connect(self) -> Connection:
        cv2, timeout_ms = self._cv2, round(self.options.timeout_s * 1e3)
        timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms]
        capture = cv2.VideoCapture(self._pipeline, cv2.CAP_GSTREAMER, timeouts)
        if not capture.isOpened():
            # Older OpenCV, as Debian 12's 4.6, has no time-outs for pipelines: LiveSource notices what hangs.
            capture = cv2.VideoCapture(self._pipeline, cv2.CAP_GSTREAMER)
        if not capture.isOpened():
            raise StreamLost("the pipeline does not start (gst-launch-1.0 tells why)")
        fps = plausible_fps(float(capture.get(cv2.CAP_PROP_FPS)))
        return OpenCvConnection(capture, fps, "the pipeline ended or stopped delivering frames")
