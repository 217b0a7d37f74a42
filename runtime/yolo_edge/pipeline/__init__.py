"""From sources through the detectors to the sinks.

Every source is read in a thread of its own (:mod:`~yolo_edge.pipeline.feed`), every detector has a thread
that letterboxes, posts inferences and decodes (:mod:`~yolo_edge.pipeline.workers`), and one more thread
writes (:mod:`~yolo_edge.pipeline.output`). docs/run.md says what that means for users.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from yolo_edge.lazy_names import lazy_names

if TYPE_CHECKING:
    from yolo_edge.pipeline.ages import AgeHistogram
    from yolo_edge.pipeline.assembly import run
    from yolo_edge.pipeline.callbacks import watch
    from yolo_edge.pipeline.statistics import RunStatistics, SourceStatistics

__all__ = ["AgeHistogram", "RunStatistics", "SourceStatistics", "run", "watch"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "AgeHistogram": "ages",
        "RunStatistics": "statistics",
        "SourceStatistics": "statistics",
        "run": "assembly",
        "watch": "callbacks",
    },
)
