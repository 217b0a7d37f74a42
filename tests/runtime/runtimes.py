"""The ways in which a bundle runs: each engine's Python package, and each engine of the C++ runtime."""

from __future__ import annotations

from typing import Any

import pytest

from yolo_edge import _core

RUNTIMES = ("onnxruntime", "openvino", "mnn", "ncnn", "ncnn native")


def runtime_options(name: str) -> dict[str, Any]:
    """The arguments of a Detector for one of RUNTIMES; skips what this build does not have."""
    engine, _, native = name.partition(" ")
    if native and engine not in _core.native_engines:
        pytest.skip(f"yolo_edge._core was built without {engine} (scripts/test builds it in)")
    return {"engine": engine, "native": bool(native)}
