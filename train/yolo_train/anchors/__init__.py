"""How well anchors fit the objects of a dataset, and anchors that fit better.

Importing this package imports no numpy; each name is loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yolo_edge.lazy_names import lazy_names

if TYPE_CHECKING:
    from yolo_train.anchors.evolution import evolve_anchors
    from yolo_train.anchors.fit import AnchorFit, fit_anchors, object_sizes
    from yolo_train.anchors.options import ANCHOR_THRESHOLD, GENERATIONS, WANTED_RECALL
    from yolo_train.anchors.recall import anchor_fitness, best_possible_recall

__all__ = [
    "ANCHOR_THRESHOLD",
    "GENERATIONS",
    "WANTED_RECALL",
    "AnchorFit",
    "anchor_fitness",
    "best_possible_recall",
    "evolve_anchors",
    "fit_anchors",
    "object_sizes",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ANCHOR_THRESHOLD": "options",
        "GENERATIONS": "options",
        "WANTED_RECALL": "options",
        "AnchorFit": "fit",
        "anchor_fitness": "recall",
        "best_possible_recall": "recall",
        "evolve_anchors": "evolution",
        "fit_anchors": "fit",
        "object_sizes": "fit",
    },
)
