"""One source and the thread that reads it."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Union

from yolo_edge._core import CpuSet, bind_current_thread
from yolo_edge.errors import SourceError
from yolo_edge.sources.base import FailedFrame, Frame, Source

if TYPE_CHECKING:
    from yolo_edge.pipeline.feeds import Feeds

FILE_DEPTH = 3
"""Frames of a file that are read ahead."""


class Fault(NamedTuple):
    """An error that ends the run when its turn comes, after the results before it."""

    error: BaseException


Item = Union[Frame, FailedFrame, Fault]


class Taken(NamedTuple):
    """What a worker took of a feed."""

    feed: Feed
    number: int
    """Results of a feed go to the outputs in the order of these numbers, from 0."""
    item: Item


class Feed:
    """A source, what was read of it and is not yet taken, and how far its results are.

    All but the constructor, ``thread`` and ``close`` belong under the lock of the feeds.

    Args:
        source: Read in the thread, and closed there after its end.
        label: Name of the source in results.
        feeds: Those that it belongs to.
        window: Frames that may be between ``take`` and the end of their output.
        cpus: CPUs that the thread is bound to; None binds nothing.
    """

    def __init__(self, source: Source, label: str, feeds: Feeds, window: int, cpus: CpuSet | None) -> None:
        self.source = source
        self.label = label
        self.window = window
        self.waiting: deque[Item] = deque()
        self.taken = 0
        self.delivered = 0
        self.asked = False
        """Whether the frame that a live source has then is wanted."""
        self.ended = False
        self.room = threading.Condition(feeds.lock)
        """Notified when something was taken, delivered or asked for."""
        self.thread = threading.Thread(target=self._work, name=f"yolo-edge-read-{label}", daemon=True)
        self._feeds = feeds
        self._cpus = cpus

    def has_turn(self) -> bool:
        """Whether something may be taken now."""
        return bool(self.waiting) and self._in_window()

    def may_be_asked(self) -> bool:
        """Whether a live source could yield a frame that nobody has asked for yet."""
        return self.source.live and not self.asked and not self.ended and self._in_window()

    def ask(self) -> bool:
        """Lets a live source yield the frame that it has now; False when that is not to be waited for."""
        if not self.may_be_asked():
            return False
        self.asked = True
        self.room.notify()
        return True

    def take(self) -> Taken:
        """Takes the next item; ``has_turn`` was True."""
        number, self.taken = self.taken, self.taken + 1
        item = self.waiting.popleft()
        self.room.notify()
        return Taken(self, number, item)

    def close(self) -> None:
        """Closes the source from another thread, so that its reader ends."""
        self.source.close()

    def _work(self) -> None:
        """The thread: reads until the end, the first error, or the end of the run."""
        try:
            if self._cpus is not None:
                bind_current_thread(self._cpus)
            with self.source:
                self._read()
        except SourceError as error:
            # One source's fault: the others go on.
            self._put(FailedFrame(self.label, self.taken, time.time(), str(error)))
        except BaseException as error:  # such as of the program's own images: the run raises it
            self._put(Fault(error))
        finally:
            self._feeds.end(self)

    def _read(self) -> None:
        iterator = iter(self.source)
        rename = self.label != self.source.name
        while self._wait_for_room():
            item = next(iterator, None)
            if item is None:
                return
            if rename and item.source == self.source.name:
                item = dataclasses.replace(item, source=self.label)
            self._put(item)

    def _put(self, item: Item) -> None:
        with self.room:
            self.asked = False
            self.waiting.append(item)
            self._feeds.arrived.notify_all()

    def _wait_for_room(self) -> bool:
        """Waits until the next item may be read; False when the run is over."""
        with self.room:
            while not self._has_room() and not self._feeds.stopped:
                self.room.wait()
            return not self._feeds.stopped

    def _has_room(self) -> bool:
        if self.source.live:
            return self.asked
        if self.source.may_run_ahead:
            return len(self.waiting) < FILE_DEPTH
        return not self.waiting and self.delivered == self.taken

    def _in_window(self) -> bool:
        return self.taken - self.delivered < self.window
