"""Measures how a bundle runs best on this machine, and keeps the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yolo_edge.lazy_names import lazy_names

if TYPE_CHECKING:
    from yolo_edge.tuning.lookup import look_up, tuned_arguments
    from yolo_edge.tuning.options import TuneOptions
    from yolo_edge.tuning.tuner import Tuner

__all__ = ["TuneOptions", "Tuner", "look_up", "tuned_arguments"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {"TuneOptions": "options", "Tuner": "tuner", "look_up": "lookup", "tuned_arguments": "lookup"},
)
