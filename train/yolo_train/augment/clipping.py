"""What is left of turned boxes at the edge of the picture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def boxes_around_visible(xs: Floats, ys: Floats, width: float, height: float) -> Floats:
    """Upright boxes around the part of each quadrilateral that lies in the picture.

    YOLOv5 clips the box around the whole quadrilateral instead, and so marks corners of the picture in which
    nothing of the object is seen.

    Args:
        xs: float64 (n, 4): corners of convex quadrilaterals, one after another around it.
        ys: float64 (n, 4).
        width: The picture reaches from 0 to here.
        height: And down to here.

    Returns:
        float64 (n, 4): left, top, right, bottom; zeros where nothing is visible.
    """
    candidates = [_clipped_edges(xs, ys, width, height), _picture_corners_inside(xs, ys, width, height)]
    points_x, points_y, valid = (np.concatenate(parts, 1) for parts in zip(*candidates))
    boxes = np.stack(
        [
            points_x.min(1, initial=np.inf, where=valid),
            points_y.min(1, initial=np.inf, where=valid),
            points_x.max(1, initial=-np.inf, where=valid),
            points_y.max(1, initial=-np.inf, where=valid),
        ],
        1,
    )
    boxes[~valid.any(1)] = 0
    return boxes


def _clipped_edges(
    xs: Floats, ys: Floats, width: float, height: float
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Both ends of what is visible of each edge (Liang and Barsky's clipping)."""
    steps_x, steps_y = np.roll(xs, -1, 1) - xs, np.roll(ys, -1, 1) - ys
    first, last = np.zeros_like(xs), np.ones_like(xs)
    visible = np.ones(xs.shape, np.bool_)
    # Inside one side of the picture is where step * t <= room.
    for step, room in ((-steps_x, xs), (steps_x, width - xs), (-steps_y, ys), (steps_y, height - ys)):
        parallel = step == 0
        visible &= ~parallel | (room >= 0)
        crossing = room / np.where(parallel, 1, step)
        first = np.where(step < 0, np.maximum(first, crossing), first)
        last = np.where(step > 0, np.minimum(last, crossing), last)
    visible &= first <= last
    at = np.concatenate([first, last], 1)
    points_x = np.clip(np.tile(xs, 2) + at * np.tile(steps_x, 2), 0, width)
    points_y = np.clip(np.tile(ys, 2) + at * np.tile(steps_y, 2), 0, height)
    return points_x, points_y, np.tile(visible, 2)


def _picture_corners_inside(
    xs: Floats, ys: Floats, width: float, height: float
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """The picture's corners, and whether each lies in the quadrilateral."""
    corners_x, corners_y = np.array([0.0, width, width, 0.0]), np.array([0.0, 0.0, height, height])
    steps_x, steps_y = np.roll(xs, -1, 1) - xs, np.roll(ys, -1, 1) - ys
    side = steps_x[:, :, None] * (corners_y - ys[:, :, None]) - steps_y[:, :, None] * (
        corners_x - xs[:, :, None]
    )
    inside: npt.NDArray[np.bool_] = np.all(side >= 0, axis=1) | np.all(side <= 0, axis=1)
    return np.tile(corners_x, (len(xs), 1)), np.tile(corners_y, (len(xs), 1)), inside
