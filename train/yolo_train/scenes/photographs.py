"""Photographs behind, and beside, the codes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from yolo_edge.errors import SourceError
from yolo_edge.packages import require_cv2
from yolo_edge.sources import IMAGE_SUFFIXES
from yolo_edge.sources.images import read_image
from yolo_train.scenes.patterns import pattern

cv2 = require_cv2("drawing scenes")

Picture = npt.NDArray[np.uint8]

LONGEST_PX = 1400
"""Larger photographs are shrunk when they are read: they would only take memory."""


class Photographs:
    """Some photographs, cut into any number of different pictures.

    Args:
        pictures: uint8 (height, width, 3), BGR; none at all is allowed, and then everything is drawn.
    """

    def __init__(self, pictures: Sequence[Picture] = ()) -> None:
        self._pictures = list(pictures)

    def __len__(self) -> int:
        return len(self._pictures)

    @classmethod
    def of_folder(cls, folder: Path) -> Photographs:
        """Reads all images of a folder, in order of their names.

        Raises:
            SourceError: There is no such folder or no image in it, or one cannot be read.
        """
        if not folder.is_dir():
            raise SourceError(f"{folder}: no such folder of photographs")
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
        if not paths:
            raise SourceError(f"{folder}: the folder holds no images")
        return cls([_read(path) for path in paths])

    def cut(self, random: np.random.Generator, size_wh: tuple[int, int]) -> Picture:
        """A random piece, turned, mirrored, recoloured, and stretched to a size.

        Raises:
            ValueError: There are no photographs.
        """
        if not self._pictures:
            raise ValueError("there are no photographs to cut from")
        picture = self._pictures[random.integers(len(self._pictures))]
        height, width = picture.shape[:2]
        out_w, out_h = size_wh
        shortest = min(height, width)
        side = shortest * random.uniform(0.25, 1.0)
        scale = side / max(out_w, out_h)
        turn = np.deg2rad(random.normal(0, 6)) + (np.pi / 2) * int(random.random() < 0.08)
        flip = -1.0 if random.random() < 0.5 else 1.0
        stretch = random.uniform(0.85, 1.18)
        cos, sin = np.cos(turn) * scale, np.sin(turn) * scale
        matrix = np.array([[flip * cos * stretch, -sin], [flip * sin * stretch, cos]])
        center = np.array(
            [
                random.uniform(side / 2, max(side / 2, width - side / 2)),
                random.uniform(side / 2, height - side / 2),
            ]
        )
        shift = center - matrix @ np.array([out_w / 2, out_h / 2])
        if scale > 1.6:  # plain interpolation would alias
            half = int(scale / 0.8)
            picture = cv2.resize(picture, (width // half, height // half), interpolation=cv2.INTER_AREA)
            matrix, shift = matrix / half, shift / half
        cut = cv2.warpAffine(
            picture,
            np.column_stack([matrix, shift]),
            (out_w, out_h),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        return recolour(random, cut)

    def collage(self, random: np.random.Generator, size_wh: tuple[int, int]) -> Picture:
        """Pieces of several photographs over each other, some of them bent: what no single one of them shows.

        Shapes whose sizes follow a power law, over each other, have the statistics of natural images ("dead
        leaves": Lee, Mumford, Huang, Occlusion Models for Natural Images, IJCV 2001).

        Raises:
            ValueError: There are no photographs.
        """
        sheets = [self.cut(random, size_wh) for _ in range(int(random.integers(2, 6)))]
        sheets = [bend(random, sheet) if random.random() < 0.5 else sheet for sheet in sheets]
        width, height = size_wh
        picture = sheets[0].copy()
        for _ in range(int(random.integers(3, 40))):
            radius = min(width, height) * 0.04 * random.uniform(0.005, 1.0) ** -0.5  # density ~ radius^-3
            radius = min(radius, 0.4 * width)
            center = np.array([random.uniform(0, width), random.uniform(0, height)])
            mask = np.zeros((height, width), np.uint8)
            fixed = (int(center[0]), int(center[1]))
            kind = random.integers(3)
            if kind == 0:
                axes = (int(radius) + 1, int(radius * random.uniform(0.3, 1.0)) + 1)
                cv2.ellipse(mask, fixed, axes, float(random.uniform(0, 180)), 0, 360, 255, -1)
            elif kind == 1:
                size = (2 * radius, 2 * radius * random.uniform(0.2, 1.0))
                box = cv2.boxPoints((fixed, size, float(random.uniform(0, 180))))
                cv2.fillConvexPoly(mask, box.astype(np.int32), 255)
            else:
                corners = center + random.normal(0, radius, (int(random.integers(3, 9)), 2))
                cv2.fillPoly(mask, [corners.astype(np.int32)], 255)
            cv2.copyTo(sheets[random.integers(len(sheets))], mask, picture)
        return picture


def backdrop(
    random: np.random.Generator, size_wh: tuple[int, int], photographs: Photographs, share: float = 0.65
) -> Picture:
    """A photograph's piece in ``share`` of the cases; else, and where there are none, a drawn surface."""
    if len(photographs) and random.random() < share:
        return photographs.cut(random, size_wh)
    return pattern(random, size_wh)


def bend(random: np.random.Generator, picture: Picture) -> Picture:
    """Moves the pixels by a smooth field, up to some tenth of the picture."""
    height, width = picture.shape[:2]
    count = int(random.integers(3, 10))
    reach = random.uniform(0.02, 0.3) * min(height, width) / count * 3
    field = random.normal(0, reach, (count, count, 2)).astype(np.float32)
    shift = cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC)
    x = np.arange(width, dtype=np.float32)[None] + shift[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + shift[..., 1]
    bent: Picture = cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return bent


def recolour(random: np.random.Generator, picture: Picture) -> Picture:
    """Other contrast, brightness and tint; one in eight without colour, and one in thirty a negative."""
    if random.random() < 1 / 8:
        picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    elif random.random() < 0.3:
        order = random.permutation(3)
        picture = np.ascontiguousarray(picture[..., order])
    ramp = np.arange(256, dtype=np.float32) / 255
    gamma, gain = random.uniform(0.7, 1.5), random.uniform(0.75, 1.2)
    tint = random.uniform(0.88, 1.12, 3).astype(np.float32)
    table = np.clip(255 * gain * ramp[:, None] ** gamma * tint, 0, 255).astype(np.uint8)
    if random.random() < 1 / 30:
        table = 255 - table
    recoloured: Picture = cv2.LUT(picture, table[None])
    return recoloured


def _read(path: Path) -> Picture:
    picture = read_image(path)
    scale = LONGEST_PX / max(picture.shape[:2])
    if scale < 1:
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(picture, np.uint8)
