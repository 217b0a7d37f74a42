"""How flat things are seen by a pinhole camera."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from yolo_edge.packages import require_cv2

Points = npt.NDArray[np.float64]
"""(n, 2): x and y in pixels."""
Homography = npt.NDArray[np.float64]
"""(3, 3): homogeneous pixels to homogeneous pixels."""


def pose(
    size_wh: tuple[float, float], tilt_rad: float, tilt_towards_rad: float, roll_rad: float, nearness: float
) -> Homography:
    """Homography of a print before a pinhole camera: its middle is (0, 0) and keeps its scale.

    Args:
        size_wh: Width and height of the print in pixels.
        tilt_rad: Angle between the camera's axis and the print's normal.
        tilt_towards_rad: Direction on the print that is tilted away.
        roll_rad: Turn about the camera's axis.
        nearness: The print's longer side over its distance.
    """
    cv2 = require_cv2("drawing markers")
    width, height = size_wh
    axis = np.array([-math.sin(tilt_towards_rad), math.cos(tilt_towards_rad), 0.0]) * tilt_rad
    turn, _ = cv2.Rodrigues(axis)
    roll, _ = cv2.Rodrigues(np.array([0.0, 0.0, roll_rad]))
    rotation = roll @ turn
    per_distance = nearness / max(width, height)
    projected = np.array(
        [
            [rotation[0, 0], rotation[0, 1], 0],
            [rotation[1, 0], rotation[1, 1], 0],
            [rotation[2, 0] * per_distance, rotation[2, 1] * per_distance, 1],
        ]
    )
    centred = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]])
    homography: Homography = projected @ centred
    return homography


def project(homography: Homography, points: Points) -> Points:
    """Points through a homography."""
    mapped = points @ homography[:, :2].T + homography[:, 2]
    projected: Points = mapped[:, :2] / mapped[:, 2:]
    return projected


def scaled(homography: Homography, scale: float, center: tuple[float, float]) -> Homography:
    """A homography followed by a scale about (0, 0) and a shift to ``center``."""
    after = np.array([[scale, 0, center[0]], [0, scale, center[1]], [0, 0, 1]])
    result: Homography = after @ homography
    return result


def corners(extent: tuple[float, float, float, float]) -> Points:
    """The corners of left, top, right, bottom, clockwise from the top left."""
    left, top, right, bottom = extent
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


def at_pixel_centers(homography: Homography) -> Homography:
    """The same for ``cv2.warpPerspective``, whose whole numbers are centres of pixels, not corners."""
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    result: Homography = np.linalg.inv(half) @ homography @ half
    return result
