"""Hands the newest picture from the thread that captures to the one that wants it."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

from yolo_edge.sources.base import FailedFrame

Item = TypeVar("Item")

_MOST_WAITING = 64


class NewestFrame(Generic[Item]):
    """A place for one picture, which a newer one replaces, and for failures, which all stay, in order."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._items: deque[Item | FailedFrame] = deque()
        self._error: BaseException | None = None
        self.dropped = 0
        """Pictures that were replaced before anybody took them."""
        self.closed = False

    def put(self, item: Item | FailedFrame) -> None:
        """Leaves an item; a picture replaces the one before it."""
        with self._changed:
            if self.closed:
                return
            newest = self._items[-1] if self._items else None
            if newest is not None and not isinstance(newest, FailedFrame):
                if not isinstance(item, FailedFrame):
                    self._items.pop()
                    self.dropped += 1
            elif len(self._items) >= _MOST_WAITING:  # nobody reads; bounds the memory
                self._items.popleft()
            self._items.append(item)
            self._changed.notify()

    def get(self, timeout_s: float) -> Item | FailedFrame | None:
        """Takes the next item; None when there was none in time, or the place is closed and empty.

        Raises:
            BaseException: What the capturing thread failed with.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self.closed, timeout_s)
            if self._items:
                return self._items.popleft()
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            return None

    def close(self, error: BaseException | None = None) -> None:
        """Takes no more, and wakes whoever waits."""
        with self._changed:
            self.closed = True
            self._error = error
            self._changed.notify_all()
