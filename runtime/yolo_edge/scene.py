"""A picture to verify with when there is no other: a drawn street scene, the same for the same seed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def draw_scene(size_hw: tuple[int, int], seed: int) -> npt.NDArray[np.uint8]:
    """Draws shapes of many sizes, with edges, gradients and noise, so that every layer has work.

    Args:
        size_hw: (height, width) in pixels.
        seed: Another seed, another picture.

    Returns:
        uint8 (height, width, 3), BGR.
    """
    height, width = size_hw
    random = np.random.default_rng(seed)
    sky = np.linspace(0.9, 0.35, height, dtype=np.float32)[:, None, None]
    picture = sky * random.uniform(120, 250, 3).astype(np.float32) * np.ones((1, width, 1), np.float32)
    for _ in range(80):
        x, y = random.uniform(0, width), random.uniform(0, height)
        half_w = random.uniform(0.005, 0.1) * width
        half_h = half_w * random.uniform(0.5, 2.5)
        color = random.uniform(0, 255, 3).astype(np.float32)
        rows = np.arange(max(0, int(y - half_h)), min(height, int(y + half_h) + 1), dtype=np.float32)
        columns = np.arange(max(0, int(x - half_w)), min(width, int(x + half_w) + 1), dtype=np.float32)
        dy, dx = np.abs(rows - y)[:, None] / half_h, np.abs(columns - x)[None, :] / half_w
        inside = (dx * dx + dy * dy <= 1) if random.random() < 0.5 else ((dx <= 1) & (dy <= 1))
        shade = (1 - 0.5 * np.clip(dy, 0, 1))[..., None]
        place = picture[int(rows[0]) : int(rows[-1]) + 1, int(columns[0]) : int(columns[-1]) + 1]
        place[...] = np.where(inside[..., None], color * shade, place)
    picture += random.normal(0, 6, picture.shape).astype(np.float32)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)
