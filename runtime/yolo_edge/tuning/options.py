"""What a caller may choose for tuning; the command line shares these defaults."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

OBJECTIVES = ("latency", "throughput", "efficiency")


@dataclass(frozen=True)
class TuneOptions:
    """What to look for, and for how long.

    Raises:
        ValueError: A value outside its range; the message names it and the range.
    """

    objective: str = "latency"
    """``latency``: one frame's way from image to boxes; ``throughput``: frames per second of a run on a file,
    with several engines at once too; ``efficiency``: CPU time of a frame, or energy where the machine has
    counters."""

    budget_s: float = 180.0
    """Seconds to measure for; less time tries fewer configurations and decides less surely."""

    engines: Sequence[str] | None = None
    """Engines to choose from; None means all that are installed."""

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise ValueError(f"objective is {self.objective!r}; it must be one of {', '.join(OBJECTIVES)}")
        if not (math.isfinite(self.budget_s) and self.budget_s > 0):
            raise ValueError(f"budget is {self.budget_s}; it must be a number of seconds above 0")
