"""Anchors from a dataset: k-means, then genetic evolution, as YOLOv5's autoanchor describes it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from yolo_train.anchors.options import ANCHOR_THRESHOLD, GENERATIONS
from yolo_train.anchors.recall import Sizes, anchor_fitness, as_sizes

_SAMPLE = 10_000
"""Objects that the search looks at; of more, some are drawn."""
_SMALLEST_PX = 2.0
"""Objects narrower and lower than this are left out, and no anchor gets smaller."""
_DECIMALS = 2
"""Of a result in pixels."""
_ITERATIONS = 30
"""Of k-means."""
_MUTATED = 0.9
"""Probability that a side of an anchor changes in a generation."""
_SPREAD = 0.1
"""Standard deviation of such a change, as a factor."""
_LEAST, _MOST = 0.3, 3.0
"""Limits of the factor."""


def evolve_anchors(
    sizes_px: npt.ArrayLike,
    count: int,
    *,
    threshold: float = ANCHOR_THRESHOLD,
    generations: int = GENERATIONS,
    seed: int = 0,
) -> Sizes:
    """Finds anchors for objects.

    Args:
        sizes_px: (n, 2): widths and heights of the objects in the network's input.
        count: How many anchors.
        threshold: Largest ratio of sides at which an anchor matches, above 1.
        generations: Mutations tried after k-means; one that fits no better is dropped.
        seed: Another seed may find others.

    Returns:
        float64 (count, 2), widths and heights in pixels, the smallest area first.

    Raises:
        ValueError: Arguments outside their range, or no objects.

    Example:
        >>> evolve_anchors([[10, 20]] * 9 + [[200, 100]] * 9, 2, generations=0).tolist()
        [[10.0, 20.0], [200.0, 100.0]]
    """
    if count < 1 or generations < 0:
        raise ValueError(
            f"count is {count} and generations is {generations}; they must be at least 1 and at least 0"
        )
    if threshold <= 1:
        raise ValueError(f"threshold is {threshold!r}; it must be above 1")
    random = np.random.default_rng(seed)
    sizes = as_sizes(sizes_px, "objects")
    large = sizes[(sizes >= _SMALLEST_PX).any(1)]
    sizes = large if len(large) else sizes
    if len(sizes) > _SAMPLE:
        sizes = sizes[random.choice(len(sizes), _SAMPLE, replace=False)]
    anchors = np.maximum(_cluster(sizes, count, random), _SMALLEST_PX)
    fitness = anchor_fitness(sizes, anchors, threshold)
    for _ in range(generations):
        changed = random.random(anchors.shape) < _MUTATED
        step = random.random() * random.normal(0, _SPREAD, anchors.shape)
        candidate = np.maximum(anchors * np.clip(1 + changed * step, _LEAST, _MOST), _SMALLEST_PX)
        reached = anchor_fitness(sizes, candidate, threshold)
        if reached > fitness:
            anchors, fitness = candidate, reached
    rounded: Sizes = anchors[np.argsort(anchors.prod(1), kind="stable")].round(_DECIMALS)
    return rounded


def _cluster(sizes: Sizes, count: int, random: np.random.Generator) -> Sizes:
    """k-means from k-means++ starts, with both sides scaled to a deviation of 1."""
    spread = sizes.std(0)
    spread[spread == 0] = 1
    points = sizes / spread
    centers = points[random.integers(len(points))][None]
    while len(centers) < count:
        far = _squared_distances(points, centers).min(1)
        if not far.any():  # fewer different sizes than anchors
            centers = np.concatenate([centers, centers[: count - len(centers)]])
            continue
        chosen = random.choice(len(points), p=far / far.sum())
        centers = np.concatenate([centers, points[chosen][None]])
    for _ in range(_ITERATIONS):
        nearest = _squared_distances(points, centers).argmin(1)
        members = np.bincount(nearest, minlength=count)[:, None]
        sums = np.stack([np.bincount(nearest, points[:, side], count) for side in (0, 1)], 1)
        moved = np.where(members > 0, sums / np.maximum(members, 1), centers)
        if np.array_equal(moved, centers):
            break
        centers = moved
    anchors: Sizes = centers * spread
    return anchors


def _squared_distances(points: Sizes, centers: Sizes) -> Sizes:
    distances: Sizes = ((points[:, None] - centers) ** 2).sum(2)
    return distances
