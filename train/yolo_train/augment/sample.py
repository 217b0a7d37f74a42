"""One training sample: images on a canvas, warped into the network's input, with their objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from yolo_edge.datasets import Objects
from yolo_edge.options import PAD_VALUE
from yolo_edge.packages import require_cv2
from yolo_train.augment.placement import Placement, Size
from yolo_train.augment.warp import Image, Matrix, warp_boxes, warp_image

cv2 = require_cv2("augmenting images")

_MIXUP_BETA = 32.0
"""Both parameters of the beta distribution of mixup's share, as in YOLOv5: nearly always 0.4 to 0.6."""


class Part(NamedTuple):
    """An image of a sample."""

    read: Callable[[], Image]
    """Gives its pixels; not called when no part of it is in the picture."""
    objects: Objects
    placement: Placement


class Sample(NamedTuple):
    """What the network is to see and to find."""

    image: Image
    """uint8 (height, width, 3), BGR."""
    class_id: npt.NDArray[np.int32]
    """int32 (n,)."""
    boxes: npt.NDArray[np.float64]
    """float64 (n, 4): left, top, right, bottom in pixels of the image."""


def compose(parts: Sequence[Part], matrix: Matrix, scale: float, out_hw: Size) -> Sample:
    """Warps the images of a canvas into one; what none covers is grey.

    Args:
        parts: The images, with their places on the canvas. Their groups of objects (``crowd``) are left out.
        matrix: From canvas to output, 3x3.
        scale: The scale in it.
        out_hw: Height and width of the output.
    """
    out = np.full((*out_hw, 3), PAD_VALUE, np.uint8)
    visible = [part for part in parts if warp_image(part.read, part.placement, matrix, out)]
    if not any(len(part.objects) for part in visible):
        return Sample(out, np.empty(0, np.int32), np.empty((0, 4)))
    # All boxes at once: numpy's time is by the call.
    counts = [len(part.objects) for part in visible]
    boxes, kept = warp_boxes(
        np.concatenate([part.objects.boxes for part in visible]),
        np.repeat([part.placement.rect for part in visible], counts, 0),
        np.repeat([part.placement.shown for part in visible], counts, 0),
        matrix,
        scale,
        out_hw,
    )
    kept &= ~np.concatenate([part.objects.crowd for part in visible])
    return Sample(out, np.concatenate([part.objects.class_id for part in visible])[kept], boxes[kept])


def mixup(first: Sample, second: Sample, random: np.random.Generator) -> Sample:
    """Blends two samples; the objects of both stay (mixup, arXiv:1710.09412).

    Args:
        first: Its image is written over.
        second: Of the same size.
        random: Draws the share, from beta(32, 32).
    """
    share = float(random.beta(_MIXUP_BETA, _MIXUP_BETA))
    cv2.addWeighted(first.image, share, second.image, 1 - share, 0, dst=first.image)
    return Sample(
        first.image,
        np.concatenate([first.class_id, second.class_id]),
        np.concatenate([first.boxes, second.boxes]),
    )
