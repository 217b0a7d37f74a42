"""Engine ``onnxruntime``: input and heads stay in our own buffers through I/O binding."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from yolo_edge.engines.base import Engine, Slot
from yolo_edge.errors import EngineError
from yolo_edge.packages import require


class OnnxRuntimeEngine(Engine):
    """Runs ``model.onnx`` with onnxruntime's CPU provider."""

    name: ClassVar[str] = "onnxruntime"
    package: ClassVar[str] = "onnxruntime"
    install: ClassVar[str] = "pip install 'yolo-edge[onnxruntime]'"
    compute_modes: ClassVar[tuple[str, ...]] = ("fp32", "int8")
    head_tolerance: ClassVar[Mapping[str, float]] = {"fp32": 1e-4}

    _session: Any

    def _load(self, files: Mapping[str, Path]) -> None:
        ort = require(self.package, f"engine {self.name!r}", self.install)
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._options.threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        # Workers spin between the operators of one run, where it pays, and sleep between runs.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        try:
            self._session = open_session(ort, files["model"], options)
        except Exception as error:
            raise EngineError(f"onnxruntime cannot load {files['model']}: {error}") from error

    def _prepare(self, slot: Slot) -> None:
        # The heads' sizes are not known before the first run of a shape.
        slot.engine_data = None

    def _infer(self, slot: Slot) -> None:
        try:
            if slot.engine_data is None:
                slot.engine_data = self._run_and_bind(slot)
            else:
                self._session.run_with_iobinding(slot.engine_data)
        except Exception as error:
            raise EngineError(f"onnxruntime failed on input {slot.input.shape}: {error}") from error

    def _run_and_bind(self, slot: Slot) -> Any:
        """The first run of a shape brings the heads' arrays; later runs write into the same arrays."""
        name, names = self._target.input.name, self._outputs_by_head()
        heads = [np.ascontiguousarray(head) for head in self._session.run(names, {name: slot.input})]
        binding = self._session.io_binding()
        binding.bind_input(name, "cpu", 0, np.float32, slot.input.shape, slot.input.ctypes.data)
        for output, head in zip(names, heads):
            binding.bind_output(output, "cpu", 0, np.float32, head.shape, head.ctypes.data)
        self._set_heads(slot, heads)
        return binding

    def _unload(self) -> None:
        self._session = None


def open_session(ort: Any, path: Path, options: Any) -> Any:
    """Opens an ONNX file on the CPU.

    onnxruntime takes sides of the same name for equal and reuses their memory, but torch's exporter gives the
    rows of all heads one name (YOLOv5 v6.0 with ``--dynamic``): such a file runs without reuse.

    Args:
        ort: The module onnxruntime.
        path: The file.
        options: Its ``SessionOptions``; changed for such a file.
    """

    def opened() -> Any:
        return ort.InferenceSession(str(path), sess_options=options, providers=["CPUExecutionProvider"])

    session = opened()
    known = {side for each in session.get_inputs() for side in each.shape}
    names = [
        side
        for each in session.get_outputs()
        for side in {*each.shape} - known
        if isinstance(side, str) and side
    ]
    if len(names) > len(set(names)):
        options.enable_mem_reuse = False
        session = opened()
    return session
