"""How old frames were when their result was there: percentiles in constant memory."""

from __future__ import annotations

import math

_BINS_PER_E = 100
"""Bins for each factor of e: neighbours differ by 1 %, so a percentile is within 0.5 % of the truth."""

_SMALLEST_MS = 0.01


class AgeHistogram:
    """Counts ages on a logarithmic grid; a month of frames takes the memory of a minute.

    Example:
        >>> ages = AgeHistogram()
        >>> for age_ms in range(1, 101):
        ...     ages.add(age_ms)
        >>> round(ages.percentile(50)), round(ages.percentile(95)), ages.max_ms
        (50, 95, 100)
    """

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.count = 0
        self.max_ms = 0.0
        self._min_ms = math.inf

    def add(self, age_ms: float) -> None:
        """Counts an age; none is below 0."""
        age_ms = max(0.0, age_ms)
        place = int(math.log(max(age_ms, _SMALLEST_MS) / _SMALLEST_MS) * _BINS_PER_E)
        self._counts[place] = self._counts.get(place, 0) + 1
        self.count += 1
        self.max_ms = max(self.max_ms, age_ms)
        self._min_ms = min(self._min_ms, age_ms)

    def merge(self, other: AgeHistogram) -> None:
        """Adds what another one counted."""
        for place, count in other._counts.items():
            self._counts[place] = self._counts.get(place, 0) + count
        self.count += other.count
        self.max_ms = max(self.max_ms, other.max_ms)
        self._min_ms = min(self._min_ms, other._min_ms)

    def percentile(self, percent: float) -> float:
        """The age in milliseconds that this share of the frames did not exceed; 0 when there are none."""
        wanted = math.ceil(self.count * percent / 100)
        passed = 0
        for place in sorted(self._counts):
            passed += self._counts[place]
            if passed >= wanted:
                middle = _SMALLEST_MS * math.exp((place + 0.5) / _BINS_PER_E)
                return min(max(middle, self._min_ms), self.max_ms)
        return 0.0

    def to_dict(self) -> dict[str, float]:
        """``{"median", "p95", "max"}`` in milliseconds, for JSON."""
        return {
            "median": round(self.percentile(50), 2),
            "p95": round(self.percentile(95), 2),
            "max": round(self.max_ms, 2),
        }
