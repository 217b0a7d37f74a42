"""Engine ``openvino``: input and heads stay in place, one compiled model for all image sizes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from yolo_edge.engines.base import SLOTS, Engine, Slot
from yolo_edge.engines.openvino_workers import Workers
from yolo_edge.errors import EngineError
from yolo_edge.packages import require_openvino


class OpenVinoEngine(Engine):
    """Runs ``model.xml`` and ``model.bin`` with OpenVINO's CPU plugin."""

    name: ClassVar[str] = "openvino"
    package: ClassVar[str] = "openvino"
    install: ClassVar[str] = "pip install 'yolo-edge[openvino]'"
    compute_modes: ClassVar[tuple[str, ...]] = ("fp32", "int8")
    shares_workers: ClassVar[bool] = True
    head_tolerance: ClassVar[Mapping[str, float]] = {"fp32": 1e-4}

    _openvino: Any
    _compiled: Any = None
    _workers: Workers | None = None

    def _load(self, files: Mapping[str, Path]) -> None:
        self._openvino = require_openvino(f"engine {self.name!r}", self.install)
        workers = Workers(self._options.threads, self._options.cpus)
        try:
            with workers.starting():
                self._compile(files)
        except BaseException:
            workers.close()
            raise
        self._workers = workers

    def _compile(self, files: Mapping[str, Path]) -> None:
        config = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": self._options.threads,
            # Else OpenVINO binds every thread, the caller's too, as it likes.
            "ENABLE_CPU_PINNING": False,
            # Else CPUs that have bfloat16 or half precision compute in it.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        try:
            core = self._openvino.Core()
            model = core.read_model(str(files["model"]), str(files["weights"]))
            # Height and width stay open: a model compiled for one size was not measurably faster.
            compiled = core.compile_model(model, "CPU", config)
        except Exception as error:
            raise EngineError(f"openvino cannot load {files['model']}: {_reason(error)}") from error
        known = {name for port in (*compiled.inputs, *compiled.outputs) for name in port.names}
        missing = {self._target.input.name, *self._outputs_by_head()} - known
        if missing:
            raise EngineError(
                f"{files['model']} has no tensor {', '.join(sorted(missing))}; it has: "
                f"{', '.join(sorted(known))}"
            )
        self._input = compiled.input(self._target.input.name)
        self._outputs = [compiled.output(name) for name in self._outputs_by_head()]
        # One for each slot: the heads of one frame stay while another is being computed.
        self._requests = [compiled.create_infer_request() for _ in range(SLOTS)]
        self._compiled = compiled

    def _prepare(self, slot: Slot) -> None:
        tensor = self._openvino.Tensor(slot.input, shared_memory=True)
        self._requests[slot.index].set_tensor(self._input, tensor)

    def _infer(self, slot: Slot) -> None:
        request = self._requests[slot.index]
        try:
            request.infer(share_outputs=True)
        except Exception as error:
            raise EngineError(f"openvino failed on input {slot.input.shape}: {_reason(error)}") from error
        if self._workers is not None:
            self._workers.bind()
        self._set_heads(slot, [request.get_tensor(output).data for output in self._outputs])

    def _unload(self) -> None:
        self._requests = []
        self._outputs = []
        self._input = None
        self._compiled = None
        if self._workers is not None:
            self._workers.close()


def _reason(error: Exception) -> str:
    """What OpenVINO says, without the places in its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(line for line in lines if not line.startswith("Exception from ")) or str(error)
