"""Keeps a network's anchors where they fit a dataset, and finds others where they do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from yolo_edge.datasets import LabelledImage
from yolo_train.anchors.evolution import evolve_anchors
from yolo_train.anchors.options import ANCHOR_THRESHOLD, GENERATIONS, WANTED_RECALL
from yolo_train.anchors.recall import Sizes, anchor_fitness, best_possible_recall

HeadAnchors = tuple[tuple[tuple[float, float], ...], ...]
"""Width and height in pixels of the anchors of each head."""


@dataclass(frozen=True)
class AnchorFit:
    """What became of a network's anchors.

    Attributes:
        anchors_px: Width and height of the anchors of each head, in the order of the heads that were given.
        changed: Whether they are others than the given ones.
        recall: Best possible recall of these, 0..1.
        matches: Mean number of these that match an object.
        given_recall: Best possible recall of the given ones.
        given_matches: Mean number of the given ones that match an object.
    """

    anchors_px: HeadAnchors
    changed: bool
    recall: float
    matches: float
    given_recall: float
    given_matches: float


def object_sizes(samples: Sequence[LabelledImage], imgsz: int) -> Sizes:
    """Widths and heights of all objects in the network's input, float64 (n, 2), pixels.

    Args:
        samples: The images; each says its ``size_hw``. Groups of objects (``crowd``) are left out.
        imgsz: What the long side of an image becomes.

    Raises:
        ValueError: A sample without a size.
    """
    sizes = [np.empty((0, 2))]
    for sample in samples:
        height, width = sample.known_size_hw
        boxes = sample.objects.boxes[~sample.objects.crowd]
        sizes.append((boxes[:, 2:] - boxes[:, :2]) * (width, height) * (imgsz / max(height, width)))
    return np.concatenate(sizes)


def fit_anchors(
    samples: Sequence[LabelledImage],
    anchors_px: Sequence[Sequence[tuple[float, float]]],
    imgsz: int,
    *,
    strides: Sequence[int],
    threshold: float = ANCHOR_THRESHOLD,
    wanted_recall: float = WANTED_RECALL,
    generations: int = GENERATIONS,
    seed: int = 0,
) -> AnchorFit:
    """Keeps anchors that reach the wanted recall; else evolves others, and takes them if they are better.

    Args:
        samples: The training images.
        anchors_px: Width and height of the anchors of each head.
        imgsz: Side of the network's input, pixels.
        strides: Of each head; the smallest anchors go to the smallest stride.
        threshold: Largest ratio of sides at which an anchor matches (``anchor_t``).
        wanted_recall: Best possible recall at which anchors are kept; above 1 always looks for better ones.
        generations: See :func:`evolve_anchors`.
        seed: See :func:`evolve_anchors`.

    Raises:
        ValueError: There are no objects, or arguments that do not fit each other.
    """
    counts = [len(head) for head in anchors_px]
    if len(strides) != len(counts) or len(set(strides)) != len(strides):
        raise ValueError(f"strides are {list(strides)} for {len(counts)} heads; each head must have its own")
    sizes = object_sizes(samples, imgsz)
    if not len(sizes):
        raise ValueError(f"no objects are marked in the {len(samples)} images, so no anchors can be fitted")
    given = np.array([pair for head in anchors_px for pair in head], np.float64)
    recall, matches = best_possible_recall(sizes, given, threshold)
    kept = tuple(tuple((float(w), float(h)) for w, h in head) for head in anchors_px)
    unchanged = AnchorFit(kept, False, recall, matches, recall, matches)
    if recall >= wanted_recall:
        return unchanged
    found = evolve_anchors(sizes, len(given), threshold=threshold, generations=generations, seed=seed)
    new_recall, new_matches = best_possible_recall(sizes, found, threshold)
    fitness = anchor_fitness(sizes, given, threshold)
    if (new_recall, anchor_fitness(sizes, found, threshold)) <= (recall, fitness):
        return unchanged
    return AnchorFit(_share(found, counts, strides), True, new_recall, new_matches, recall, matches)


def _share(anchors: Sizes, counts: Sequence[int], strides: Sequence[int]) -> HeadAnchors:
    """Gives each head its number of anchors, the smallest ones to the smallest stride."""
    pairs = [(float(width), float(height)) for width, height in anchors]
    shared: dict[int, tuple[tuple[float, float], ...]] = {}
    for stride, count in sorted(zip(strides, counts)):
        shared[stride], pairs = tuple(pairs[:count]), pairs[count:]
    return tuple(shared[stride] for stride in strides)
