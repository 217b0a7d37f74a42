"""The outputs: results in the order of each source, one at a time."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Union

from yolo_edge._core import CpuSet, bind_current_thread
from yolo_edge.detections import Detections
from yolo_edge.pipeline.feed import Fault, Feed, Taken
from yolo_edge.pipeline.statistics import RunStatistics, SourceStatistics
from yolo_edge.sinks.base import Sink, StopRun
from yolo_edge.sources.base import FailedFrame, Frame

if TYPE_CHECKING:
    from yolo_edge.pipeline.feeds import Feeds
    from yolo_edge.progress import Progress

FILE_DEPTH = 2
"""Results of files that may wait for the outputs; of a live source none does."""


class Result(NamedTuple):
    """A frame and what was found, when it was found."""

    frame: Frame
    detections: Detections
    ready_clock: float


class _Shown(NamedTuple):
    """What the progress line shows of all sources."""

    name: str
    frame_count: int | None
    dropped: int


Outcome = Union[Result, FailedFrame, Fault]


class Output:
    """Takes the results of all workers and hands them to the sinks.

    Args:
        feeds: Told of every result that is out.
        sinks: Every result goes to each.
        statistics: Figures are added here.
        progress: Told of every frame; None for none.
        max_frames: Frames in all, then the run ends.
        workers: How many threads will put results.
    """

    def __init__(
        self,
        feeds: Feeds,
        sinks: Sequence[Sink],
        *,
        statistics: RunStatistics,
        progress: Progress | None = None,
        max_frames: int | None = None,
        workers: int = 1,
    ) -> None:
        self._feeds = feeds
        self._sinks = sinks
        self._statistics = statistics
        self._progress = progress
        self._max_frames = max_frames
        self._workers = workers
        self._by_feed: dict[Feed, SourceStatistics] = {}
        for feed in feeds.all:
            self._by_feed[feed] = statistics.sources.setdefault(feed.label, SourceStatistics())
        lock = threading.Lock()
        self._filled = threading.Condition(lock)
        self._emptied = threading.Condition(lock)
        self._ready: deque[tuple[Feed, Outcome]] = deque()
        self._early: dict[Feed, dict[int, Outcome]] = {feed: {} for feed in feeds.all}
        self._next: dict[Feed, int] = dict.fromkeys(feeds.all, 0)
        self._stopped = False
        self._started = time.monotonic()
        self._elapsed_before = statistics.elapsed_s

    def put(self, taken: Taken, outcome: Outcome) -> None:
        """Leaves what became of an item; waits while the outputs are behind.

        One that is early stays until those before it are there; the feed's window bounds how many do.
        """
        feed = taken.feed
        depth = 0 if feed.source.live else FILE_DEPTH
        with self._filled:
            early = self._early[feed]
            early[taken.number] = outcome
            while (following := early.pop(self._next[feed], None)) is not None:
                self._next[feed] += 1
                self._ready.append((feed, following))
            self._filled.notify()
            while len(self._ready) > depth and not self._stopped:
                self._emptied.wait()

    def worker_ended(self) -> None:
        """Tells that a worker puts nothing any more."""
        with self._filled:
            self._workers -= 1
            self._filled.notify()

    def stop(self) -> None:
        """Ends ``deliver`` after the result that it is at, and lets no worker wait."""
        with self._filled:
            self._stopped = True
            self._filled.notify_all()
            self._emptied.notify_all()

    def deliver(self, cpus: CpuSet | None = None) -> None:
        """Hands results to the sinks until the last worker has ended.

        Args:
            cpus: CPUs to bind this thread to; None binds nothing.

        Raises:
            StopRun: There are enough frames, or a sink has enough.
            BaseException: What a sink, a worker or a program's own source raised.
        """
        if cpus is not None:
            bind_current_thread(cpus)
        while (entry := self._wait()) is not None:
            feed, outcome = entry
            if isinstance(outcome, Fault):
                raise outcome.error
            self._hand_out(feed, outcome)
            self._feeds.deliver(feed)
            del entry, outcome  # while it waits no frame is kept alive

    def count_lost(self) -> None:
        """Brings the dropped and damaged frames of the statistics up to date."""
        for feed, figures in self._by_feed.items():
            figures.dropped, figures.damaged = feed.source.dropped, feed.source.damaged
        self._statistics.dropped = sum(figures.dropped for figures in self._by_feed.values())
        self._statistics.damaged = sum(figures.damaged for figures in self._by_feed.values())

    def _wait(self) -> tuple[Feed, Outcome] | None:
        with self._filled:
            while not self._ready and self._workers and not self._stopped:
                self._filled.wait()
            if self._stopped or not self._ready:
                return None
            entry = self._ready.popleft()
            self._emptied.notify_all()
            return entry

    def _hand_out(self, feed: Feed, outcome: Result | FailedFrame) -> None:
        statistics, progress = self._statistics, self._progress
        if isinstance(outcome, FailedFrame):
            statistics.add_failure(self._by_feed[feed])
            if progress:
                progress.message(outcome.error)
            for sink in self._sinks:
                sink.fail(outcome)
            return
        age_ms = (outcome.ready_clock - outcome.frame.captured_clock) * 1e3
        frame = dataclasses.replace(outcome.frame, age_ms=age_ms)
        elapsed_s = self._elapsed_before + outcome.ready_clock - self._started
        statistics.add(self._by_feed[feed], outcome.detections, age_ms, elapsed_s)
        for sink in self._sinks:
            sink.write(frame, outcome.detections)
        if progress and progress.due():
            self.count_lost()
            live_age_ms = age_ms if feed.source.live else None
            found = len(outcome.detections)
            progress.frame(self._shown(), statistics.frames, statistics.fps, found, age_ms=live_age_ms)
        if self._max_frames is not None and statistics.frames >= self._max_frames:
            raise StopRun

    def _shown(self) -> _Shown:
        feeds = self._feeds.all
        counts = [feed.source.frame_count for feed in feeds]
        return _Shown(
            feeds[0].label if len(feeds) == 1 else f"{len(feeds)} sources",
            None if None in counts else sum(count for count in counts if count is not None),
            self._statistics.dropped,
        )
