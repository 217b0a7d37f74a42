"""Sources and sinks for tests of the pipeline, which go on when the test says so."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import ClassVar

import numpy as np

from yolo_edge import Detections
from yolo_edge.sinks import Sink
from yolo_edge.sources import FailedFrame, Frame, Source

TIMEOUT_S = 60.0
"""Nothing here takes long; a test that waits so long has failed."""

IMAGE = np.zeros((64, 64, 3), np.uint8)


def frame(index: int, name: str = "fake") -> Frame:
    return Frame(IMAGE, name, index, index / 10, time.time(), time.monotonic())


class FileSource(Source):
    """A file of so many frames; ``error`` is raised after them."""

    may_run_ahead: ClassVar[bool] = True

    def __init__(self, name: str, count: int, error: Exception | None = None) -> None:
        self.name = name
        self.frame_count = count
        self.read = 0
        self.closed = threading.Event()
        self._error = error

    def __iter__(self) -> Iterator[Frame | FailedFrame]:
        for index in range(self.frame_count or 0):
            self.read += 1
            yield frame(index, self.name)
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        self.closed.set()


class LiveSource(Source):
    """Yields the newest frame of what the test pushed, and every failure; None ends it."""

    live: ClassVar[bool] = True
    frame_count = None

    def __init__(self, name: str) -> None:
        self.name = name
        self.closed = threading.Event()
        self.asked = 0
        """How often somebody wanted a frame."""
        self._items: deque[Frame | FailedFrame | None] = deque()
        self._changed = threading.Condition()

    def push(self, item: Frame | FailedFrame | None) -> None:
        with self._changed:
            if isinstance(item, Frame) and self._items and isinstance(self._items[-1], Frame):
                self._items.pop()
                self.dropped += 1
            self._items.append(item)
            self._changed.notify()

    def __iter__(self) -> Iterator[Frame | FailedFrame]:
        while True:
            with self._changed:
                self.asked += 1
                self._changed.wait_for(lambda: self._items)
                item = self._items.popleft()
            if item is None:
                return
            yield item

    def close(self) -> None:
        self.closed.set()
        self.push(None)


class HangingSource(FileSource):
    """Reads some frames and then hangs for good, whoever closes it."""

    def __init__(self, name: str, count: int = 0) -> None:
        super().__init__(name, count)
        self.hangs = threading.Event()
        self.released = threading.Event()

    def __iter__(self) -> Iterator[Frame | FailedFrame]:
        yield from super().__iter__()
        self.hangs.set()
        self.released.wait()

    def close(self) -> None:
        super().close()
        self.released.wait()


class Memory(Sink):
    """Remembers what came; with a gate, lets each result wait for it."""

    def __init__(self, gate: threading.Event | None = None) -> None:
        self.seen: list[tuple[str, int]] = []
        self.frames: list[Frame] = []
        self.failed: list[str] = []
        self.threads: set[str] = set()
        self.entered = threading.Event()
        self._gate = gate

    def write(self, frame: Frame, detections: Detections) -> None:
        self.entered.set()
        if self._gate is not None:
            assert self._gate.wait(TIMEOUT_S)
        self.seen.append((frame.source, frame.index))
        self.frames.append(frame)
        self.threads.add(threading.current_thread().name)

    def fail(self, failed: FailedFrame) -> None:
        self.failed.append(failed.error)


def wait_until(condition: Callable[[], bool]) -> None:
    """Waits for something that another thread does."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.002)  # there is no event for what the pipeline does inside
