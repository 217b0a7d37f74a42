"""Puts flat prints into a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from yolo_edge.markers.view import Points, at_pixel_centers, pose, project, scaled
from yolo_edge.packages import require_cv2
from yolo_train.scenes.prints import Print
from yolo_train.scenes.settings import SceneSettings
from yolo_train.scenes.surface import Bend, outline

cv2 = require_cv2("drawing scenes")

Picture = npt.NDArray[np.uint8]

_PER_SIDE = 8
"""Points along each side of a code's outline; straight sides need one, curled ones some."""


@dataclass
class Placed:
    """A print that has a pose: how it and its codes lie in the picture."""

    image: Picture
    """The print, curled where it is; uint8 (height, width, 3)."""
    mask: Picture | None
    """uint8 (height, width), or None for all of it."""
    homography: npt.NDArray[np.float64]
    """Pixels of ``image`` to pixels of the picture."""
    corners: Points
    """Corners of ``image`` in the picture."""
    outlines: list[tuple[int, Points]]
    """Class id and outline in the picture of each code."""
    multiplies: bool

    def bounds(self) -> tuple[float, float, float, float]:
        """left, top, right, bottom of the print in the picture."""
        (left, top), (right, bottom) = self.corners.min(axis=0), self.corners.max(axis=0)
        return float(left), float(top), float(right), float(bottom)

    def moved(self, x: float, y: float) -> Placed:
        """The same, shifted."""
        outlines = [(class_id, points + np.array([x, y])) for class_id, points in self.outlines]
        return replace(
            self,
            homography=scaled(self.homography, 1, (x, y)),
            corners=self.corners + np.array([x, y]),
            outlines=outlines,
        )


def posed(random: np.random.Generator, settings: SceneSettings, item: Print, seen_px: float) -> Placed:
    """Curls, tilts and scales a print until the longer side of its first code, or its own, is ``seen_px``."""
    low, high = settings.tilt_deg
    tilt = math.radians(low + (high - low) * random.random() ** settings.steep)
    towards = random.uniform(0, 2 * np.pi)
    roll = random.normal(0, 0.15) if random.random() < 0.4 else random.uniform(0, 2 * np.pi)
    nearness = random.uniform(*settings.nearness)
    image, mask = item.image, item.mask
    codes = [(class_id, outline(extent, _PER_SIDE)) for class_id, extent in item.codes]
    if item.bends and random.random() < settings.bent and min(image.shape[:2]) > 8:
        image, mask, codes = _bent(random, settings, item)
    height, width = image.shape[:2]
    matrix = pose((width, height), tilt, towards, roll, nearness)
    shape = codes[0][1] if codes else outline((0, 0, width, height), 1)
    scale = seen_px / _longer_side(project(matrix, shape))
    matrix = scaled(matrix, scale, (0, 0))
    outlines = [(class_id, project(matrix, points)) for class_id, points in codes]
    corners = project(matrix, outline((0, 0, width, height), 1))
    return Placed(image, mask, matrix, corners, outlines, item.multiplies)


def _bent(
    random: np.random.Generator, settings: SceneSettings, item: Print
) -> tuple[Picture, Picture | None, list[tuple[int, Points]]]:
    """The print on a cylinder, upright or lying."""
    lying = random.random() < 0.4
    arc = random.uniform(*settings.bend_rad) * (-1 if random.random() < 0.3 else 1)
    image, mask = item.image, item.mask
    if mask is None:
        mask = np.full(image.shape[:2], 255, np.uint8)
    if lying:
        image, mask = np.ascontiguousarray(image.swapaxes(0, 1)), np.ascontiguousarray(mask.T)
    bend = Bend((image.shape[1], image.shape[0]), arc)
    border = 255 if item.multiplies else 0
    image, mask = bend.render(image, (border, border, border)), bend.render(mask, 0)
    shade = 255 * bend.shade(random.uniform(-0.6, 0.6))
    row = np.clip(shade, 60, 255).astype(np.uint8)
    if not item.multiplies:
        image = cv2.multiply(image, np.broadcast_to(row[None, :, None], image.shape).copy(), scale=1 / 255)
    codes = []
    for class_id, extent in item.codes:
        points = outline(extent, _PER_SIDE)
        if lying:
            points = points[:, ::-1]
        points = bend.project(points)
        codes.append((class_id, points[:, ::-1] if lying else points))
    if lying:
        image, mask = np.ascontiguousarray(image.swapaxes(0, 1)), np.ascontiguousarray(mask.T)
    return image, mask, codes


