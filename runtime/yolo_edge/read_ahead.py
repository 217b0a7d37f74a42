"""Reads a few items ahead in a thread, and knows when it was at work."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Read(Generic[Item]):
    """An item and when it was read, on ``time.perf_counter``'s clock."""

    item: Item
    from_s: float
    to_s: float


@dataclass(frozen=True)
class _End:
    error: BaseException | None


def read_ahead(items: Iterable[Item], depth: int = 2) -> Generator[Read[Item], None, None]:
    """Yields the items in order, while a thread reads the next ones.

    Args:
        items: Iterated in the thread only.
        depth: Items that may wait; one more is being read. Bounds the memory.

    Raises:
        BaseException: Whatever ``items`` raises, after the items before it.
    """
    waiting: queue.Queue[Read[Item] | _End] = queue.Queue(depth)
    stop = threading.Event()
    thread = threading.Thread(target=_read, args=(items, waiting, stop), name="yolo-edge-read", daemon=True)
    thread.start()
    try:
        while isinstance(read := waiting.get(), Read):
            yield read
        if read.error is not None:
            raise read.error
    finally:
        stop.set()
        while thread.is_alive():  # it may wait for room
            try:
                waiting.get_nowait()
            except queue.Empty:
                thread.join(0.01)


def _read(items: Iterable[Item], waiting: queue.Queue[Read[Item] | _End], stop: threading.Event) -> None:
    """The thread's part."""
    error: BaseException | None = None
    try:
        iterator = iter(items)
        while not stop.is_set():
            started = time.perf_counter()
            try:
                item = next(iterator)
            except StopIteration:
                break
            waiting.put(Read(item, started, time.perf_counter()))
    except BaseException as caught:  # handed to the reader, whatever it is
        error = caught
    waiting.put(_End(error))
