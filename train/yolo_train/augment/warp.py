"""The random warp of a canvas: its matrix, its boxes and its pixels.

Coordinates are continuous: pixel ``i`` covers ``i`` to ``i + 1``, and boxes are edges. OpenCV counts from
pixel centres, so its matrices are shifted by half a pixel (YOLOv5 leaves that out: its images lie up to a
quarter of a pixel beside their boxes).

The canvas is never painted. Each image is warped once, from its decoded pixels to its place in the network's
input, with all transforms in one matrix.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from yolo_edge.packages import require_cv2
from yolo_train.augment.augmentation import Augmentation
from yolo_train.augment.clipping import boxes_around_visible
from yolo_train.augment.placement import Placement, Size

cv2 = require_cv2("augmenting images")

Image = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float64]

_SMALLEST_PX = 2.0
"""A box must stay wider and higher than this."""
_LARGEST_ASPECT = 100.0
"""And its long side may be this many times the short one."""
_SMALLEST_SHARE = 0.1
"""And this share of its area must stay in the picture. All three are YOLOv5's ``box_candidates``."""
_HORIZON = 1e-3
"""Homogeneous coordinates below this are behind the viewer, or so near the horizon that they blow up."""


def random_warp(
    random: np.random.Generator, augmentation: Augmentation, canvas_hw: Size, out_hw: Size
) -> tuple[Matrix, float]:
    """Draws the warp from canvas to network input: YOLOv5's ``random_perspective``, and the flips.

    About the canvas's middle: perspective, then rotation and scale, then shear; then the middle moves to that
    of the output, give or take the translation; then the flips.

    Returns:
        The 3x3 matrix from canvas to output, and the scale in it.
    """
    amount = augmentation
    px, py = random.uniform(-1, 1, 2) * amount.perspective
    angle = math.radians(random.uniform(-1, 1) * amount.degrees)
    scale = 1 + random.uniform(-1, 1) * amount.scale
    shear_x, shear_y = np.tan(np.radians(random.uniform(-1, 1, 2) * amount.shear))
    shift_x, shift_y = random.uniform(-1, 1, 2) * amount.translate
    flip_ud, flip_lr = random.random(2) < (amount.flipud, amount.fliplr)

    cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
    height, width = out_hw
    center = np.array([[1, 0, -canvas_hw[1] / 2], [0, 1, -canvas_hw[0] / 2], [0, 0, 1]])
    perspective = np.array([[1, 0, 0], [0, 1, 0], [px, py, 1]])
    rotation = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
    shear = np.array([[1, shear_x, 0], [shear_y, 1, 0], [0, 0, 1]])
    place = np.array([[1, 0, (0.5 + shift_x) * width], [0, 1, (0.5 + shift_y) * height], [0, 0, 1]])
    matrix = place @ shear @ rotation @ perspective @ center
    if flip_lr:
        matrix = np.array([[-1, 0, width], [0, 1, 0], [0, 0, 1]]) @ matrix
    if flip_ud:
        matrix = np.array([[1, 0, 0], [0, -1, height], [0, 0, 1]]) @ matrix
    return matrix, float(scale)


