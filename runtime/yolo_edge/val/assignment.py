"""Which box gets which object at one IoU threshold, in one pass over the pairs that overlap enough."""

from __future__ import annotations

import numpy as np

from yolo_edge.val.comparison import Flags, Indices, Pairs

NONE = -1
"""A box without an object."""


def assign(pairs: Pairs, boxes: int, crowd: Flags) -> Indices:
    """Gives each box in turn the object that it overlaps most and that no box before it has got.

    A crowd has room for any number of boxes, but is taken only where no single object is free. Of equal
    overlaps the last wins, as in pycocotools.

    Args:
        pairs: Boxes and objects that overlap enough; boxes have their turn in ascending order.
        boxes: Number of boxes.
        crowd: (objects,) groups of objects.

    Returns:
        (boxes,) the object of each, or ``NONE``.
    """
    order = np.lexsort((-pairs.object, -pairs.iou, crowd[pairs.object], pairs.box))
    objects = pairs.object[order]
    assigned = np.full(boxes, NONE, np.intp)
    free = [True] * len(crowd)
    served = NONE
    for box, index, is_crowd in zip(pairs.box[order].tolist(), objects.tolist(), crowd[objects].tolist()):
        if box != served and free[index]:
            assigned[box] = index
            free[index] = is_crowd
            served = box
    return assigned
