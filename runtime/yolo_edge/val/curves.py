"""Precision and recall from what is right: what pycocotools' ``COCOeval.accumulate`` does."""

from __future__ import annotations

import numpy as np

from yolo_edge.val.matching import Boxes, Flags, Floats, Indices, Matches, Parameters, match


def precision_and_recall(
    objects: Boxes, found: Boxes, classes: Indices, parameters: Parameters
) -> tuple[Floats, Floats]:
    """Compares the boxes found with the objects, class by class.

    Args:
        objects: What was marked.
        found: What was found.
        classes: (C,) class ids, ascending; boxes and objects of other classes are left out.
        parameters: What to measure at.

    Returns:
        Precision (C, T, R, A) at the largest limit, and recall (C, T, A, limits); -1 where there are no
        objects.
    """
    objects = objects[np.flatnonzero(np.isin(objects.class_id, classes))]
    counting = parameters.in_range(objects.area) & ~objects.crowd
    object_class = np.searchsorted(classes, objects.class_id)
    counts = np.stack([np.bincount(object_class[row], minlength=len(classes)) for row in counting], axis=1)

    found, rank = _best_of_each_image(found[np.flatnonzero(np.isin(found.class_id, classes))], parameters)
    matches = match(objects, counting, found, parameters)
    curve = _Curves(classes, found, matches, parameters)
    return curve.precision(counts), curve.recall(counts, rank)


def _best_of_each_image(found: Boxes, parameters: Parameters) -> tuple[Boxes, Indices]:
    """The most confident boxes of each image and class in descending order, and the rank of each there."""
    found = found[np.lexsort((-found.score, found.class_id, found.image))]
    changes = np.append(True, (np.diff(found.image) != 0) | (np.diff(found.class_id) != 0))
    rank = _since(changes[: len(found.image)], np.ones(len(found.image), np.bool_)) - 1
    kept = np.flatnonzero(rank < parameters.limits[-1])
    return found[kept], rank[kept]


def _since(starts: Flags, flags: Flags) -> Indices:
    """How many flags are set from the last start up to and including each place."""
    total = np.cumsum(flags, dtype=np.intp)
    places = np.flatnonzero(starts)
    before = total[places] - flags[places]
    counted: Indices = total - np.repeat(before, np.diff(np.append(places, len(flags))))
    return counted


class _Curves:
    """The matches as points of a curve for each class, size and threshold, in descending confidence.

    Precision is highest where a box is right and falls until the next one that is, so that nothing has to
    be known of the boxes between but their number.
    """

    def __init__(self, classes: Indices, found: Boxes, matches: Matches, parameters: Parameters) -> None:
        self._parameters = parameters
        sizes, levels = len(parameters.area_ranges), len(parameters.iou_thresholds)
        class_of_box = np.searchsorted(classes, found.class_id)
        order = np.lexsort((-found.score, class_of_box))
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        # One curve after the other, each by descending confidence.
        curve = (class_of_box[matches.box] * sizes + matches.size) * levels + matches.threshold
        points = np.argsort(curve * (len(order) + 1) + place[matches.box])
        self.curve, self.box, self.right = curve[points], matches.box[points], matches.right[points]
        starts = np.append(True, np.diff(self.curve) != 0)[: len(points)]
        self.true = _since(starts, self.right)

        # Wrong are the boxes in the range of sizes that got no object.
        in_range = parameters.in_range(found.area)
        size, at = matches.size[points], place[self.box]
        before = np.zeros((sizes, len(order) + 1), np.intp)
        np.cumsum(in_range[:, order], axis=1, out=before[:, 1:])
        first_of_class = np.searchsorted(class_of_box[order], class_of_box[self.box])
        reached = before[size, at + 1] - before[size, first_of_class]
        self.false = reached - _since(starts, in_range[size, self.box])

    def recall(self, counts: Indices, rank: Indices) -> Floats:
        """(C, T, A, limits), of ``counts`` (C, A) objects."""
        limits, levels = self._parameters.limits, len(self._parameters.iou_thresholds)
        shape = (*counts.shape, levels)
        recall = np.empty((len(counts), levels, counts.shape[1], len(limits)))
        for m, limit in enumerate(limits):
            allowed = self.curve[self.right & (rank[self.box] < limit)]
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
