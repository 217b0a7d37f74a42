"""The interface behind which every engine stands, and what all engines share.

An engine owns one inference thread. The model is loaded on it and every inference runs on it, so that
worker threads which an engine creates (onnxruntime's pool, ncnn's OpenMP team) belong to that one thread
and inherit its CPU set. Callers use *slots*: an input buffer and the heads computed from it. There are two,
so that one caller may write the next frame while another frame is being computed.
"""

from __future__ import annotations

import queue
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from yolo_edge import _core
from yolo_edge.bundle import Target
from yolo_edge.errors import BundleError, EngineError
from yolo_edge.options import MOST_THREADS, check_count

SLOTS = 2

WEIGHTS_TOLERANCE: Mapping[str, float] = {"fp16": 0.5}
"""Largest allowed difference of a raw head value from the checkpoint's by rounding of the weights alone."""

Result = TypeVar("Result")
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class EngineOptions:
    """How an engine runs."""

    threads: int = 1
    """Threads that compute one inference."""

    cpus: _core.CpuSet | None = None
    """CPUs that the inference thread and the workers it starts are bound to; None binds nothing."""

    compute: str = "fp32"
    """Arithmetic of the inference; ``fp32`` means float32 everywhere, whatever the CPU offers."""

    def __post_init__(self) -> None:
        check_count("threads", self.threads, MOST_THREADS)


class Slot:
    """An input buffer and the outputs that were computed from it.

    Attributes:
        input: float32 (1, 3, H, W), C-contiguous; written by the caller before ``infer``, which may
            overwrite it.
        heads: One float32 array per head in the bundle's order, or the one that holds all heads, in the
            layout that the target names, without batch dimension; valid from ``infer`` to ``release``.
            Raw heads (C, ny, nx) have contiguous planes, any distance apart.
    """

    def __init__(self, index: int) -> None:
        self.index = index
        self.input: FloatArray = np.empty((1, 3, 0, 0), np.float32)
        self.heads: list[FloatArray] = []
        self.engine_data: Any = None
        """Whatever the engine prepares once per input shape."""
        self._memory: FloatArray = np.empty(0, np.float32)

    def resize(self, tensor_hw: tuple[int, int]) -> bool:
        """Gives ``input`` another height and width; True when it changed. Memory only ever grows."""
        height, width = tensor_hw
        if self.input.shape == (1, 3, height, width):
            return False
        count = 3 * height * width
        if self._memory.size < count:
            self._memory = np.empty(count, np.float32)
        self.input = self._memory[:count].reshape(1, 3, height, width)
        return True


