"""What computes for a Detector: the C++ runtime where it holds the engine, else the engine's package."""

from __future__ import annotations

from typing import Any

from yolo_edge import _core
from yolo_edge.bundle import Bundle, Target
from yolo_edge.errors import EngineError
from yolo_edge.inference.base import Choice, Inference, InferenceOptions

__all__ = ["Choice", "Inference", "InferenceOptions", "create_inference"]


def create_inference(
    bundle: Bundle, target: Target, options: InferenceOptions, native: bool | None = None
) -> Inference[Any]:
    """Loads a target.

    Args:
        bundle: What the target belongs to.
        target: One of its targets.
        options: How to run it.
        native: True wants the C++ runtime, False the engine's Python package; None takes the C++ runtime
            where it holds the engine.

    Raises:
        EngineError: ``native`` is True and the engine is not compiled in, or the engine refuses the model.
        BundleError: Files that are not what the bundle says.
        MissingExtraError: The engine's package is not installed.
        ValueError: An option that the engine does not have.
    """
    compiled = target.engine in _core.native_engines
    if native and not compiled:
        known = ", ".join(sorted(_core.native_engines)) or "none"
        raise EngineError(
            f"engine {target.engine!r} is not compiled into yolo_edge._core; compiled in: {known}"
        )
    if compiled and native is not False:
        from yolo_edge.inference.native import NativeInference

        return NativeInference(bundle, target, options)
    from yolo_edge.inference.packaged import PackagedInference

    return PackagedInference(bundle, target, options)
