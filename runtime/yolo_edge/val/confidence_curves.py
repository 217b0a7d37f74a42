"""Precision, recall and F1 over the confidence threshold, and precision over recall, at IoU 0.5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from yolo_edge.val.assignment import NONE, assign
from yolo_edge.val.comparison import Comparison, Flags, Floats, Indices, Parameters, join

_STEPS = 1000
"""Confidence thresholds are 0, 0.001 … 1."""

_STEPS_IN_JSON = 100
_CLASSES_IN_JSON = 100
_DECIMALS = 4


@dataclass(frozen=True)
class OperatingPoint:
    """What a confidence threshold gives: precision, recall and F1, each a mean over the classes."""

    confidence: float
    precision: float | None
    """None where no class has a box above it."""
    recall: float
    f1: float


@dataclass(frozen=True)
class ConfidenceCurves:
    """Curves of the C classes that have objects, at G confidence thresholds and R recall levels.

    A box is right when it gets an object of its class with an IoU of at least 0.5, as in AP@.50; at a
    threshold count the boxes that are more confident.

    Attributes:
        names: C class names.
        class_ids: (C,), ascending.
        objects: (C,) of each class, crowds left out.
        confidence: (G,) thresholds.
        precision: (C, G); NaN where the class has no box above the threshold.
        recall: (C, G).
        f1: (C, G); 0 where the class has no box above the threshold.
        recall_level: (R,).
        precision_at_recall: (C, R) the best precision at or beyond each recall level; the mean of a row is
            the class's AP@.50.
    """

    names: tuple[str, ...]
    class_ids: Indices
    objects: Indices
    confidence: Floats
    precision: Floats
    recall: Floats
    f1: Floats
    recall_level: Floats
    precision_at_recall: Floats

    @property
    def ap50(self) -> Floats:
        """(C,) the area under each curve of precision over recall."""
        area: Floats = self.precision_at_recall.mean(axis=1)
        return area

    def mean(self, curves: Floats) -> Floats:
        """The mean of some of these curves over the classes; NaN where it is defined for none."""
        defined = ~np.isnan(curves)
        total = np.where(defined, curves, 0.0).sum(axis=0)
        count = defined.sum(axis=0)
        mean: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        return mean

    def best_f1(self, number: int | None = None) -> OperatingPoint | None:
        """The threshold with the best F1, of the mean over classes or of one; None where nothing is right.

        Where several are equally good it is the middle of their longest run, away from the edges.
        """
        rows = slice(None) if number is None else slice(number, number + 1)
        f1 = self.mean(self.f1[rows])
        if not len(self.class_ids) or not f1.max() > 0:
            return None
        place = _middle_of_longest_run(f1 >= f1.max() - 1e-12)
        precision = float(self.mean(self.precision[rows])[place])
        return OperatingPoint(
            confidence=float(self.confidence[place]),
            precision=None if np.isnan(precision) else precision,
            recall=float(self.mean(self.recall[rows])[place]),
            f1=float(f1[place]),
        )

    def as_dict(self) -> dict[str, Any]:
        """The curves at 101 thresholds, for at most 100 classes; described in docs/val.md."""
        step = _STEPS // _STEPS_IN_JSON
        most = np.sort(np.argsort(-self.objects, kind="stable")[:_CLASSES_IN_JSON]).tolist()

        def point(number: int | None) -> dict[str, float | None] | None:
            best = self.best_f1(number)
            return None if best is None else {**vars(best)}

        def curves(rows: Sequence[int]) -> dict[str, list[float | None]]:
            sampled = {
                "precision": self.precision[rows][:, ::step],
                "recall": self.recall[rows][:, ::step],
                "f1": self.f1[rows][:, ::step],
                "precision_at_recall": self.precision_at_recall[rows],
            }
            return {name: _rounded(self.mean(curve)) for name, curve in sampled.items()}

        return {
            "iou": 0.5,
            "best_f1": point(None),
            "confidence": _rounded(self.confidence[::step]),
            "recall_level": _rounded(self.recall_level),
            "mean": curves(range(len(self.class_ids))),
            "classes": [
                {
                    "class_id": int(self.class_ids[number]),
                    "name": self.names[number],
                    "best_f1": point(number),
                    **curves([number]),
                }
                for number in most
            ],
        }


def confidence_curves(
    images: Sequence[Comparison], names: Sequence[str], parameters: Parameters
) -> ConfidenceCurves:
    """Computes the curves of images that were compared one by one.

    Args:
        images: In any order; it decides between boxes of equal confidence.
        names: Class names by id.
        parameters: What the images were compared with; the lowest IoU threshold, 0.5, is the curves'.
    """
    compared = join(images)
    objects, boxes = compared.objects, compared.boxes
    counts_by_id = np.bincount(objects.class_id[~objects.crowd])
    class_ids = np.flatnonzero(counts_by_id)
    counts = counts_by_id[class_ids]
    assigned = assign(compared.pairs, len(boxes.score), objects.crowd)
    right = assigned != NONE
    in_crowd = right.copy()
    in_crowd[right] = objects.crowd[assigned[right]]
    counting = np.flatnonzero(~in_crowd & np.isin(boxes.class_id, class_ids))
    row = np.searchsorted(class_ids, boxes.class_id[counting])
    score, right = boxes.score[counting], right[counting]

    confidence = np.linspace(0, 1, _STEPS + 1)
    found, true = (
        _above(confidence, row[chosen], score[chosen], len(class_ids)) for chosen in (slice(None), right)
    )
    with np.errstate(invalid="ignore"):
        precision = true / np.where(found > 0, found, np.nan)
    return ConfidenceCurves(
        names=tuple(names[class_id] for class_id in class_ids.tolist()),
        class_ids=class_ids,
        objects=counts,
        confidence=confidence,
        precision=precision,
        recall=true / counts[:, None],
        f1=2 * true / (found + counts[:, None]),
        recall_level=parameters.recall_levels,
        precision_at_recall=_precision_at_recall(row, score, right, counts, parameters.recall_levels),
    )


def _above(confidence: Floats, row: Indices, score: Floats, rows: int) -> Floats:
    """(rows, G): how many of the boxes of a row are more confident than each threshold."""
    steps = len(confidence)
    passed = np.searchsorted(confidence, score)
    counts = np.bincount(row * (steps + 1) + passed, minlength=rows * (steps + 1)).reshape(rows, steps + 1)
    above: Floats = counts[:, :0:-1].cumsum(axis=1)[:, ::-1].astype(np.float64)
    return above


def _precision_at_recall(
    row: Indices, score: Floats, right: Flags, counts: Indices, levels: Floats
) -> Floats:
    """(C, R), by pycocotools' rule: the best precision at or beyond each level, 0 where recall ends."""
    order = np.lexsort((-score, row))
    bounds = np.searchsorted(row[order], np.arange(len(counts) + 1)).tolist()
    sampled = np.zeros((len(counts), len(levels)))
    for number, (first, last) in enumerate(zip(bounds, bounds[1:])):
        hits = right[order[first:last]]
        place = np.flatnonzero(hits)
        true = np.arange(1, len(place) + 1)
        precision = np.append(true / (place + 1.0 + np.spacing(1)), 0.0)
        best = np.maximum.accumulate(precision[::-1])[::-1]
        sampled[number] = best[np.searchsorted(true / counts[number], levels)]
    return sampled


def _middle_of_longest_run(flags: Flags) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - starts))
    return int((starts[longest] + ends[longest] - 1) // 2)


def _rounded(values: Floats) -> list[float | None]:
    return [None if np.isnan(value) else round(value, _DECIMALS) for value in values.tolist()]
