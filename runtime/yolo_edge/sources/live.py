"""What all cameras and streams share: the capturing thread, the newest frame, connecting again."""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from yolo_edge._core import CpuSet, bind_current_thread
from yolo_edge.capture_options import CaptureOptions
from yolo_edge.sources.base import FailedFrame, Frame, FrameOrFailure, Source
from yolo_edge.sources.newest import NewestFrame
from yolo_edge.sources.reconnect import SETTLED_S, Backoff, StreamLost

CLOSE_TIMEOUT_S = 1.0
"""How long closing waits for the capturing thread; a read that cannot be interrupted ends by its time-out."""
MOST_ABANDONED = 4
"""Capturing threads that may hang in a library before their source is given up."""


class DamagedPicture(Exception):  # noqa: N818 - not an error: it is counted and the next one is taken
    """A picture that does not decode."""


@dataclass(frozen=True)
class Picture:
    """A captured picture, not yet in its final form: most live pictures are overtaken and never needed."""

    captured_clock: float
    """When it was taken, on ``time.monotonic``'s clock."""
    to_bgr: Callable[[], npt.NDArray[np.uint8]]
    """Makes uint8 (height, width, 3), BGR, of it; raises DamagedPicture."""


@dataclass
class CaptureCounts:
    """What the capturing thread did not hand on."""

    late: int = 0
    """Frames dropped before decoding because they were too old."""
    damaged: int = 0
    """Frames that were flagged as damaged, do not decode, or build on one of those."""


class Connection(ABC):
    """An open camera or stream, used by the capturing thread only but for :meth:`interrupt`."""

    fps: float | None = None
    """Nominal frames per second, where known."""

    @abstractmethod
    def pictures(self) -> Iterator[Picture]:
        """Yields pictures as they come; ends when the stream does.

        Raises:
            StreamLost: It failed; the reason needs no name of the source.
        """

    def interrupt(self) -> None:  # noqa: B027 - most cannot, and end by their time-out
        """Called from another thread: makes :meth:`pictures` return soon, if that is possible."""

    @abstractmethod
    def close(self) -> None:
        """Frees what it holds."""


def plausible_fps(value: float) -> float | None:
    """A frame rate as libraries give it, None for the nonsense that stands for an unknown one."""
    return value if 0 < value < 1000 else None


