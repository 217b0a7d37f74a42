"""A drawn table with codes that move, turn and tilt: what the demo source shows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from yolo_edge.markers.barcodes import draw_barcode
from yolo_edge.markers.fiducials import draw_fiducial
from yolo_edge.markers.flat_code import FlatCode
from yolo_edge.markers.qr import draw_qr
from yolo_edge.markers.view import Points, at_pixel_centers, corners, pose, project, scaled
from yolo_edge.packages import require_cv2

Picture = npt.NDArray[np.uint8]

_COLUMNS, _ROWS = 3, 2


@dataclass(frozen=True)
class Seen:
    """A code in one picture of the scene."""

    code: FlatCode
    outline: Points
    """(4, 2): corners of its modules in pixels, clockwise from its own top left; all within the picture."""


@dataclass(frozen=True)
class _Card:
    """A code on paper and how it moves."""

    code: FlatCode
    paper: Picture
    """uint8 (height, width, 3), BGR."""
    extent: tuple[float, float, float, float]
    home: tuple[float, float]
    reach: tuple[float, float]
    size_px: float
    """Longer side of the paper, about which it swells and shrinks."""
    phase: float
    tempo: float


class MovingScene:
    """Six codes in motion; the same seed and time give the same picture.

    Args:
        size_wh: Width and height of the pictures in pixels.
        seed: Another seed, other codes and motions.

    Raises:
        ValueError: A side below 160 pixels, on which the codes would be too small.
    """

    def __init__(self, size_wh: tuple[int, int], seed: int = 0) -> None:
        if min(size_wh) < 160:
            raise ValueError(f"size is {size_wh[0]}x{size_wh[1]}; both must be at least 160")
        self._cv2 = require_cv2("drawing the demo")
        self.size_wh = size_wh
        random = np.random.default_rng(seed)
        self._table = self._draw_table(random)
        fine = max(1, round(min(size_wh) / 480))
        places = random.permutation(_COLUMNS * _ROWS)
        self._cards = [
            self._card(random, code, int(place)) for code, place in zip(_codes(random, fine), places)
        ]

    def draw(self, time_s: float) -> tuple[Picture, list[Seen]]:
        """The picture at a time.

        Returns:
            uint8 (height, width, 3), BGR, and the codes in it.
        """
        picture = self._table.copy()
        return picture, [self._put(picture, card, time_s) for card in self._cards]

    def _put(self, picture: Picture, card: _Card, time_s: float) -> Seen:
        cv2 = self._cv2
        height, width = card.paper.shape[:2]
        angle = card.phase + card.tempo * time_s
        x = card.home[0] + card.reach[0] * math.sin(1.3 * angle)
        y = card.home[1] + card.reach[1] * math.sin(1.7 * angle + 1)
        tilt = 0.65 * abs(math.sin(0.9 * angle))
        view = pose((width, height), tilt, 2 * angle, 0.5 * angle, 0.35)
        scale = card.size_px / max(width, height) * (0.85 + 0.15 * math.sin(1.1 * angle))
        homography = scaled(view, scale, (x, y))
        paper = project(homography, corners((0, 0, width, height)))
        left, top = np.floor(paper.min(axis=0)).astype(int).clip(0)
        right, bottom = np.minimum(np.ceil(paper.max(axis=0)).astype(int), self.size_wh)
        to_place = at_pixel_centers(scaled(homography, 1, (-float(left), -float(top))))
        size = (int(right - left), int(bottom - top))
        seen = cv2.warpPerspective(card.paper, to_place, size, borderMode=cv2.BORDER_REPLICATE)
        mask = np.zeros(size[::-1], np.uint8)
        inside = np.round((paper - (left, top) - 0.5) * 16).astype(np.int32)
        cv2.fillConvexPoly(mask, inside, 255, cv2.LINE_AA, 4)
        mask = cv2.merge([mask, mask, mask])
        roi = picture[top:bottom, left:right]
        behind = cv2.multiply(roi, cv2.bitwise_not(mask), scale=1 / 255)
        roi[...] = cv2.add(behind, cv2.multiply(seen, mask, scale=1 / 255))
        return Seen(card.code, project(homography, corners(card.extent)))

    def _card(self, random: np.random.Generator, code: FlatCode, place: int) -> _Card:
        """Paper for a code, and a motion that stays within its own part of the table."""
        margin = max(code.image.shape) // 12
        gray = np.pad(code.image, margin, constant_values=255)
        paper = np.stack([gray] * 3, axis=-1)
        extent = tuple(float(edge + margin) for edge in code.extent)
        cell_w, cell_h = self.size_wh[0] / _COLUMNS, self.size_wh[1] / _ROWS
        column, row = place % _COLUMNS, place // _COLUMNS
        diagonal = math.hypot(*gray.shape) / max(gray.shape)
        # Turned in any way, and nearer on one side by its tilt, it stays in its cell.
        reach = 0.07 * min(cell_w, cell_h)
        size_px = (min(cell_w, cell_h) - 2 * reach) / (1.12 * diagonal)
        return _Card(
            code,
            np.ascontiguousarray(paper),
            (extent[0], extent[1], extent[2], extent[3]),
            ((column + 0.5) * cell_w, (row + 0.5) * cell_h),
            (reach + (cell_w - min(cell_w, cell_h)) / 2, reach + (cell_h - min(cell_w, cell_h)) / 2),
            size_px,
            float(random.uniform(0, 2 * math.pi)),
            float(random.uniform(0.5, 0.9) * (1 if random.random() < 0.5 else -1)),
        )

    def _draw_table(self, random: np.random.Generator) -> Picture:
        """Wood: long grain in two browns, lit from one side."""
        cv2 = self._cv2
        width, height = self.size_wh
        grain = np.zeros((height, width), np.float32)
        for octave in range(2, 8):
            small = random.random((2**octave, 2 + 2**octave // 16)).astype(np.float32)
            grain += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC) / octave
        grain = (grain - grain.min()) / (grain.max() - grain.min())
        light = np.linspace(1.1, 0.75, width, dtype=np.float32)[None, :, None]
        dark_bgr, light_bgr = np.array([52, 84, 118], np.float32), np.array([120, 165, 200], np.float32)
        wood = (dark_bgr + (light_bgr - dark_bgr) * grain[..., None]) * light
        table: Picture = np.clip(wood, 0, 255).astype(np.uint8)
        return table


def _codes(random: np.random.Generator, fine: int) -> list[FlatCode]:
    """Two codes of each class, ``fine`` times as fine as a small picture shows them."""
    digits = "".join(map(str, random.integers(0, 10, 12)))
    number = int(random.integers(0, 50))
    return [
        draw_qr("yolo-edge", level="M", module_px=5 * fine),
        draw_qr(f"yolo-edge demo {digits[:6]}", level="Q", module_px=4 * fine),
        draw_fiducial("DICT_4X4_50", number, module_px=20 * fine),
        draw_fiducial("DICT_APRILTAG_36h11", number, module_px=16 * fine),
        # Long and low as printed ones, and of few bars: of more the default model's 320 px show nothing.
        draw_barcode("EAN-13", digits, height=34, module_px=2 * fine),
        draw_barcode("Code 128", digits[:4], height=20, module_px=3 * fine),
    ]
