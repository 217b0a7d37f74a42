"""Medians and what may be said of their ratio."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
"""Of every interval here."""


@dataclass(frozen=True)
class Ratio:
    """The median of a/b over pairs, and the interval in which its true value lies with 95 % confidence."""

    median: float
    low: float
    high: float


def median(values: Sequence[float]) -> float:
    """The middle value; of an even number, the mean of the two."""
    ranked = sorted(values)
    middle = len(ranked) // 2
    return ranked[middle] if len(ranked) % 2 else (ranked[middle - 1] + ranked[middle]) / 2


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share of all lies; a measured one, nothing is interpolated."""
    ranked = sorted(values)
    return ranked[round(share * (len(ranked) - 1))]


def paired_ratio(a: Sequence[float], b: Sequence[float]) -> Ratio:
    """The ratio of two rows measured in turn: what slowed the machine down meanwhile slowed both.

    The interval is that of order statistics (the sign test turned round): it assumes nothing of how times are
    distributed, and needs six pairs to say anything; with fewer it is (0, infinity).
    """
    ratios = sorted(x / y for x, y in zip(a, b))
    cut = _ranks_outside(len(ratios))
    low, high = (ratios[cut - 1], ratios[-cut]) if cut else (0.0, math.inf)
    return Ratio(median(ratios), low, high)


def is_known(ratio: Ratio) -> bool:
    """Whether there were enough pairs for an interval."""
    return math.isfinite(ratio.high)


def _ranks_outside(count: int) -> int:
    """The largest k for which the k-th smallest and k-th largest of ``count`` enclose the median."""
    tail, k = 0.0, 0
    while k < count:
        tail += math.comb(count, k) / 2**count
        if 2 * tail > 1 - CONFIDENCE:
            break
        k += 1
    return k