class Engine(ABC):
    """A loaded model. Safe to call from several threads; calls queue.

    Args:
        target: What the bundle says of the model's files.
        files: Their verified paths, by role.
        options: How to run.

    Raises:
        MissingExtraError: The engine's Python package is not installed.
        EngineError: The engine refuses the files.
        BundleError: The target needs something that this engine cannot do.
    """

    name: ClassVar[str]
    """Name in bundles and on the command line."""
    package: ClassVar[str]
    """Python package that holds the engine."""
    install: ClassVar[str]
    """Command that installs it."""
    compute_modes: ClassVar[tuple[str, ...]]
    """Kinds of arithmetic it offers, the default first."""
    open_compute: ClassVar[tuple[str, ...]] = ("fp32",)
    """Those in which float32 weights may run without a measurement of what it costs."""
    shares_workers: ClassVar[bool] = False
    """Whether all engines of a process compute in one pool of threads, whose CPUs they then have to share;
    those with one thread are outside of it."""
    head_tolerance: ClassVar[Mapping[str, float]]
    """Largest allowed difference of a raw head value from the checkpoint's, by compute mode."""

    def __init__(self, target: Target, files: Mapping[str, Path], options: EngineOptions) -> None:
        self._target = target
        self._options = options
        self._check_target()
        self._free: queue.SimpleQueue[Slot] = queue.SimpleQueue()
        for index in range(SLOTS):
            self._free.put(Slot(index))
        self._thread = InferenceThread(f"yolo-edge-{self.name}")
        try:
            if options.cpus is not None:
                # Before loading: workers inherit the binding of the thread that starts them.
                cpus = options.cpus
                self._thread.call(lambda: _core.bind_current_thread(cpus))
            self._thread.call(lambda: self._load(files))
        except BaseException:
            self._thread.close()
            raise

    @property
    def options(self) -> EngineOptions:
        """How this engine was told to run."""
        return self._options

    def bound_cpus(self) -> _core.CpuSet:
        """The CPUs that the kernel says the inference thread is bound to."""
        return self._thread.call(_core.current_thread_cpus)

    def acquire(self, tensor_hw: tuple[int, int]) -> Slot:
        """Waits for a free slot and gives its input buffer this height and width."""
        return self._shaped(self._free.get(), tensor_hw)

    def try_acquire(self, tensor_hw: tuple[int, int]) -> Slot | None:
        """A free slot, or None when there is none now.

        Whoever holds a slot already and wants another has to ask this way: two callers that hold one each
        and wait for a second would wait for ever.
        """
        try:
            return self._shaped(self._free.get_nowait(), tensor_hw)
        except queue.Empty:
            return None

    def _shaped(self, slot: Slot, tensor_hw: tuple[int, int]) -> Slot:
        try:
            if slot.resize(tensor_hw):
                self._prepare(slot)
        except BaseException:
            slot.input = np.empty((1, 3, 0, 0), np.float32)  # so that the next caller prepares it again
            self._free.put(slot)
            raise
        return slot

    def infer(self, slot: Slot) -> None:
        """Computes ``slot.heads`` from ``slot.input`` on the engine's thread and waits for it.

        Raises:
            EngineError: The engine failed.
        """
        self.start(slot).result()

    def start(self, slot: Slot) -> Pending[None]:
        """Posts an inference to the engine's thread; ``result()`` of what it returns waits for it.

        Raises:
            EngineError: The engine was closed.
        """
        return self._thread.post(lambda: self._infer(slot))

    def release(self, slot: Slot) -> None:
        """Gives the slot back; its heads may not be used any more."""
        self._free.put(slot)

    def close(self) -> None:
        """Frees the model and ends the thread; may be called twice."""
        if not self._thread.closed:
            self._thread.call(self._unload)
            self._thread.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @classmethod
    def version(cls) -> str | None:
        """The installed version of the engine's package, or None when it is not installed."""
        from importlib import metadata

        try:
            return metadata.version(cls.package)
        except metadata.PackageNotFoundError:
            return None

    @classmethod
    def holds_gil(cls) -> bool:
        """Whether its package lets no other Python thread run while it computes."""
        return False

    @abstractmethod
    def _load(self, files: Mapping[str, Path]) -> None:
        """Loads the model; runs on the inference thread."""

    @abstractmethod
    def _prepare(self, slot: Slot) -> None:
        """Prepares a slot whose input has a new shape; runs on the caller's thread."""

    @abstractmethod
    def _infer(self, slot: Slot) -> None:
        """Sets ``slot.heads``; runs on the inference thread."""

    @abstractmethod
    def _unload(self) -> None:
        """Frees the model; runs on the inference thread."""

    def _check_target(self) -> None:
        """Collects everything in the target that this engine cannot do."""
        target, faults = self._target, []
        if self._options.compute not in self.compute_modes:
            raise ValueError(
                f"engine {self.name!r} has no compute mode {self._options.compute!r}; "
                f"it has: {', '.join(self.compute_modes)}"
            )
        if self._options.compute not in target.compute:
            faults.append(f"it offers compute {', '.join(target.compute)}, not {self._options.compute}")
        if target.input.dtype != "float32":
            faults.append(f"its input is {target.input.dtype}, not float32")
        for output in target.outputs:
            if output.dtype != "float32":
                faults.append(f"its output {output.name} is {output.dtype}, not float32")
        if faults:
            raise BundleError(
                f"this version cannot run the bundle's target for engine {self.name!r}: {'; '.join(faults)}"
            )

    def _set_heads(self, slot: Slot, arrays: Sequence[FloatArray]) -> None:
        """Hands over the outputs, in the order of the heads, without their leading dimensions of 1."""
        slot.heads = []
        for array, output in zip(arrays, self._target.outputs_by_head):
            head = array
            while head.ndim > output.dimensions and head.shape[0] == 1:
                head = head[0]
            slot.heads.append(head)

    def _outputs_by_head(self) -> list[str]:
        """Output tensor names in the order of the bundle's heads."""
        return [output.name for output in self._target.outputs_by_head]


class Pending(Generic[Result]):
    """A call that was posted to a thread."""

    def __init__(self, function: Callable[[], Result]) -> None:
        self._function: Callable[[], Result] | None = function
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._done = threading.Lock()
        self._done.acquire()
        self.started_at = 0.0
        """When the thread began with it, on ``time.perf_counter``'s clock."""
        self.finished_at = 0.0
        """When it was done."""

    def result(self) -> Result:
        """Waits, and returns or raises what the call did; ask once."""
        self._done.acquire()
        if self._error is not None:
            try:
                raise self._error
            finally:
                # The traceback refers to this frame: without this the call and its arrays live in a cycle.
                self._error = None
        return self._result  # type: ignore[return-value]

    def run(self) -> None:
        """Does the call; the thread's part."""
        function, self._function = self._function, None
        self.started_at = time.perf_counter()
        try:
            if function is not None:
                self._result = function()
        except BaseException as error:  # handed to the caller, whatever it is
            self._error = error
        finally:
            self.finished_at = time.perf_counter()
            self._done.release()


class InferenceThread:
    """A thread that runs what is posted to it, one call after the other."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[Pending[Any] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self.closed = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def post(self, function: Callable[[], Result]) -> Pending[Result]:
        """Leaves a call for the thread.

        Raises:
            EngineError: The thread was closed.
        """
        pending = Pending(function)
        with self._lock:
            if self.closed:
                raise EngineError("the engine was closed")
            self._calls.put(pending)
        return pending

    def call(self, function: Callable[[], Result]) -> Result:
        """Posts a call, waits, and returns or raises what it did."""
        return self.post(function).result()

    def close(self) -> None:
        """Ends the thread after the calls already posted."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
            self._calls.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call.run()
            del call  # an idle thread must not keep the last frame alive