def _longer_side(points: Points) -> float:
    """The longest of the four sides of an outline."""
    count = len(points) // 4
    corners = points[::count]
    return float(np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1).max())


def paste(picture: Picture, placed: Placed, random: np.random.Generator, settings: SceneSettings) -> None:
    """Draws the print into the picture, with its own light and a shadow below it."""
    height, width = picture.shape[:2]
    left, top, right, bottom = placed.bounds()
    x0, y0 = max(0, math.floor(left)), max(0, math.floor(top))
    x1, y1 = min(width, math.ceil(right)), min(height, math.ceil(bottom))
    if x1 <= x0 or y1 <= y0:
        return
    # Small ones at twice the size, for warping alone would alias.
    fine = 2 if max(x1 - x0, y1 - y0) < 180 else 1
    to_roi = at_pixel_centers(scaled(placed.homography, fine, (-x0 * fine, -y0 * fine)))
    size = ((x1 - x0) * fine, (y1 - y0) * fine)
    warped = cv2.warpPerspective(
        placed.image, to_roi, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    if placed.mask is not None:
        alpha = cv2.warpPerspective(placed.mask, to_roi, size, flags=cv2.INTER_LINEAR)
    else:
        alpha = np.zeros(size[::-1], np.uint8)
        fixed = np.round(((placed.corners - (x0, y0)) * fine - 0.5) * 16).astype(np.int32)
        cv2.fillConvexPoly(alpha, fixed, 255, cv2.LINE_AA, 4)
    if fine > 1:
        warped = cv2.resize(warped, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
        alpha = cv2.resize(alpha, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
    if random.random() < settings.halftone:
        warped = halftone(random, warped)
    roi = picture[y0:y1, x0:x1]
    three = cv2.merge([alpha, alpha, alpha])
    if placed.multiplies:
        warped = cv2.multiply(roi, warped, scale=1 / 255)
    else:
        tint = random.uniform(0.8, 1.05)
        warped = cv2.convertScaleAbs(warped, alpha=tint)
        if random.random() < 0.5:
            _shadow(picture, alpha, (x0, y0), random)
    kept = cv2.multiply(roi, cv2.bitwise_not(three), scale=1 / 255)
    roi[...] = cv2.add(kept, cv2.multiply(warped, three, scale=1 / 255))


def _shadow(picture: Picture, alpha: Picture, at: tuple[int, int], random: np.random.Generator) -> None:
    """Darkens the picture a little beside a print that lies on it."""
    reach = int(random.integers(1, 9))
    dx, dy = int(random.integers(-reach, reach + 1)), int(random.integers(-reach, reach + 1))
    height, width = picture.shape[:2]
    x0, y0 = max(0, at[0] + dx), max(0, at[1] + dy)
    x1, y1 = min(width, at[0] + dx + alpha.shape[1]), min(height, at[1] + dy + alpha.shape[0])
    if x1 <= x0 or y1 <= y0:
        return
    piece = alpha[y0 - at[1] - dy : y1 - at[1] - dy, x0 - at[0] - dx : x1 - at[0] - dx]
    soft = cv2.blur(piece, (2 * reach + 1, 2 * reach + 1))
    dark = cv2.convertScaleAbs(soft, alpha=-random.uniform(0.1, 0.55), beta=255)
    # convertScaleAbs takes the magnitude: 255 - share * soft is never negative.
    roi = picture[y0:y1, x0:x1]
    roi[...] = cv2.multiply(roi, cv2.merge([dark, dark, dark]), scale=1 / 255)


def halftone(random: np.random.Generator, image: Picture) -> Picture:
    """A fine grid over the print: a printer's dots or a screen's pixels, beating with the sensor's."""
    height, width = image.shape[:2]
    period, angle = random.uniform(2.05, 6.0), random.uniform(0, np.pi)
    x = np.arange(width, dtype=np.float32)[None] * np.float32(2 * np.pi / period)
    y = np.arange(height, dtype=np.float32)[:, None] * np.float32(2 * np.pi / period)
    cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    wave = np.sin(x * cos + y * sin)
    if random.random() < 0.6:
        wave = wave * np.sin(y * cos - x * sin)
    depth = random.uniform(0.05, 0.3)
    grid = (255 * (1 - depth / 2 + depth / 2 * wave)).astype(np.uint8)
    return np.asarray(cv2.multiply(image, cv2.merge([grid, grid, grid]), scale=1 / 255), np.uint8)
