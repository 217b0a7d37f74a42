"""What makes rare and badly found classes count more: weights of classes in the loss, and of images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from yolo_edge.datasets import LabelledImage

__all__ = ["ImageWeights", "inverse_frequencies"]

Floats = npt.NDArray[np.float64]


def inverse_frequencies(samples: Sequence[LabelledImage], classes: int) -> Floats:
    """Weights of the classes: the inverse of how often each occurs, on average 1 for an object."""
    counts = _class_counts(samples, classes).sum(axis=0)
    occurring = counts > 0
    # All objects of a class weigh as much as those of any other.
    weights: Floats = counts.sum() / np.maximum(counts, 1) / max(1, int(np.count_nonzero(occurring)))
    return weights


class ImageWeights:
    """How much more often an image is to come up than others, as ``--image-weights`` of YOLOv5 has it.

    Args:
        samples: The training images.
        classes: Number of classes.
    """

    def __init__(self, samples: Sequence[LabelledImage], classes: int) -> None:
        self._counts = _class_counts(samples, classes)
        self._frequencies = inverse_frequencies(samples, classes)

    def of(self, class_ap: Sequence[float]) -> Floats:
        """Weights of the images: the sum over their objects of what the classes weigh.

        A class weighs the inverse of its frequency times (1 - AP)². An image without objects weighs as little
        as the least of the others.

        Args:
            class_ap: AP of each class in the last validation; 0 for those that were not judged.
        """
        weights: Floats = self._counts @ (self._frequencies * (1 - np.asarray(class_ap)) ** 2)
        weighed = weights[weights > 0]
        if not weighed.size:
            return np.ones(len(weights))
        return weights.clip(min=weighed.min())


def _class_counts(samples: Sequence[LabelledImage], classes: int) -> Floats:
    """(n, classes): objects in each image."""
    rows = [np.bincount(sample.objects.class_id, minlength=classes) for sample in samples]
    return np.array(rows, np.float64).reshape(len(samples), classes)
