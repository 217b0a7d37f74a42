"""ArUco and AprilTag markers: all dictionaries that the installed OpenCV has."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from yolo_edge.markers.flat_code import FlatCode, scale_modules
from yolo_edge.packages import require_cv2

QUIET_MODULES = 1
"""Light modules around the black border, without which no detector sees it."""


def dictionary_names() -> tuple[str, ...]:
    """Names of OpenCV's dictionaries, ``DICT_4X4_50`` to ``DICT_APRILTAG_36h11``; spelling variants once."""
    aruco = require_cv2("drawing markers").aruco
    by_value: dict[int, str] = {}
    for name in sorted(name for name in dir(aruco) if name.startswith("DICT_")):
        by_value[getattr(aruco, name)] = name  # 36h11 after 36H11, and every version has the former
    return tuple(by_value[value] for value in sorted(by_value))


def draw_fiducial(dictionary: str, marker_id: int, *, border: int = 1, module_px: int = 8) -> FlatCode:
    """Draws a marker.

    Args:
        dictionary: One of :func:`dictionary_names`.
        marker_id: From 0 to the number of markers in the dictionary, exclusive.
        border: Modules of the black border.
        module_px: Pixels of a module.

    Raises:
        ValueError: An unknown dictionary (the message lists the known ones), id or border.
    """
    names = dictionary_names()
    if dictionary not in names:
        raise ValueError(f"dictionary is {dictionary!r}; known: {', '.join(names)}")
    markers = _dictionary(dictionary)
    count = len(markers.bytesList)
    if not 0 <= marker_id < count:
        raise ValueError(f"marker id is {marker_id}; {dictionary} has 0 to {count - 1}")
    if border < 1:
        raise ValueError(f"border is {border}; it must be a whole number of at least 1")
    side = int(markers.markerSize) + 2 * border
    cv2 = require_cv2("drawing markers")
    modules = cv2.aruco.generateImageMarker(markers, marker_id, side, borderBits=border)
    padded = np.pad(modules, QUIET_MODULES, constant_values=255)
    start, end = QUIET_MODULES * module_px, (QUIET_MODULES + side) * module_px
    image = scale_modules(padded, module_px)
    return FlatCode("marker", dictionary, str(marker_id), image, (start, start, end, end), module_px)


def random_fiducial(random: np.random.Generator, *, module_px: int = 8) -> FlatCode:
    """Draws any marker of any dictionary; one in eight with a border of two modules."""
    names = dictionary_names()
    name = names[random.integers(len(names))]
    marker_id = int(random.integers(len(_dictionary(name).bytesList)))
    border = 2 if random.random() < 1 / 8 else 1
    return draw_fiducial(name, marker_id, border=border, module_px=module_px)


@cache
def _dictionary(name: str) -> Any:
    aruco = require_cv2("drawing markers").aruco
    return aruco.getPredefinedDictionary(getattr(aruco, name))
