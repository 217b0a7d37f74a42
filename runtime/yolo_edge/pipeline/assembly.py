"""A run: sources, detectors and sinks put together, and taken apart however it ends."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from yolo_edge._core import CpuSet
from yolo_edge.detector import Detector
from yolo_edge.engines.base import SLOTS
from yolo_edge.options import FILES_AT_ONCE, DetectOptions
from yolo_edge.pipeline.feeds import Feeds
from yolo_edge.pipeline.output import Output
from yolo_edge.pipeline.statistics import RunStatistics
from yolo_edge.pipeline.workers import Worker
from yolo_edge.sinks.base import Sink, StopRun
from yolo_edge.sources.base import Source

if TYPE_CHECKING:
    from yolo_edge.progress import Progress


def run(
    detectors: Detector | Sequence[Detector],
    sources: Iterable[Source],
    sinks: Sequence[Sink],
    *,
    options: DetectOptions,
    progress: Progress | None = None,
    max_frames: int | None = None,
    files_at_once: int = FILES_AT_ONCE,
    cpus: CpuSet | None = None,
    statistics: RunStatistics | None = None,
) -> RunStatistics:
    """Detects in every frame of every source.

    Sources are read, frames computed and results written at the same time. The results of one source come in
    order; those of several sources in whatever order they are ready.

    Args:
        detectors: What detects; several share the work, each with an engine of its own.
        sources: Closed here. Live ones and ``files_at_once`` others are read at the same time.
        sinks: Every result goes to each; the caller closes them. They are called from one thread: the calling
            one if a sink wants that, else another.
        options: Thresholds and limits.
        progress: Told of every frame; None for none.
        max_frames: Stop after so many frames in all.
        files_at_once: Files to read at the same time; the others wait, in their order.
        cpus: CPUs for all that is not an engine; None binds nothing.
        statistics: Figures are added here as they come, so that they are there after an interruption too.

    Raises:
        ValueError: ``files_at_once`` is less than 1.
        SinkError: An output cannot be written.
        EngineError: An engine failed.
    """
    opened = list(sources)
    figures = statistics if statistics is not None else RunStatistics()
    shared = [detectors] if isinstance(detectors, Detector) else list(detectors)
    with contextlib.ExitStack() as stack:
        for source in opened:
            stack.callback(source.close)
        if files_at_once < 1:
            raise ValueError(f"files_at_once is {files_at_once}; it must be a whole number of at least 1")
        feeds = Feeds(opened, workers=len(shared), slots=SLOTS, cpus=cpus, files_at_once=files_at_once)
        stack.pop_all()  # from here on the feeds close them
    output = Output(
        feeds,
        sinks,
        statistics=figures,
        progress=progress,
        max_frames=max_frames,
        workers=len(shared),
    )
    # Beside a busy engine letterbox and decoding keep off its CPUs. The engine of a live source waits for
    # them, so there they may have the fastest CPU.
    worker_cpus = None if any(source.live for source in opened) else cpus
    workers = [Worker(detector, feeds, output, options, worker_cpus) for detector in shared]
    writer = _Writer(output, cpus)
    try:
        feeds.start()
        for worker in workers:
            worker.thread.start()
        with contextlib.suppress(StopRun):
            if any(sink.wants_calling_thread for sink in sinks):
                output.deliver()
            else:
                writer.run()
    finally:
        output.stop()
        feeds.stop()
        writer.join()
        for worker in workers:
            worker.join()
        output.count_lost()
    return figures


class _Writer:
    """A thread for the outputs, so that an interruption never comes in the middle of a line or a frame."""

    def __init__(self, output: Output, cpus: CpuSet | None) -> None:
        self._output = output
        self._cpus = cpus
        self._error: BaseException | None = None
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._work, name="yolo-edge-write", daemon=True)

    def run(self) -> None:
        """Delivers all results in the thread, and waits; raises what ``Output.deliver`` raises."""
        self._thread.start()
        self._done.wait()
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # it refers to this frame

    def join(self) -> None:
        """Waits until the thread, if it ever began, is out of the sinks."""
        if self._thread.ident is not None:
            self._thread.join()

    def _work(self) -> None:
        try:
            self._output.deliver(self._cpus)
        except BaseException as error:  # raised again in the thread that waits
            self._error = error
        finally:
            self._done.set()
