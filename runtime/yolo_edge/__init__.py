"""yolo-edge: YOLOv5 and YOLOv5-Lite detectors on small boards.

Importing this package imports neither numpy nor an engine; each name is loaded on first use.

Example:
    >>> import numpy as np
    >>> from yolo_edge import Detector
    >>> image_bgr = np.zeros((90, 160, 3), np.uint8)     # or cv2.imread("street.jpg")
    >>> with Detector("best.edge") as detector:
    ...     detections = detector.detect(image_bgr, conf=0.25)
    >>> print(type(detections).__name__)
    Detections
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yolo_edge._core import __version__
    from yolo_edge.bundle import Bundle, load_bundle
    from yolo_edge.detections import Detections
    from yolo_edge.detector import Detector
    from yolo_edge.errors import BundleError, EngineError, MissingExtraError, SinkError, SourceError
    from yolo_edge.options import DetectOptions
    from yolo_edge.pipeline import watch

__all__ = [
    "Bundle",
    "BundleError",
    "DetectOptions",
    "Detections",
    "Detector",
    "EngineError",
    "MissingExtraError",
    "SinkError",
    "SourceError",
    "__version__",
    "load_bundle",
    "watch",
]

_HOME = {
    "Bundle": "bundle",
    "BundleError": "errors",
    "DetectOptions": "options",
    "Detections": "detections",
    "Detector": "detector",
    "EngineError": "errors",
    "MissingExtraError": "errors",
    "SinkError": "errors",
    "SourceError": "errors",
    "__version__": "_core",
    "load_bundle": "bundle",
    "watch": "pipeline",
}


def __getattr__(name: str) -> Any:
    try:
        home = _HOME[name]
    except KeyError:
        raise AttributeError(f"module 'yolo_edge' has no attribute {name!r}") from None
    value = getattr(importlib.import_module(f"yolo_edge.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
