"""Keeps the threads in which OpenVINO computes on the CPUs of an engine.

OpenVINO has no option for that. Its workers are a pool of TBB that all models of a process share, and TBB
starts them on the CPUs that the process's main thread had, not on those of the thread that needs them.
Besides, while an inference runs, TBB lets hwloc put every thread of it, the caller's too, on all CPUs of the
process.

So hwloc is told to bind nothing when TBB first asks it, and the workers are bound here once they appear. They
are known by their name: a thread inherits it from the one that started it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yolo_edge._core import CpuSet
from yolo_edge.errors import EngineError

_NAME = "yolo-openvino"
_TASKS = Path("/proc/self/task")
#: hwloc's own switch: 0 says that the machine it describes is another, on which nothing can be bound.
_SWITCH = "HWLOC_THISSYSTEM"


class _Process:
    """What all engines of the process have to know."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.obedient: bool | None = None
        """Whether TBB leaves bindings alone; None before its first use."""
        self.inference_threads: set[int] = set()
        self.sharing: dict[Workers, CpuSet] = {}
        """The engines that compute in the pool, and their CPUs."""


_process = _Process()


class Workers:
    """One engine's share of the pool. Made, used and closed on the engine's inference thread.

    Args:
        threads: Threads of one inference; with one it runs on the inference thread alone.
        cpus: Where they have to stay; None leaves everything as it is.

    Raises:
        EngineError: The pool cannot be kept there.
    """

    def __init__(self, threads: int, cpus: CpuSet | None) -> None:
        self._shares = threads > 1
        self._cpus = cpus
        self._known: set[str] = set()
        self._thread = threading.get_native_id()
        if cpus is None:
            return
        with _process.lock:
            self._check(threads, cpus)
            (_TASKS / str(self._thread) / "comm").write_text(_NAME)
            _process.inference_threads.add(self._thread)
            if self._shares:
                _process.sharing[self] = cpus

    def _check(self, threads: int, cpus: CpuSet) -> None:
        if _process.obedient is None:
            _process.obedient = not _tbb_was_used()
        if not _process.obedient and not CpuSet(os.sched_getaffinity(os.getpid())) <= cpus:
            raise EngineError(
                "OpenVINO was used in this process before, so its threads do not stay on CPUs "
                f"{cpus}: open the detector first, or start the process bound to them "
                f"(taskset -c {cpus} ...)"
            )
        for others in _process.sharing.values():
            if self._shares and others != cpus:
                raise EngineError(
                    "all engines of a process share OpenVINO's worker threads, and those of one that is "
                    f"open are bound to CPUs {others}: an engine of {threads} threads cannot have "
                    f"CPUs {cpus}. Give both the same, or this one threads=1 or its own process"
                )

    @contextmanager
    def starting(self) -> Iterator[None]:
        """To be held while the model is compiled, when TBB and hwloc come up."""
        if self._cpus is None:
            yield
            return
        with _process.lock:
            before = os.environ.get(_SWITCH)
            os.environ[_SWITCH] = "0"
            try:
                yield
            finally:
                if before is None:
                    del os.environ[_SWITCH]
                else:
                    os.environ[_SWITCH] = before
            # Those that compiled. With one thread they are nobody's, so another engine's are left alone.
            if self._shares or not _process.sharing:
                self._bind(self._cpus)

    def bind(self) -> None:
        """Binds the workers that have appeared; to be called after each inference."""
        if self._shares and self._cpus is not None:
            self._bind(self._cpus)

    def _bind(self, cpus: CpuSet) -> None:
        threads = set(os.listdir(_TASKS))  # noqa: PTH208  (a third of the time, after every inference)
        for thread in threads - self._known:
            try:
                if int(thread) not in _process.inference_threads and _name_of(thread) == _NAME:
                    os.sched_setaffinity(int(thread), cpus)
            except (FileNotFoundError, ProcessLookupError):
                pass  # it has ended
        self._known = threads

    def close(self) -> None:
        """Gives the share back; may be called twice."""
        with _process.lock:
            _process.sharing.pop(self, None)
            _process.inference_threads.discard(self._thread)


def _name_of(thread: str) -> str:
    return (_TASKS / thread / "comm").read_text().rstrip("\n")


def _tbb_was_used() -> bool:
    """Whether somebody else has had OpenVINO compute here, so that TBB knows its CPUs already."""
    return "_cpu_plugin.so" in Path("/proc/self/maps").read_text()
