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

from typing import TYPE_CHECKING

from yolo_edge.lazy_names import lazy_names

if TYPE_CHECKING:
    from yolo_edge._core import __version__
    from yolo_edge.bundle import Bundle, load_bundle
    from yolo_edge.detections import Detections
    from yolo_edge.detector import Detector
    from yolo_edge.errors import (
        BundleError,
        EngineError,
        MissingExtraError,
        ProfileError,
        SinkError,
        SourceError,
    )
    from yolo_edge.options import DetectOptions
    from yolo_edge.pipeline import watch
    from yolo_edge.tuning.lookup import tuned_arguments

__all__ = [
    "Bundle",
    "BundleError",
    "DetectOptions",
    "Detections",
    "Detector",
    "EngineError",
    "MissingExtraError",
    "ProfileError",
    "SinkError",
    "SourceError",
    "__version__",
    "load_bundle",
    "tuned_arguments",
    "watch",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Bundle": "bundle",
        "BundleError": "errors",
        "DetectOptions": "options",
        "Detections": "detections",
        "Detector": "detector",
        "EngineError": "errors",
        "MissingExtraError": "errors",
        "ProfileError": "errors",
        "SinkError": "errors",
        "SourceError": "errors",
        "__version__": "_core",
        "load_bundle": "bundle",
        "tuned_arguments": "tuning.lookup",
        "watch": "pipeline",
    },
)