class LiveSource(Source):
    """A camera or stream. Yields the newest frame, counts those that were overtaken, connects again for ever.

    Each time frames stop coming there is one FailedFrame with the reason; they go on when the camera is back.
    Subclasses implement :meth:`connect` and call :meth:`start` when they can.

    Args:
        name: How messages call it; no credentials in it.
        options: Time-outs and retries.
        every: Take only each N-th frame.
        cpus: CPUs that the capturing thread is bound to; None binds nothing.
        rng: For the waits between attempts; seeded in tests.
    """

    live: ClassVar[bool] = True

    def __init__(
        self,
        name: str,
        options: CaptureOptions,
        every: int = 1,
        cpus: CpuSet | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.name = name
        self.frame_count = None
        self.options = options
        self.counts = CaptureCounts()
        self._every = every
        self._cpus = cpus
        self._rng = rng
        self._newest: NewestFrame[_Captured] = NewestFrame()
        self._started = time.monotonic()
        self._index = 0
        self._abandoned = 0
        self._capture: _Capture | None = None

    @abstractmethod
    def connect(self) -> Connection:
        """Opens the camera or stream, in the capturing thread.

        Raises:
            StreamLost: It cannot be opened now.
        """

    def start(self) -> None:
        """Starts capturing."""
        self._capture = _Capture(self, self._newest, self._cpus, Backoff(self.options, self._rng))

    def __iter__(self) -> Iterator[FrameOrFailure]:
        # Connecting and the first frame may take the time-out each, and are reported by the thread itself.
        patience_s = 2 * self.options.timeout_s + 1
        good_at, undecodable = time.monotonic(), 0
        while True:
            item = self._newest.get(patience_s)
            self.dropped = self._newest.dropped + self.counts.late
            self.damaged = self.counts.damaged + undecodable
            if isinstance(item, FailedFrame):
                good_at = time.monotonic()
                yield item
            elif item is not None:
                try:
                    image = item.picture.to_bgr()
                except DamagedPicture:
                    undecodable += 1
                    if time.monotonic() - good_at > self.options.timeout_s:
                        good_at = time.monotonic()
                        yield self.failure(f"only damaged pictures for {self.options.timeout_s:g} s")
                    continue
                good_at = time.monotonic()
                yield self._frame(item, image)
            elif self._newest.closed:
                return
            elif self._capture is not None and self._capture.hangs(patience_s):
                if self._abandoned == MOST_ABANDONED:
                    yield self.failure(f"{MOST_ABANDONED + 1} attempts to read it hang; given up")
                    return
                self._abandoned += 1
                yield self.failure(f"nothing for {patience_s:g} s and the read hangs; connecting anew")
                self._capture.stop()
                self.start()

    def close(self) -> None:
        self._newest.close()
        if self._capture is not None:
            self._capture.stop()
            self._capture.join(CLOSE_TIMEOUT_S)

    def next_index(self) -> int:
        """The number of the next frame."""
        self._index += 1
        return self._index - 1

    def takes(self, index: int) -> bool:
        """Whether ``every`` lets this frame through."""
        return index % self._every == 0

    def failure(self, reason: str) -> FailedFrame:
        """What to yield when frames stop coming."""
        return FailedFrame(self.name, self._index, time.time(), f"{self.name}: {reason}")

    def _frame(self, item: _Captured, image: npt.NDArray[np.uint8]) -> Frame:
        clock = item.picture.captured_clock
        wall = time.time() - (time.monotonic() - clock)
        time_s = max(0.0, clock - self._started)
        return Frame(image, self.name, item.index, time_s, wall, clock, fps=self.fps)


@dataclass(frozen=True)
class _Captured:
    picture: Picture
    index: int


class _Capture:
    """One capturing thread of a source; replaced when it hangs in a library."""

    def __init__(
        self, source: LiveSource, newest: NewestFrame[_Captured], cpus: CpuSet | None, backoff: Backoff
    ) -> None:
        self._source = source
        self._newest = newest
        self._cpus = cpus
        self._backoff = backoff
        self._stopped = threading.Event()
        self._connection: Connection | None = None
        self._reported: set[str] = set()
        self._attempts = 0
        self._alive_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"yolo-edge-{source.name}", daemon=True)
        self._thread.start()

    def hangs(self, patience_s: float) -> bool:
        """Whether for so long nothing came, nothing failed, and nobody was told of a loss."""
        return not self._reported and time.monotonic() - self._alive_at > patience_s

    def stop(self) -> None:
        """Ends the thread soon, or when its read returns."""
        self._stopped.set()
        if connection := self._connection:
            connection.interrupt()

    def join(self, timeout_s: float) -> None:
        """Waits for its end."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            if self._cpus is not None:
                bind_current_thread(self._cpus)
            while not self._stopped.is_set():
                lost = self._connect_and_read()
                if self._stopped.is_set() or self._ends(lost):
                    break
                self._stopped.wait(self._backoff.delay_s(lost))
        except BaseException as caught:  # handed to whoever iterates, whatever it is
            error = caught
        if not self._stopped.is_set():
            self._newest.close(error)

    def _connect_and_read(self) -> StreamLost:
        try:
            self._connection = connection = self._source.connect()
        except StreamLost as lost:
            return lost
        try:
            if self._stopped.is_set():  # before it could be interrupted
                return StreamLost("stopped")
            first = time.monotonic()
            for picture in connection.pictures():
                if self._stopped.is_set():
                    break
                self._reported.clear()
                self._attempts = 0
                self._alive_at = time.monotonic()
                if self._alive_at - first > SETTLED_S:
                    self._backoff.reset()
                self._source.fps = connection.fps
                index = self._source.next_index()
                if self._source.takes(index):
                    self._newest.put(_Captured(picture, index))
        except StreamLost as lost:
            return lost
        finally:
            self._connection = None
            connection.close()
        return StreamLost("the stream ended")

    def _ends(self, lost: StreamLost) -> bool:
        """Reports a loss, unless it is the same one still; True when there is to be no other attempt."""
        reason, retries = str(lost), self._source.options.retries
        self._attempts += 1
        ends = lost.final or (retries is not None and self._attempts > retries)
        if ends and not lost.final and retries:
            reason = f"{reason}; given up after {self._attempts} attempts"
        if ends or not self._reported or (lost.needs_user and reason not in self._reported):
            self._reported.add(reason)
            self._newest.put(self._source.failure(reason))
        return ends
