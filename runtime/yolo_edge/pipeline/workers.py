"""The threads that give frames to the engines and take the results."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

from yolo_edge._core import CpuSet, bind_current_thread
from yolo_edge.detector import Detector
from yolo_edge.engines.base import SLOTS
from yolo_edge.options import DetectOptions
from yolo_edge.pipeline.feed import Fault, Taken
from yolo_edge.pipeline.feeds import Feeds
from yolo_edge.pipeline.output import Output, Result
from yolo_edge.sources.base import Frame


class Worker:
    """Keeps one engine busy: letterboxes and posts the next frame while the engine computes one.

    Args:
        detector: What detects; others may use it at the same time.
        feeds: Where frames come from.
        output: Where results go.
        options: Thresholds and limits.
        cpus: CPUs that the thread is bound to; None binds nothing.
    """

    def __init__(
        self,
        detector: Detector,
        feeds: Feeds,
        output: Output,
        options: DetectOptions,
        cpus: CpuSet | None = None,
    ) -> None:
        self._inference = detector.inference
        self._choice = detector.choose(options)
        self._feeds = feeds
        self._output = output
        self._cpus = cpus
        self._running: deque[tuple[Taken, Any]] = deque()
        """What was taken and its job; None for what needs none."""
        self.thread = threading.Thread(target=self._work, name="yolo-edge-worker", daemon=True)

    def join(self) -> None:
        """Waits until the thread, if it ever began, has ended."""
        if self.thread.ident is not None:
            self.thread.join()

    def _work(self) -> None:
        """The thread: until the sources end or the run does."""
        running = self._running
        try:
            if self._cpus is not None:
                bind_current_thread(self._cpus)
            while True:
                taken = self._feeds.take(len(running)) if len(running) < SLOTS else None
                if taken is not None:
                    if not self._start(taken):
                        return
                elif not running or not self._finish():
                    return
        finally:
            while running:  # after an error
                _, job = running.popleft()
                if job is not None:
                    self._inference.abandon(job)
            self._output.worker_ended()

    def _start(self, taken: Taken) -> bool:
        """Letterboxes a frame and posts its inference; False after an error."""
        item, job = taken.item, None
        if isinstance(item, Frame):
            try:
                # Others may hold the slots. To wait for a second one while holding one would be for ever.
                while (job := self._inference.try_start(item.image, "bgr")) is None and self._running:
                    if not self._finish():
                        return False
                if job is None:
                    job = self._inference.start(item.image, "bgr")
            except Exception as error:  # whatever it is, the run raises it when its turn comes
                taken = taken._replace(item=Fault(error))
        self._running.append((taken, job))
        return True

    def _finish(self) -> bool:
        """Waits for the oldest inference, decodes and hands the result over; False after an error."""
        taken, job = self._running.popleft()
        item = taken.item
        if not isinstance(item, Frame):
            self._output.put(taken, item)
            return not isinstance(item, Fault)
        try:
            detections = self._inference.finish(job, self._choice)
        except Exception as error:  # whatever it is, the run raises it when its turn comes
            self._output.put(taken, Fault(error))
            return False
        self._output.put(taken, Result(item, detections, time.monotonic()))
        return True
