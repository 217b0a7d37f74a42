"""Keeps the threads in which MNN computes on the CPUs of an engine.

MNN starts its workers once in a process, for the first session of several threads, and never ends them or
adds one. They inherit the CPUs of the thread that started them, an engine's inference thread, and all later
sessions share them. So they are remembered here, and bound anew when an engine with other CPUs is opened.
They are known by their name: a thread inherits it from the one that started it.

MNN has an option of its own for CPUs, but its Python package cannot set it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yolo_edge._core import CpuSet
from yolo_edge.errors import EngineError

_NAME = "yolo-mnn"
_TASKS = Path("/proc/self/task")


class _Process:
    """What all engines of the process have to know."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.workers: set[int] = set()
        """MNN's workers that an engine of ours has started."""
        self.sharing: dict[Workers, CpuSet] = {}
        """The open engines that compute in them, and their CPUs."""


_process = _Process()


class Workers:
    """One engine's share of MNN's workers. Made, used and closed on the engine's inference thread.

    Args:
        threads: Threads of one inference; with one it runs on the inference thread alone.

    Raises:
        EngineError: The workers are bound elsewhere for an engine that is open.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._cpus = CpuSet(os.sched_getaffinity(0))
        if threads == 1:
            return
        with _process.lock:
            for others in _process.sharing.values():
                if others != self._cpus:
                    raise EngineError(
                        "all engines of a process share MNN's worker threads, and those of one that is open "
                        f"are bound to CPUs {others}: an engine of {threads} threads cannot have CPUs "
                        f"{self._cpus}. Give both the same, or this one threads=1 or its own process"
                    )
            _process.sharing[self] = self._cpus

    @contextmanager
    def starting(self) -> Iterator[None]:
        """To be held while sessions are made, when the workers come up."""
        if self._threads == 1:
            yield
            return
        with _process.lock:
            (_TASKS / str(threading.get_native_id()) / "comm").write_text(_NAME)
            before = _threads_of_the_process()
            try:
                yield
            finally:
                started = _threads_of_the_process() - before
                _process.workers |= {thread for thread in started if _name_of(thread) == _NAME}
            self._bind()

    def _bind(self) -> None:
        if not _process.workers and not CpuSet(os.sched_getaffinity(os.getpid())) <= self._cpus:
            raise EngineError(
                "MNN was used in this process before, so its worker threads are not known and do not stay on "
                f"CPUs {self._cpus}: open the detector first, or start the process bound to them "
                f"(taskset -c {self._cpus} ...)"
            )
        for thread in _process.workers:
            os.sched_setaffinity(thread, self._cpus)

    def close(self) -> None:
        """Gives the share back; may be called twice."""
        with _process.lock:
            _process.sharing.pop(self, None)


def _threads_of_the_process() -> set[int]:
    return {int(thread.name) for thread in _TASKS.iterdir()}


def _name_of(thread: int) -> str:
    try:
        return (_TASKS / str(thread) / "comm").read_text().rstrip("\n")
    except (FileNotFoundError, ProcessLookupError):
        return ""  # it has ended
