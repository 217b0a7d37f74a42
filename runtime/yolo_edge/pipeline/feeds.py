"""All sources of a run: which are being read, and whose turn it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from yolo_edge._core import CpuSet
from yolo_edge.options import FILES_AT_ONCE
from yolo_edge.pipeline.feed import Feed, Taken
from yolo_edge.sources.base import Source

ASK_TIMEOUT_S = 0.005
"""How long a live source has its turn; if its frame comes later, it is taken then, but others go first."""

STOP_TIMEOUT_S = 1.0
"""A reader that has not ended by then is left alone: it hangs in its device or connection."""


class Feeds:
    """Reads all live sources, and some files at a time, and gives their frames out in fair turn.

    Args:
        sources: Closed by their readers, or by ``stop``.
        workers: How many threads take frames.
        slots: Frames that one of them may hold.
        files_at_once: Files to read at the same time; the others wait, in their order.
        cpus: CPUs that the readers are bound to; None binds nothing.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        workers: int = 1,
        slots: int = 1,
        files_at_once: int = FILES_AT_ONCE,
        cpus: CpuSet | None = None,
    ) -> None:
        self.lock = threading.Lock()
        self.arrived = threading.Condition(self.lock)
        """Notified when something may be taken that could not be before."""
        self.stopped = False
        self.all: list[Feed] = []
        taken: set[str] = set()
        for source in sources:
            label, number = source.name, 1
            while label in taken:
                number += 1
                label = f"{source.name}#{number}"
            taken.add(label)
            # What is computed, and one in the outputs; files also wait there, so that neither waits long.
            window = workers + 1 if source.live else 2 * workers * slots + 1
            self.all.append(Feed(source, label, self, window, cpus))
        self._active: list[Feed] = []
        live = [feed for feed in self.all if feed.source.live]
        self._queued = [feed for feed in reversed(self.all) if not feed.source.live]
        self._live_count = len(live)
        self._turn = 0
        starting = live + [self._queued.pop() for _ in range(min(files_at_once, len(self._queued)))]
        self._active += sorted(starting, key=self.all.index)

    def start(self) -> None:
        """Begins to read."""
        for feed in self._active[:]:  # one that ends at once changes the list
            feed.thread.start()

    def take(self, held: int) -> Taken | None:
        """The next item of the next source that has one.

        A thread that holds nothing waits for it. One that has given a frame to its engine gets another if
        there is one now, to be letterboxed meanwhile. While there is a live source it gets none: that frame
        would only grow old before its turn.

        Args:
            held: Frames that the calling thread holds.

        Returns:
            None when there is none now (``held`` > 0), and at the end (``held`` is 0).
        """
        with self.lock:
            while not self.stopped and not (held and self._live_count):
                if (taken := self._take_in_turn()) is not None:
                    return taken
                if held or not self._active:
                    break
                # While a live source had its turn the lock was free: something may have come, others may have
                # taken it, so that nobody asks for the next frame, or the end may have come.
                if not self.stopped and not any(f.has_turn() or f.may_be_asked() for f in self._active):
                    self.arrived.wait()
            return None

    def _take_in_turn(self) -> Taken | None:
        """What the first source has that has something; under the lock."""
        in_turn = self._active[self._turn :] + self._active[: self._turn]
        for feed in in_turn:
            if not feed.has_turn() and feed.ask():
                deadline = time.monotonic() + ASK_TIMEOUT_S
                while feed.asked and not self.stopped and (rest := deadline - time.monotonic()) > 0:
                    self.arrived.wait(rest)
            if feed.has_turn() and feed in self._active:
                self._turn = self._active.index(feed) + 1
                taken = feed.take()
                self._retire(feed)
                return taken
        return None

    def deliver(self, feed: Feed) -> None:
        """Tells that an item's result is out of the outputs."""
        with self.lock:
            was_full = feed.taken - feed.delivered >= feed.window
            feed.delivered += 1
            feed.room.notify()
            if was_full:
                self.arrived.notify_all()

    def end(self, feed: Feed) -> None:
        """Tells that a source has ended."""
        with self.lock:
            feed.ended, feed.asked = True, False
            if feed.source.live:
                self._live_count -= 1
            self._retire(feed)
            self.arrived.notify_all()

    def stop(self) -> None:
        """Ends all readers and closes all sources; one that hangs is given up after a second."""
        with self.lock:
            self.stopped = True
            self.arrived.notify_all()
            for feed in self.all:
                feed.room.notify_all()
        # close() of a source whose reader hangs may hang too.
        closing = [
            threading.Thread(target=feed.close, name=f"yolo-edge-close-{feed.label}", daemon=True)
            for feed in self.all
            if not feed.ended
        ]
        for thread in closing:
            thread.start()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for thread in closing + [feed.thread for feed in self.all if feed.thread.ident is not None]:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _retire(self, feed: Feed) -> None:
        """Forgets a feed that has ended and was emptied; the next file takes its place. Under the lock."""
        if not feed.ended or feed.waiting or feed not in self._active:
            return
        place = self._active.index(feed)
        self._active.remove(feed)
        self._turn -= place < self._turn
        if self._queued and not feed.source.live and not self.stopped:
            following = self._queued.pop()
            self._active.append(following)
            following.thread.start()
        if not self._active:
            self.arrived.notify_all()
