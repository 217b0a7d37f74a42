"""How far raw heads are from the right ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def max_head_error(
    found: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.float32]]],
    expected: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.float32]]],
) -> float:
    """Largest absolute difference of two lists of heads; infinite for other shapes or a value that is NaN."""
    worst = 0.0
    for ours, theirs in zip(found, expected):
        if ours.shape != theirs.shape:
            return math.inf
        difference = float(np.max(np.abs(ours - theirs), initial=0.0))
        worst = max(worst, math.inf if math.isnan(difference) else difference)
    return worst if len(found) == len(expected) else math.inf


def mean_head_error(
    found: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.float32]]],
    expected: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.float32]]],
) -> float:
    """Mean absolute difference of two lists of heads; infinite where :func:`max_head_error` is."""
    if math.isinf(max_head_error(found, expected)):
        return math.inf
    total = sum(float(np.abs(ours - theirs).sum(dtype=np.float64)) for ours, theirs in zip(found, expected))
    return total / max(1, sum(head.size for head in expected))
