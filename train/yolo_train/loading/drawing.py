"""A picture of a batch: what the network is to see, and what it is to find."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from yolo_edge.drawing import draw_boxes
from yolo_edge.options import PAD_VALUE
from yolo_edge.packages import require_cv2
from yolo_train.loading.batch import Batch

_LARGEST_SIDE_PX = 1920
_WHITE = (255, 255, 255)


def draw_batch(batch: Batch, names: Sequence[str], *, most: int = 16) -> npt.NDArray[np.uint8]:
    """Draws the first images of a batch in a square of tiles, with their targets.

    Args:
        batch: A training or validation batch.
        names: Class names by id.
        most: Largest number of images to draw.

    Returns:
        uint8 (height, width, 3), BGR, at most 1920 pixels to a side.
    """
    cv2 = require_cv2("drawing batches")
    count = min(len(batch), most)
    columns = max(1, math.ceil(math.sqrt(count)))
    rows = max(1, math.ceil(count / columns))
    height, width = batch.images.shape[2:]
    scale = min(1.0, _LARGEST_SIDE_PX / max(columns * width, rows * height))
    tall, wide = max(1, int(height * scale)), max(1, int(width * scale))
    picture = np.full((rows * tall, columns * wide, 3), PAD_VALUE, np.uint8)
    for slot in range(count):
        top, left = slot // columns * tall, slot % columns * wide
        tile = np.ascontiguousarray(batch.images[slot][::-1].transpose(1, 2, 0))
        tile = cv2.resize(tile, (wide, tall), interpolation=cv2.INTER_AREA)
        targets = batch.targets[batch.targets[:, 0] == slot]
        centers, halves = targets[:, 2:4], targets[:, 4:] / 2
        xyxy = np.concatenate([centers - halves, centers + halves], 1) * np.array([wide, tall] * 2)
        class_id = targets[:, 1].astype(np.int32)
        tile = draw_boxes(tile, xyxy, class_id, [names[number] for number in class_id])
        cv2.rectangle(tile, (0, 0), (wide - 1, tall - 1), _WHITE, 1)
        picture[top : top + tall, left : left + wide] = tile
    return picture
