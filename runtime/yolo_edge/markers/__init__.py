"""Codes to hold in front of a camera, drawn flat: QR codes, ArUco and AprilTag markers, 1-D bar codes.

The demo source shows them, and the scenes that the default model is trained on are made of them. They need
OpenCV and nothing else.
"""

from __future__ import annotations

import numpy as np

from yolo_edge.markers.barcodes import SYMBOLOGIES, draw_barcode, random_barcode
from yolo_edge.markers.fiducials import dictionary_names, draw_fiducial, random_fiducial
from yolo_edge.markers.flat_code import CLASS_NAMES, FlatCode
from yolo_edge.markers.qr import draw_qr, random_qr

__all__ = [
    "CLASS_NAMES",
    "SYMBOLOGIES",
    "FlatCode",
    "dictionary_names",
    "draw_barcode",
    "draw_fiducial",
    "draw_qr",
    "random_barcode",
    "random_code",
    "random_fiducial",
    "random_qr",
]


def random_code(random: np.random.Generator, class_name: str, *, module_px: int = 4) -> FlatCode:
    """Draws any code of a class.

    Args:
        random: Where every choice comes from.
        class_name: One of :data:`CLASS_NAMES`.
        module_px: Pixels of a module.

    Raises:
        ValueError: An unknown class.
    """
    if class_name == "qr_code":
        return random_qr(random, module_px=module_px)
    if class_name == "marker":
        return random_fiducial(random, module_px=module_px)
    if class_name == "barcode":
        return random_barcode(random, module_px=module_px)
    raise ValueError(f"class is {class_name!r}; known: {', '.join(CLASS_NAMES)}")
