"""Engine ``mnn``: letterbox writes into MNN's own input, heads are views of its outputs."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from yolo_edge.c_stdout import catch_c_stdout
from yolo_edge.engines.base import SLOTS, Engine, FloatArray, Slot
from yolo_edge.engines.mnn_workers import Workers
from yolo_edge.errors import EngineError
from yolo_edge.packages import require_mnn

# MNN::Interpreter::HintMode. The default, 3, lets convolutions use large Winograd tiles. That moves heads by
# up to 4e-3, takes more memory and is not faster (yolov5n and v5lite-s on x86).
_WINOGRAD_MEMORY_LEVEL = 3
_SMALL_TILES = 1
# MNN::Interpreter::SessionInfoCode
_RESIZE_STATUS = 3
_THREAD_NUMBER = 4


class MnnEngine(Engine):
    """Runs ``model.mnn`` with MNN on the CPU."""

    name: ClassVar[str] = "mnn"
    package: ClassVar[str] = "MNN"
    install: ClassVar[str] = "pip install 'yolo-edge[mnn]'"
    compute_modes: ClassVar[tuple[str, ...]] = ("fp32", "int8-weights")
    shares_workers: ClassVar[bool] = True
    head_tolerance: ClassVar[Mapping[str, float]] = {"fp32": 1e-4}

    _mnn: Any
    _net: Any = None
    _workers: Workers | None = None

    def _load(self, files: Mapping[str, Path]) -> None:
        self._mnn = require_mnn(f"engine {self.name!r}", self.install)
        workers = Workers(self._options.threads)
        try:
            with workers.starting():
                self._open(files["model"])
        except BaseException:
            workers.close()
            raise
        self._workers = workers

    def _open(self, path: Path) -> None:
        self._config = {
            "backend": "CPU",
            "numThread": self._options.threads,
            # Else CPUs that compute in half precision may do so.
            "precision": "high",
        }
        try:
            with catch_c_stdout() as said:
                net = self._mnn.Interpreter(str(path))
                net.setSessionHint(_WINOGRAD_MEMORY_LEVEL, _SMALL_TILES)
                # One for each slot: the heads of one frame stay while another is being computed.
                sessions = [net.createSession(self._config) for _ in range(SLOTS)]
        except Exception as error:  # MNN's errors have no common base
            raise EngineError(f"mnn cannot load {path}: {said.text or error}") from error
        known = {*net.getSessionInputAll(sessions[0]), *net.getSessionOutputAll(sessions[0])}
        missing = {self._target.input.name, *self._outputs_by_head()} - known
        if missing:
            raise EngineError(
                f"{path} has no tensor {', '.join(sorted(missing))}; it has: {', '.join(sorted(known))}"
            )
        threads = min(_whole(net.getSessionInfo(session, _THREAD_NUMBER)) for session in sessions)
        if threads != self._options.threads:
            raise EngineError(
                f"MNN computes with {threads} threads here, not with {self._options.threads}: it starts its "
                "worker threads once in a process, as many as the first engine of several threads wants and "
                "32 at most. Open the engine with the most threads first, or give this one its own process"
            )
        self._net = net
        self._sessions = sessions

    def _prepare(self, slot: Slot) -> None:
        # A session belongs to the inference thread.
        self._thread.call(lambda: self._resize(slot))

    def _resize(self, slot: Slot) -> None:
        """Gives a session the shape of its slot, and the slot the session's memory."""
        net, session = self._net, self._sessions[slot.index]
        with catch_c_stdout() as said:
            tensor = net.getSessionInput(session, self._target.input.name)
            net.resizeTensor(tensor, slot.input.shape)
            net.resizeSession(session)
        if _whole(net.getSessionInfo(session, _RESIZE_STATUS)) != 0:
            raise EngineError(f"mnn cannot run an input of {slot.input.shape}: {said.text}")
        slot.input = self._view(tensor, self._target.input.name)
        slot.engine_data = [
            self._view(net.getSessionOutput(session, name), name) for name in self._outputs_by_head()
        ]

    def _infer(self, slot: Slot) -> None:
        code = self._net.runSession(self._sessions[slot.index])
        if code != 0:
            raise EngineError(f"mnn failed on an input of {slot.input.shape} (code {code})")
        self._set_heads(slot, slot.engine_data)

    def _view(self, tensor: Any, name: str) -> FloatArray:
        """A tensor's numbers in place."""
        if tensor.getDimensionType() != self._mnn.Tensor_DimensionType_Caffe:
            raise EngineError(f"tensor {name} of the mnn model is not stored channel by channel (NCHW)")
        return np.asarray(_Lent(tensor.getNumpyData(), self._net))

    def _unload(self) -> None:
        self._sessions = []
        self._net = None
        if self._workers is not None:
            self._workers.close()


class _Lent:
    """An array over MNN's memory, with what keeps it alive: MNN's own arrays do not."""

    def __init__(self, array: FloatArray, owner: object) -> None:
        self.__array_interface__ = array.__array_interface__
        self._owner = owner


def _whole(information: float) -> int:
    """The whole number that MNN's Python package hands over with the bits of a float."""
    number: int = struct.unpack("i", struct.pack("f", information))[0]
    return number
