"""Which boxes found are right: what pycocotools' ``COCOeval.evaluate`` does, all classes at once.

Its loops visit every box at every threshold and size of object. Here most objects are compared with the boxes
that touch them in arrays, and only boxes that touch several objects, and those in crowds, are looked at one
by one. The tests compare the figures with COCOeval's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from yolo_edge.val.comparison import Comparison, Flags, Floats, Indices, Pairs

Rows = tuple[Indices, Indices, Indices, Flags]
"""Columns of Matches."""


@dataclass(frozen=True)
class Matches:
    """Boxes that got an object: one row for each range of sizes and each threshold at which they did.

    Attributes:
        box: (m,) row of the box.
        size: (m,) 0 … A-1.
        threshold: (m,) 0 … T-1.
        right: (m,) the object counts at this size; if not, the box counts neither as right nor as wrong.
    """

    box: Indices
    size: Indices
    threshold: Indices
    right: Flags


def match(compared: Comparison, counting: Flags, thresholds: Floats) -> Matches:
    """Gives each box the best object that is still free.

    Args:
        compared: Objects, boxes and their overlaps.
        counting: (A, objects): an object counts at a size. Boxes prefer such objects to others.
        thresholds: (T,) of IoU, ascending.
    """
    pairs, crowd = compared.pairs, compared.objects.crowd
    objects_of_box = np.bincount(pairs.box, minlength=len(compared.boxes.score))
    contested = crowd.copy()
    contested[pairs.object[objects_of_box[pairs.box] > 1]] = True
    one_by_one = contested[pairs.object]
    parts = [
        _match_uncontested(pairs[~one_by_one], counting, thresholds),
        *_match_contested(pairs[one_by_one], crowd, counting, thresholds),
    ]
    box, size, threshold, right = (np.concatenate(column) for column in zip(*parts))
    return Matches(box, size, threshold, right)


def _match_uncontested(pairs: Pairs, counting: Flags, thresholds: Floats) -> Rows:
    """Each box touches one object only, so that an object goes to the first box that overlaps enough."""
    pairs = pairs[np.argsort(pairs.object, kind="stable")]
    firsts, levels = [], []
    for number, threshold in enumerate(thresholds):
        enough = np.flatnonzero(pairs.iou >= threshold)
        objects = pairs.object[enough]
        first = enough[np.append(True, objects[1:] != objects[:-1])[: len(enough)]]
        firsts.append(first)
        levels.append(np.full(len(first), number))
    chosen, level = np.concatenate(firsts), np.concatenate(levels)
    sizes = len(counting)
    return (
        np.tile(pairs.box[chosen], sizes),
        np.repeat(np.arange(sizes), len(chosen)),
        np.tile(level, sizes),
        counting[:, pairs.object[chosen]].ravel(),
    )


def _match_contested(pairs: Pairs, crowd: Flags, counting: Flags, thresholds: Floats) -> Iterator[Rows]:
    """Box after box: objects that count go before others, then the larger overlap."""
    objects, index = np.unique(pairs.object, return_inverse=True)
    crowd, preferred = crowd[objects], counting[:, None, objects]
    # (A, T, objects): no box has it yet.
    free = np.ones((len(counting), len(thresholds), len(objects)), np.bool_)
    boxes, starts = np.unique(pairs.box, return_index=True)
    ends = np.append(starts[1:], len(pairs.box))
    for box, start, end in zip(boxes.tolist(), starts.tolist(), ends.tolist()):
        touched, overlaps = index[start:end], pairs.iou[start:end]
        possible = free[..., touched] & (overlaps >= thresholds[:, None])
        better = possible & preferred[..., touched]
        right: Flags = np.any(better, axis=2)
        candidates = np.where(right[..., None], better, possible)
        # Of equal overlaps the last wins, as in pycocotools.
        value = np.where(candidates, overlaps, -1.0)[..., ::-1]
        best = touched[len(touched) - 1 - value.argmax(axis=2)]
        size, level = np.nonzero(candidates.any(axis=2))
        chosen = best[size, level]
        # A crowd has room for any number of boxes.
        free[size, level, chosen] = crowd[chosen]
        yield np.full(len(size), box), size, level, right[size, level]
