"""Random changes of hue, saturation and brightness."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from yolo_edge.packages import require_cv2
from yolo_train.augment.augmentation import Augmentation

cv2 = require_cv2("augmenting images")

_HUES = 180
"""OpenCV's 8-bit hue counts in steps of two degrees."""


def random_hsv_table(random: np.random.Generator, augmentation: Augmentation) -> npt.NDArray[np.uint8] | None:
    """A table of new hues, saturations and brightnesses, each multiplied by ``1 + uniform(-1, 1) * amount``.

    Returns:
        uint8 (256, 1, 3) for ``cv2.LUT``; None when nothing is to change.
    """
    amounts = np.array([augmentation.hsv_h, augmentation.hsv_s, augmentation.hsv_v])
    gains = 1 + random.uniform(-1, 1, 3) * amounts
    if not amounts.any():
        return None
    levels = np.arange(256)[:, None] * gains
    levels[:, 0] %= _HUES
    table: npt.NDArray[np.uint8] = np.clip(levels, 0, 255).astype(np.uint8)[:, None, :]
    return table


def to_planar_rgb(
    image: npt.NDArray[np.uint8], hsv_table: npt.NDArray[np.uint8] | None, out: npt.NDArray[np.uint8]
) -> None:
    """Writes an image as the network reads it, its colours changed.

    Args:
        image: uint8 (height, width, 3), BGR; it is written over.
        hsv_table: From :func:`random_hsv_table`.
        out: uint8 (3, height, width): red, green, blue.
    """
    channels = (2, 1, 0)
    if hsv_table is not None:
        # Not in place: OpenCV's vector code may read what it has already written.
        hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
        cv2.LUT(hsv, hsv_table, dst=image)
        image = cv2.cvtColor(image, cv2.COLOR_HSV2RGB, dst=hsv)
        channels = (0, 1, 2)
    for plane, channel in zip(out, channels):
        cv2.extractChannel(image, channel, dst=plane)