def warp_boxes(
    boxes: npt.NDArray[np.float64],
    rects: npt.NDArray[np.float64],
    shown: npt.NDArray[np.float64],
    matrix: Matrix,
    scale: float,
    out_hw: Size,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Carries the boxes of placed images to the output.

    A box is clipped to the part of its image that lies on the canvas and its corners are warped; the result
    is the upright box around what of it lies in the output. It is kept when it stays wider and higher than
    2 px, its sides are within 1:100, and its area is more than a tenth of what scaling alone would leave.

    Args:
        boxes: float64 (n, 4): left, top, right, bottom as fractions of their images.
        rects: float64 (n, 4): :attr:`Placement.rect` of each box's image.
        shown: float64 (n, 4): :attr:`Placement.shown` of each box's image.
        matrix: From canvas to output.
        scale: The scale in it.
        out_hw: Height and width of the output.

    Returns:
        float64 (n, 4) in output pixels, and which are kept, bool (n,).
    """
    origins, sizes = rects[:, :2], rects[:, 2:] - rects[:, :2]
    edges = np.clip(
        np.tile(origins, 2) + boxes * np.tile(sizes, 2), np.tile(shown[:, :2], 2), np.tile(shown[:, 2:], 2)
    )
    xs, ys = edges[:, 0::2], edges[:, 1::2]
    corners_x, corners_y, depth = _project(matrix, xs[:, [0, 1, 1, 0]], ys[:, [0, 0, 1, 1]])
    warped = np.stack([corners_x.min(1), corners_y.min(1), corners_x.max(1), corners_y.max(1)], 1)
    limits = np.array([out_hw[1], out_hw[0], out_hw[1], out_hw[0]], np.float64)
    if not _is_upright(matrix):
        cut = ((warped < 0) | (warped > limits)).any(1)
        warped[cut] = boxes_around_visible(corners_x[cut], corners_y[cut], limits[0], limits[1])
    warped = np.clip(warped, 0, limits)
    wide, high = warped[:, 2] - warped[:, 0], warped[:, 3] - warped[:, 1]
    area = (xs[:, 1] - xs[:, 0]) * (ys[:, 1] - ys[:, 0]) * scale**2
    kept = (
        (depth.min(1) > _HORIZON)
        & (wide > _SMALLEST_PX)
        & (high > _SMALLEST_PX)
        & (np.maximum(wide, high) < _LARGEST_ASPECT * np.minimum(wide, high))
        & (wide * high > _SMALLEST_SHARE * area)
    )
    return warped, kept


def warp_image(read: Callable[[], Image], placement: Placement, matrix: Matrix, out: Image) -> bool:
    """Paints a placed image into the output, bilinearly; pixels outside it stay as they are.

    Args:
        read: Gives the image, uint8 (h, w, 3) of any resolution: it fills ``placement.rect``.
        placement: Where it lies on the canvas.
        matrix: From canvas to output.
        out: uint8 (H, W, 3), written in place.

    Returns:
        False when no part of the image lies in the output; then it is not read.
    """
    area = _covered(placement, matrix, out.shape[0], out.shape[1])
    if area is None:
        return False
    image = read()
    x0, y0, x1, y1 = area
    part = out[y0:y1, x0:x1]
    left, top, right, bottom = placement.rect
    to_canvas = np.array(
        [
            [(right - left) / image.shape[1], 0, left],
            [0, (bottom - top) / image.shape[0], top],
            [0, 0, 1],
        ]
    )
    backward = _pixel_matrix(np.linalg.inv(matrix @ to_canvas), x0, y0)
    if _is_upright(matrix):
        _warp(image, backward, part, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)
        return True
    # A turned image covers its rectangle in part: its neighbours show in the corners.
    warped = np.empty_like(part, order="C")
    _warp(image, backward, warped, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)
    shown = placement.shown
    whole = np.full((int(shown[3] - shown[1]), int(shown[2] - shown[0])), 255, np.uint8)
    from_shown = np.array([[1, 0, shown[0]], [0, 1, shown[1]], [0, 0, 1]])
    mask = np.empty(part.shape[:2], np.uint8)
    backward = _pixel_matrix(np.linalg.inv(matrix @ from_shown), x0, y0)
    _warp(whole, backward, mask, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT)
    cv2.copyTo(warped, mask, part)
    return True


def _project(
    matrix: Matrix, xs: npt.NDArray[np.float64], ys: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Points through a homogeneous matrix, and their depth (1 without perspective)."""
    depth = matrix[2, 0] * xs + matrix[2, 1] * ys + matrix[2, 2]
    safe = np.maximum(depth, _HORIZON)
    return (
        (matrix[0, 0] * xs + matrix[0, 1] * ys + matrix[0, 2]) / safe,
        (matrix[1, 0] * xs + matrix[1, 1] * ys + matrix[1, 2]) / safe,
        depth,
    )


def _covered(
    placement: Placement, matrix: Matrix, height: int, width: int
) -> tuple[int, int, int, int] | None:
    """The pixels whose centres the upright rectangle around the warped image covers: x0, y0, x1, y1."""
    left, top, right, bottom = placement.shown
    if left >= right or top >= bottom:
        return None
    xs, ys, depth = _project(
        matrix, np.array([left, right, right, left]), np.array([top, top, bottom, bottom])
    )
    if depth.min() <= _HORIZON:
        return 0, 0, width, height
    # Of two images that touch, each pixel belongs to exactly one.
    x0, y0 = max(0, math.ceil(xs.min() - 0.5)), max(0, math.ceil(ys.min() - 0.5))
    x1, y1 = min(width, math.ceil(xs.max() - 0.5)), min(height, math.ceil(ys.max() - 0.5))
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def _is_upright(matrix: Matrix) -> bool:
    """Whether rectangles stay rectangles."""
    return bool(matrix[0, 1] == matrix[1, 0] == matrix[2, 0] == matrix[2, 1] == 0)


def _pixel_matrix(backward: Matrix, x0: int, y0: int) -> Matrix:
    """From pixel indices of an output's part to pixel indices of the source."""
    before = np.array([[1, 0, x0 + 0.5], [0, 1, y0 + 0.5], [0, 0, 1]])
    after = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    matrix: Matrix = after @ backward @ before
    return matrix


def _warp(image: Image, backward: Matrix, out: Image, interpolation: int, border: int) -> None:
    flags: Any = interpolation | cv2.WARP_INVERSE_MAP
    size_wh = (out.shape[1], out.shape[0])
    if backward[2, 0] == backward[2, 1] == 0:
        affine = backward[:2] / backward[2, 2]
        cv2.warpAffine(image, affine, size_wh, dst=out, flags=flags, borderMode=border)
    else:
        cv2.warpPerspective(image, backward, size_wh, dst=out, flags=flags, borderMode=border)
