"""Precision and recall from what is right: what pycocotools' ``COCOeval.accumulate`` does."""

from __future__ import annotations

import numpy as np

from yolo_edge.val.comparison import Boxes, Comparison, Floats, Indices, Parameters, count_since
from yolo_edge.val.matching import Matches, match


def precision_and_recall(
    compared: Comparison, classes: Indices, parameters: Parameters
) -> tuple[Floats, Floats]:
    """The curves of each class.

    Args:
        compared: All images.
        classes: (C,) class ids with objects that count, ascending; other classes are left out.
        parameters: What to measure at.

    Returns:
        Precision (C, T, R, A) at the largest limit, and recall (C, T, A, limits); -1 where there are no
        objects.
    """
    objects = compared.objects
    counting = parameters.in_range(objects.area) & ~objects.crowd
    number = np.searchsorted(classes, objects.class_id)
    counts = np.stack([np.bincount(number[row], minlength=len(classes)) for row in counting], axis=1)
    matches = match(compared, counting, parameters.iou_thresholds)
    curves = _Curves(classes, compared.boxes, matches, parameters)
    return curves.precision(counts), curves.recall(counts)


class _Curves:
    """The matches as points of a curve for each class, size and threshold, in descending confidence.

    Precision is highest where a box is right and falls until the next one that is, so that nothing has to
    be known of the boxes between but their number.
    """

    def __init__(self, classes: Indices, boxes: Boxes, matches: Matches, parameters: Parameters) -> None:
        self._parameters = parameters
        sizes, levels = len(parameters.area_ranges), len(parameters.iou_thresholds)
        known = np.flatnonzero(np.isin(boxes.class_id, classes))
        number = np.searchsorted(classes, boxes.class_id[known])
        order = np.lexsort((-boxes.score[known], number))
        class_at, box_at = number[order], known[order]
        place = np.empty(len(boxes.score), np.intp)
        place[box_at] = np.arange(len(order))
        # Boxes in crowds of classes without other objects have got one too.
        matched = np.isin(boxes.class_id[matches.box], classes)
        box, size, at = matches.box[matched], matches.size[matched], place[matches.box[matched]]
        # One curve after the other, each by descending confidence.
        curve = (class_at[at] * sizes + size) * levels + matches.threshold[matched]
        points = np.argsort(curve * (len(order) + 1) + at)
        self.curve, self.right = curve[points], matches.right[matched][points]
        starts = np.append(True, self.curve[1:] != self.curve[:-1])[: len(points)]
        self.true = count_since(starts, self.right)

        box, size, at = box[points], size[points], at[points]
        self.rank = boxes.rank[box]
        # Wrong are the boxes in the range of sizes that got no object.
        in_range = parameters.in_range(boxes.area)
        before = np.zeros((sizes, len(order) + 1), np.intp)
        np.cumsum(in_range[:, box_at], axis=1, out=before[:, 1:])
        first_of_class = np.searchsorted(class_at, np.arange(len(classes)))[class_at[at]]
        reached = before[size, at + 1] - before[size, first_of_class]
        self.false = reached - count_since(starts, in_range[size, box])

    def recall(self, counts: Indices) -> Floats:
        """(C, T, A, limits), of ``counts`` (C, A) objects."""
        limits, levels = self._parameters.limits, len(self._parameters.iou_thresholds)
        shape = (*counts.shape, levels)
        recall = np.empty((len(counts), levels, counts.shape[1], len(limits)))
        for m, limit in enumerate(limits):
            allowed = self.curve[self.right & (self.rank < limit)]
            right = np.bincount(allowed, minlength=int(np.prod(shape))).reshape(shape)
            recall[..., m] = (right / np.maximum(counts, 1)[..., None]).transpose(0, 2, 1)
        recall[np.broadcast_to((counts == 0)[:, None, :, None], recall.shape)] = -1
        return recall

    def precision(self, counts: Indices) -> Floats:
        """(C, T, R, A): the best precision at or beyond each recall level, of ``counts`` (C, A) objects."""
        parameters = self._parameters
        levels = len(parameters.iou_thresholds)
        shape = (*counts.shape, levels, len(parameters.recall_levels))
        sampled = np.zeros(shape)
        sampled[counts == 0] = -1
        points = np.flatnonzero(self.right)
        row, nth = self.curve[points], self.true[points] - 1
        value = (nth + 1) / (self.false[points] + (nth + 1.0) + np.spacing(1))
        ranges = np.arange(counts.size + 1) * levels
        bounds = np.searchsorted(row, ranges).tolist()
        for number, (first, last) in enumerate(zip(bounds, bounds[1:])):
            if first == last:
                continue
            k, size = divmod(number, counts.shape[1])
            most = int(nth[first:last].max()) + 1
            precision = np.zeros((levels, most + 1))
            precision[row[first:last] - ranges[number], nth[first:last]] = value[first:last]
            best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
            # Recall after the first, second … right box is the same at every threshold; then it is zero.
            recall = np.arange(1, most + 1) / counts[k, size]
            sampled[k, size] = best[:, np.searchsorted(recall, parameters.recall_levels)]
        return sampled.transpose(0, 2, 3, 1)
