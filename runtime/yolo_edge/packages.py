"""Imports packages that a base install may lack, with one line that says how to get them."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from yolo_edge.c_stdout import catch_c_stdout
from yolo_edge.errors import MissingExtraError


def require(package: str, purpose: str, install: str) -> ModuleType:
    """Imports ``package``.

    Args:
        package: Top-level module name, e.g. ``"onnxruntime"``.
        purpose: What needs it, the start of the error line, e.g. ``"engine 'onnxruntime'"``.
        install: The command that installs it.

    Raises:
        MissingExtraError: The package is not installed. An import error inside an installed package
            (a broken library, a missing dependency of its own) is passed on as it is.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise MissingExtraError(
            f"{purpose} needs the Python package {package}, which is not installed: {install}"
        ) from None


def require_cv2(purpose: str) -> ModuleType:
    """Imports OpenCV; any importable ``cv2`` will do."""
    return require("cv2", purpose, "pip install opencv-python-headless (or apt install python3-opencv)")


def require_matplotlib(purpose: str) -> ModuleType:
    """Imports matplotlib, so that a missing one is reported before any work is done."""
    return require("matplotlib", purpose, "pip install 'yolo-edge[plot]'")


def require_av(purpose: str) -> ModuleType:
    """Imports PyAV."""
    return require("av", purpose, "pip install 'yolo-edge[stream]' (or pip install av)")


def require_openvino(purpose: str, install: str) -> ModuleType:
    """Imports OpenVINO without its telemetry.

    ``import openvino`` reports each use of it to its maker, without asking, where the package
    ``openvino_telemetry`` is at hand, which pip brings along. Here it is not.
    """
    telemetry = "openvino_telemetry"
    if telemetry in sys.modules:  # loaded by somebody else, or hidden already
        return require("openvino", purpose, install)
    sys.modules[telemetry] = None  # type: ignore[assignment]  # Python's way to say: cannot be imported
    try:
        return require("openvino", purpose, install)
    finally:
        del sys.modules[telemetry]


def require_mnn(purpose: str, install: str) -> ModuleType:
    """Imports MNN, which prints what the CPU can do to stdout when it is imported."""
    with catch_c_stdout():
        return require("MNN", purpose, install)
