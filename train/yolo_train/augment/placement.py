"""Where the images of a sample lie on the canvas that is then warped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from yolo_edge._core import letterbox_geometry

Size = tuple[int, int]
"""Height and width in pixels."""


class Placement(NamedTuple):
    """One image on the canvas."""

    rect: tuple[float, float, float, float]
    """Left, top, right, bottom of the whole image, canvas pixels; it may reach outside the canvas."""
    shown: tuple[float, float, float, float]
    """The part of it that lies on the canvas."""


def letterboxed(source_hw: Size, canvas_hw: Size) -> Placement:
    """One image in the middle of the canvas, as large as fits (YOLOv5's ``letterbox``, padded in full)."""
    geometry = letterbox_geometry(source_hw, size_hw=canvas_hw, stride=1, mode="square")
    top, left, _, _ = geometry.padding
    height, width = geometry.resized_hw
    rect = (float(left), float(top), float(left + width), float(top + height))
    return Placement(rect, rect)


def mosaic_of(
    source_hws: Sequence[Size], size_px: int, random: np.random.Generator
) -> tuple[Placement, Placement, Placement, Placement]:
    """Four images that meet in one point of a canvas of twice the network's size.

    The point is drawn from the canvas's middle half, as in YOLOv5's mosaic. Each image is resized to
    ``size_px`` on its long side; the first lies above and left of the point, then above and right, below and
    left, below and right.

    Args:
        source_hws: Height and width of each image.
        size_px: Side of the network's input; the canvas's is twice as long.
        random: Draws the point.
    """
    x, y = (int(value) for value in random.integers(size_px // 2, size_px + size_px // 2 + 1, 2))
    top_left, top_right, bottom_left, bottom_right = (_long_side(hw, size_px) for hw in source_hws)
    return (
        _on_canvas(x - top_left[1], y - top_left[0], top_left, 2 * size_px),
        _on_canvas(x, y - top_right[0], top_right, 2 * size_px),
        _on_canvas(x - bottom_left[1], y, bottom_left, 2 * size_px),
        _on_canvas(x, y, bottom_right, 2 * size_px),
    )


def _long_side(source_hw: Size, size_px: int) -> Size:
    """The size of an image whose long side becomes ``size_px``."""
    ratio = size_px / max(source_hw)
    return max(1, round(source_hw[0] * ratio)), max(1, round(source_hw[1] * ratio))


def _on_canvas(left: int, top: int, size_hw: Size, side_px: int) -> Placement:
    right, bottom = left + size_hw[1], top + size_hw[0]
    return Placement(
        (float(left), float(top), float(right), float(bottom)),
        (
            float(max(left, 0)),
            float(max(top, 0)),
            float(min(right, side_px)),
            float(min(bottom, side_px)),
        ),
    )
