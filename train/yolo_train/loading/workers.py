"""Threads that fill batches ahead of the training."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, NamedTuple, TypeVar

from yolo_edge.packages import require_cv2

cv2 = require_cv2("loading images")

Done = TypeVar("Done")
Finished = TypeVar("Finished")

BATCHES_AHEAD = 2
"""Batches that are in the making or wait, beside the one that the caller has. Bounds the memory."""


class Work(NamedTuple, Generic[Done, Finished]):
    """A batch to be made."""

    jobs: Sequence[Callable[[], Done]]
    """Independent of each other."""
    finish: Callable[[list[Done]], Finished]
    """Makes the batch of the jobs' results, in their order."""


def run_in_order(works: Iterable[Work[Done, Finished]], workers: int) -> Generator[Finished, None, None]:
    """Yields the finished batches in order, while threads work on the next ones.

    Threads, not processes: decoding and warping release the GIL, so that beside a training both take about
    the same time (benchmarks/train_loading.py), and threads share one cache. OpenCV's own threads are off
    meanwhile.

    An error, Ctrl-C or closing the iterator drops what has not begun and waits for what has.

    Args:
        works: The batches; taken a few ahead.
        workers: Threads; 0 works in the caller's, without looking ahead.

    Raises:
        Exception: Whatever a job raises, when its batch is due.
    """
    with _one_opencv_thread():
        if not workers:
            for work in works:
                yield work.finish([job() for job in work.jobs])
            return
        pool = ThreadPoolExecutor(workers, "yolo-train-load")
        waiting: deque[tuple[Work[Done, Finished], list[Future[Done]]]] = deque()
        try:
            for work in works:
                waiting.append((work, [pool.submit(job) for job in work.jobs]))
                if len(waiting) > BATCHES_AHEAD:
                    yield _finished(*waiting.popleft())
            while waiting:
                yield _finished(*waiting.popleft())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _finished(work: Work[Done, Finished], futures: list[Future[Done]]) -> Finished:
    return work.finish([future.result() for future in futures])


_opencv_lock = threading.Lock()
_opencv_users = 0
_opencv_threads = 0


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """OpenCV works in the calling thread while this is open; its setting is for the whole process."""
    global _opencv_users, _opencv_threads
    with _opencv_lock:
        if not _opencv_users:
            _opencv_threads = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _opencv_users += 1
    try:
        yield
    finally:
        with _opencv_lock:
            _opencv_users -= 1
            if not _opencv_users:
                cv2.setNumThreads(_opencv_threads)
