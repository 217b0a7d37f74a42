"""Curled prints, and outlines."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from yolo_edge.markers.view import Points
from yolo_edge.packages import require_cv2

cv2 = require_cv2("drawing scenes")

Picture = npt.NDArray[np.uint8]

_BEND_DISTANCE = 3.0
"""Distance of the camera from a curled print, in widths of it."""
_STEPS = 65


@dataclass(frozen=True)
class Bend:
    """A print on a cylinder that stands upright before a pinhole camera.

    Args:
        size_wh: Width and height of the flat print in pixels.
        arc_rad: Angle of the arc that its width covers; negative curls towards the camera.
    """

    size_wh: tuple[int, int]
    arc_rad: float

    def project(self, points: Points) -> Points:
        """Pixels of the flat print to pixels of the curled one."""
        width, height = self.size_wh
        x, gain = self._along(points[:, 0] - width / 2)
        out_w, out_h = self.bent_wh
        return np.stack([x + out_w / 2, (points[:, 1] - height / 2) * gain + out_h / 2], axis=1)

    @property
    def bent_wh(self) -> tuple[int, int]:
        """Size of the picture that holds the curled print."""
        width, height = self.size_wh
        x, gain = self._along(np.linspace(-width / 2, width / 2, _STEPS))
        return math.ceil(float(x[-1] - x[0])), math.ceil(height * float(gain.max()))

    def render(self, image: Picture, border: float | tuple[float, ...]) -> Picture:
        """The curled print; what is beside it has the value ``border``."""
        width, height = self.size_wh
        out_w, out_h = self.bent_wh
        u = np.linspace(-width / 2, width / 2, _STEPS)
        x, gain = self._along(u)
        columns = np.arange(out_w) + 0.5 - out_w / 2
        from_u = np.interp(columns, x, u, left=-width, right=width)
        at_gain = np.interp(columns, x, gain)
        rows = (np.arange(out_h) + 0.5 - out_h / 2)[:, None] / at_gain[None, :]
        map_x = np.broadcast_to((from_u + width / 2 - 0.5).astype(np.float32), (out_h, out_w))
        map_y = (rows + height / 2 - 0.5).astype(np.float32)
        bent: Picture = cv2.remap(
            image,
            np.ascontiguousarray(map_x),
            map_y,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=border,
        )
        return bent

    def shade(self, light_rad: float) -> npt.NDArray[np.float32]:
        """Brightness by column of the curled picture, 1 where the light falls straight on it."""
        width = self.size_wh[0]
        x, _ = self._along(np.linspace(-width / 2, width / 2, _STEPS))
        angles = np.linspace(-self.arc_rad / 2, self.arc_rad / 2, _STEPS)
        columns = np.arange(self.bent_wh[0]) + 0.5 - self.bent_wh[0] / 2
        shade: npt.NDArray[np.float32] = np.cos(np.interp(columns, x, angles) - light_rad).astype(np.float32)
        return shade

    def _along(self, u: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Column and vertical gain of the curled print for columns of the flat one, both from the middle."""
        width = self.size_wh[0]
        radius = width / self.arc_rad
        angle = u / radius
        depth = radius * (1 - np.cos(angle))
        gain = 1 / (1 + depth / (_BEND_DISTANCE * width))
        return radius * np.sin(angle) * gain, gain


def outline(extent: tuple[float, float, float, float], per_side: int) -> Points:
    """Points along the border of a rectangle, corners included, in order."""
    left, top, right, bottom = extent
    points: Points = _unit_outline(per_side) * (right - left, bottom - top) + (left, top)
    return points


@cache
def _unit_outline(per_side: int) -> Points:
    t = np.linspace(0, 1, per_side, endpoint=False)
    zero, one = np.zeros(per_side), np.ones(per_side)
    return np.concatenate(
        [np.column_stack(side) for side in ((t, zero), (one, t), (1 - t, one), (zero, 1 - t))]
    )


def area(polygon: Points) -> float:
    """Area of a polygon."""
    x, y = polygon[:, 0], polygon[:, 1]
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2
