"""What every benchmark here shares: statistics of interleaved pairs and a description of the machine.

Timings on shared machines drift, so two things are measured in turn (A B A B ...) and the ratio is taken pair
by pair. The interval is a 95 % bootstrap of the median.
"""

from __future__ import annotations

import os
import platform
import random
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

_RESAMPLES = 2000


def summary(values: Sequence[float]) -> dict[str, float]:
    """Median, 95th percentile, smallest and largest."""
    ranked = sorted(values)
    return {
        "median": _median(ranked),
        "p95": ranked[min(len(ranked) - 1, round(0.95 * (len(ranked) - 1)))],
        "min": ranked[0],
        "max": ranked[-1],
        "count": len(ranked),
    }


def paired_ratio(a: Sequence[float], b: Sequence[float]) -> dict[str, object]:
    """Median of a/b over pairs with its 95 % interval."""
    ratios = [x / y for x, y in zip(a, b)]
    chance = random.Random(0)
    medians = sorted(_median(sorted(chance.choices(ratios, k=len(ratios)))) for _ in range(_RESAMPLES))
    low, high = medians[round(0.025 * _RESAMPLES)], medians[round(0.975 * _RESAMPLES) - 1]
    return {"median": _median(sorted(ratios)), "interval_95": [low, high], "pairs": len(ratios)}


def timed_in_turn(calls: Sequence[Callable[[], object]], pairs: int, warmup: int = 5) -> list[list[float]]:
    """Milliseconds of each call, ``pairs`` times in turn, after ``warmup`` turns that do not count."""
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(-warmup, pairs):
        for call, kept in zip(calls, times):
            started = time.perf_counter()
            call()
            if turn >= 0:
                kept.append((time.perf_counter() - started) * 1e3)
    return times


def describe_machine(*packages: str) -> dict[str, object]:
    """The processor, the CPUs this process may use, the load, and versions of Python and packages."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    versions = {name: metadata.version(name) for name in ("yolo-edge", *packages) if _installed(name)}
    return {
        "cpu": model,
        "machine": platform.machine(),
        "allowed_cpus": sorted(os.sched_getaffinity(0)),
        "load_1_min": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": versions,
    }


def _median(ranked: Sequence[float]) -> float:
    middle = len(ranked) // 2
    return ranked[middle] if len(ranked) % 2 else (ranked[middle - 1] + ranked[middle]) / 2


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
