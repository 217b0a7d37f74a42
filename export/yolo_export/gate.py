"""The gate: what a precision costs in found objects and gains in time, measured before it is written.

Both targets run in the real engine, with float32 weights and with the new ones, on the images of a yardstick.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from yolo_edge.bundle import Bundle
from yolo_edge.detector import Detector
from yolo_edge.inference.base import FloatArray
from yolo_edge.table import format_table
from yolo_export.errors import GateError
from yolo_export.gate_options import DEFAULT_MAX_DROP
from yolo_export.yardstick import Yardstick

__all__ = ["Gate", "GateResult", "gate_table"]

_WARM_UPS = 3
_PAIRS = 30

_RANK = 10
"""Of 30 ratios, the 10th smallest and largest enclose the true median with 95 % confidence (sign test)."""

_SAME_SPEED = 1.05
"""Times that differ by no more are equal."""


@dataclass(frozen=True)
class GateResult:
    """What the gate measured of one target."""

    engine: str
    weights: str
    compute: str
    figure: str
    """``ap`` or ``agreement``."""
    value: float
    value_fp32: float
    """Of the same engine with float32 weights and arithmetic."""
    limit: float
    """How much less than ``value_fp32`` is allowed."""
    speed_ratio: float
    """Median of time over time with float32, in pairs measured in turn; below 1 is faster."""
    speed_interval: tuple[float, float]
    """In which its true value lies with 95 % confidence."""

    @property
    def refusals(self) -> list[str]:
        """Why it does not pass; empty when it does."""
        found = []
        if not self.value_fp32 - self.value <= self.limit:
            found.append(f"{_FIGURES[self.figure]} drops by {self.value_fp32 - self.value:.4f}")
        if self.speed_interval[0] > _SAME_SPEED:
            found.append(f"it is slower than float32 ({self.speed_ratio:.2f} of the time)")
        return found

    def to_dict(self, forced: bool) -> dict[str, Any]:
        """What a row of the bundle's ``verification`` has beside the figures of the target itself."""
        return {
            self.figure: round(self.value, 4),
            f"{self.figure}_fp32": round(self.value_fp32, 4),
            "speed_ratio": round(self.speed_ratio, 3),
            "speed_interval_95": [round(end, 3) for end in self.speed_interval],
            "forced": forced and bool(self.refusals),
        }


_FIGURES = {"ap": "AP@[.50:.95]", "agreement": "agreement with the checkpoint's boxes"}


@dataclass(frozen=True)
class Gate:
    """What a precision has to pass.

    Attributes:
        yardstick: Images to compare on.
        max_drop: Average precision that it may lose; of unlabelled images the limit is fixed.
        force: Write what does not pass, with its figures.
    """

    yardstick: Yardstick
    max_drop: float = DEFAULT_MAX_DROP
    force: bool = False

    def measure(
        self,
        judged: Bundle,
        exact: Bundle,
        compute: str,
        progress: Callable[[str], None] = lambda _: None,
    ) -> GateResult:
        """Compare a target with one of float32 weights of the same engine.

        Args:
            judged: A bundle of what is to be judged alone.
            exact: A bundle of the same engine's target with float32 weights alone.
            compute: The arithmetic to judge it in.
            progress: Gets a short line before each long step.
        """
        (target,) = judged.targets
        name = f"{target.engine} {target.weights}"
        with ExitStack() as stack:
            right = stack.enter_context(Detector(exact, engine=target.engine, precision="fp32"))
            other = stack.enter_context(Detector(judged, engine=target.engine, precision=compute))
            progress(f"measuring float32 in {target.engine} for the gate")
            value_fp32 = self.yardstick.measure(right)
            progress(f"measuring {name} for the gate")
            value = self.yardstick.measure(other)
            progress(f"timing {name} and float32 in turn")
            tensor = right.letterboxed(self.yardstick.first_image())
            ratios = sorted(_paired_ratios(other, right, tensor))
        return GateResult(
            engine=target.engine,
            weights=target.weights,
            compute=compute,
            figure=self.yardstick.figure,
            value=value,
            value_fp32=value_fp32,
            limit=self.yardstick.limit(self.max_drop),
            speed_ratio=float(np.median(ratios)),
            speed_interval=(ratios[_RANK - 1], ratios[-_RANK]),
        )

    def decide(self, results: Sequence[GateResult]) -> None:
        """Refuse what does not pass, all at once.

        Raises:
            GateError: With the table; not with ``force``.
        """
        refused = [result for result in results if result.refusals]
        if refused and not self.force:
            reasons = [
                f"{result.engine} with {result.weights} weights: {reason}"
                for result in refused
                for reason in result.refusals
            ]
            raise GateError(
                "the gate refuses this export, nothing was replaced; --force writes it with these figures\n"
                + gate_table(results)
                + "\n"
                + "\n".join(reasons)
            )


def gate_table(results: Sequence[GateResult]) -> str:
    """One line for each target that was judged."""
    rows = [
        [
            result.engine,
            result.weights,
            result.compute,
            _FIGURES[result.figure],
            f"{result.value_fp32:.4f}",
            f"{result.value:.4f}",
            f"{result.limit:g}",
            f"{result.speed_ratio:.2f} ({result.speed_interval[0]:.2f}-{result.speed_interval[1]:.2f})",
            "; ".join(result.refusals) or "passed",
        ]
        for result in results
    ]
    header = ["target", "weights", "compute", "figure", "fp32", "this", "may drop", "time of fp32's", "gate"]
    return format_table(header, rows)


def _paired_ratios(judged: Detector, right: Detector, tensor: FloatArray) -> list[float]:
    """Time of one inference over that of the other, in pairs, after some of each that do not count."""
    for detector in (judged, right) * _WARM_UPS:
        detector.compute_heads(tensor)
    ratios = []
    for pair in range(_PAIRS):
        # Neither is always the one that finds the caches as the other left them.
        first, second = (judged, right) if pair % 2 else (right, judged)
        seconds = {id(detector): _duration_s(detector, tensor) for detector in (first, second)}
        ratios.append(seconds[id(judged)] / seconds[id(right)])
    return ratios


def _duration_s(detector: Detector, tensor: FloatArray) -> float:
    started = time.perf_counter()
    detector.compute_heads(tensor)
    return time.perf_counter() - started
