"""Engine ``ncnn`` through the PyPI package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from yolo_edge.engines.base import Engine, Slot
from yolo_edge.errors import EngineError
from yolo_edge.packages import require

_FREES_GIL_FROM = "20261020"
"""Date of the oldest release that is known to free the GIL in ``extract``."""


class NcnnEngine(Engine):
    """Runs ``model.ncnn.param`` and ``model.ncnn.bin`` with ncnn on the CPU."""

    name: ClassVar[str] = "ncnn"
    package: ClassVar[str] = "ncnn"
    install: ClassVar[str] = "pip install ncnn"
    compute_modes: ClassVar[tuple[str, ...]] = ("fp32", "fp16-storage", "fp16", "bf16")
    open_compute: ClassVar[tuple[str, ...]] = ("fp32", "fp16-storage", "bf16")
    # On a Cortex-A76 the heads of v5lite-e moved by 1e-5, 0.024, 1.2 and 0.2; x86 computes all in float32.
    head_tolerance: ClassVar[Mapping[str, float]] = {
        "fp32": 1e-3,
        "fp16-storage": 0.1,
        "fp16": 2.0,
        "bf16": 0.5,
    }

    _net: Any
    _ncnn: Any

    @classmethod
    def holds_gil(cls) -> bool:
        version = cls.version()
        return version is not None and version.rsplit(".", 1)[-1] < _FREES_GIL_FROM

    def _load(self, files: Mapping[str, Path]) -> None:
        self._ncnn = require(self.package, f"engine {self.name!r}", self.install)
        net = self._ncnn.Net()
        option = net.opt
        option.num_threads = self._options.threads
        option.lightmode = True
        option.openmp_blocktime = 0
        option.use_vulkan_compute = False
        # ncnn's defaults compute in half precision where the CPU can: everything is asked for by name.
        half = self._options.compute in ("fp16", "fp16-storage")
        option.use_fp16_packed = half
        option.use_fp16_storage = half
        option.use_fp16_arithmetic = self._options.compute == "fp16"
        brain = self._options.compute == "bf16"
        option.use_bf16_packed = brain
        option.use_bf16_storage = brain
        # An error code is all that ncnn returns; what went wrong it prints to stderr itself.
        if net.load_param(str(files["param"])) != 0:
            raise EngineError(f"ncnn cannot load {files['param']}")
        if net.load_model(str(files["bin"])) != 0:
            raise EngineError(f"ncnn cannot load {files['bin']}")
        names = set(net.output_names()) | set(net.input_names())
        missing = {self._target.input.name, *self._outputs_by_head()} - names
        if missing:
            raise EngineError(
                f"{files['param']} has no blob {', '.join(sorted(missing))}; it has: {sorted(names)}"
            )
        self._net = net

    def _prepare(self, slot: Slot) -> None:
        # A Mat over our memory (it does not own it; the slot keeps the array): ncnn reads it in place.
        # ncnn knows no batch dimension.
        slot.engine_data = self._ncnn.Mat(slot.input[0])

    def _infer(self, slot: Slot) -> None:
        extractor = self._net.create_extractor()
        extractor.input(self._target.input.name, slot.engine_data)
        heads = []
        for name in self._outputs_by_head():
            code, mat = extractor.extract(name)
            if code != 0:
                raise EngineError(f"ncnn failed on input {slot.input.shape} at output {name} (code {code})")
            heads.append(np.asarray(mat))  # a view, which keeps the Mat alive
        self._set_heads(slot, heads)

    def _unload(self) -> None:
        self._net = None
