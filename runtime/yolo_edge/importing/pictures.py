"""The two pictures that an unknown network is tried on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from yolo_edge.scene import draw_scene


def probe_tensors(tensor_hw: tuple[int, int]) -> list[npt.NDArray[np.float32]]:
    """Two different scenes as float32 (1, 3, H, W), 0..1."""
    scenes = [draw_scene(tensor_hw, seed) for seed in (3, 11)]
    return [
        np.ascontiguousarray(scene.transpose(2, 0, 1)[None]).astype(np.float32) / np.float32(255)
        for scene in scenes
    ]


PROBE_SIZES = ((128, 256), (256, 128))
"""Multiples of every usual stride; not square, so that height and width cannot be confused."""


def fixed_size(shape: Sequence[int | str | None]) -> tuple[int, int] | None:
    """Height and width of an ONNX input (1, 3, H, W), if both are numbers."""
    height, width = shape[2:4] if len(shape) == 4 else (None, None)
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None
