"""Batches of augmented samples, the same for the same seed."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from yolo_edge.datasets import LabelledImage
from yolo_train.augment.augmentation import Augmentation
from yolo_train.augment.color import random_hsv_table, to_planar_rgb
from yolo_train.augment.placement import letterboxed, mosaic_of
from yolo_train.augment.sample import Part, Sample, compose, mixup
from yolo_train.augment.warp import random_warp
from yolo_train.loading.batch import Batch, make_targets
from yolo_train.loading.image_cache import ImageCache
from yolo_train.loading.shapes import shared_shape, sort_by_aspect
from yolo_train.loading.workers import BATCHES_AHEAD, Work, run_in_order

MOSAIC_WINDOW = 256
"""A mosaic takes its other images from this many that come next in the epoch's order.

That order is random, so any images may meet; and each is decoded about once in an epoch instead of four times
when memory does not hold all of them.
"""

_ORDER, _SIZE, _SAMPLE = range(3)
"""What a random number is for; part of its seed."""

_Targets = npt.NDArray[np.float32]


class TrainingBatches:
    """The augmented batches of each epoch.

    Every random decision comes from the seed, the epoch and the place in it: the number of workers, the cache
    and what was asked for before change nothing, to the bit.

    Args:
        samples: The dataset; each sample says its ``size_hw``.
        batch: Samples in a batch; the last batch of an epoch may have fewer.
        imgsz: Side of the network's input, pixels; a multiple of the stride.
        augmentation: How samples are changed.
        seed: Another seed, other batches.
        workers: Threads that work ahead; 0 works in the caller's.
        cache_mb: Memory for decoded images, in 10^6 bytes; see :class:`ImageCache`.
        rect: Batches of images of like shape, as small as holds them, instead of squares. No mosaic.
        sizes_px: Sides to choose from for each batch (multi-scale training); None keeps ``imgsz``.
        stride_px: The network's largest stride.

    Raises:
        ValueError: Arguments outside their range, listed; no samples, or one without a size.

    Example:
        >>> batches = TrainingBatches(                                   # doctest: +SKIP
        ...     dataset.train, batch=16, imgsz=320, augmentation=Augmentation(), seed=0, workers=2,
        ...     cache_mb=1000)
        >>> for batch in batches.epoch(0):                               # doctest: +SKIP
        ...     images = torch.from_numpy(batch.images)
    """

    def __init__(
        self,
        samples: Sequence[LabelledImage],
        *,
        batch: int,
        imgsz: int,
        augmentation: Augmentation,
        seed: int,
        workers: int,
        cache_mb: float,
        rect: bool = False,
        sizes_px: Sequence[int] | None = None,
        stride_px: int = 32,
    ) -> None:
        sizes = (imgsz,) if sizes_px is None else tuple(sizes_px)
        _check(samples, batch, sizes, seed, workers, stride_px)
        self._samples = samples
        self._batch = batch
        self._augmentation = augmentation
        self._seed = seed
        self._workers = workers
        self._sizes = sizes
        self._stride_px = stride_px
        self._by_aspect = sort_by_aspect(samples) if rect else None
        self._window = min(MOSAIC_WINDOW, len(samples))
        self._cache = ImageCache(
            samples, imgsz, limit_mb=cache_mb, passing=self._window + batch * (BATCHES_AHEAD + 1)
        )

    def __len__(self) -> int:
        return -(-len(self._samples) // self._batch)

    @property
    def cache(self) -> ImageCache:
        """The decoded images."""
        return self._cache

    def epoch(
        self, number: int, *, mosaic: float | None = None, weights: npt.ArrayLike | None = None
    ) -> Generator[Batch, None, None]:
        """Makes the batches of an epoch; every sample comes once, in random order.

        Args:
            number: Which epoch, from 0.
            mosaic: Probability of mosaics in this epoch, e.g. 0 for the last ones; None takes the
                augmentation's.
            weights: (n,): how much more often a sample is to come than others. As many are drawn as there are
                samples, some of them again and again and others not at all. Not with ``rect``.

        Raises:
            ValueError: Arguments outside their range.
            SourceError: An image cannot be read; the message names it. Raised when its batch is due.
        """
        chance = self._augmentation.mosaic if mosaic is None else mosaic
        if not 0 <= chance <= 1:
            raise ValueError(f"mosaic is {mosaic!r}; it must be a number from 0 to 1")
        if number < 0:
            raise ValueError(f"the epoch is {number}; it must be 0 or more")
        batches = self._order(number, weights)
        return run_in_order(self._works(number, batches, chance), self._workers)

    def _works(
        self, epoch: int, batches: list[npt.NDArray[np.int64]], mosaic: float
    ) -> Iterator[Work[_Targets, Batch]]:
        # The end of the last order took images from its beginning, which nothing has released since.
        self._cache.start_order()
        order = np.concatenate(batches)
        first = 0
        for number, indices in enumerate(batches):
            shape = self._shape(epoch, number, indices)
            images = np.empty((len(indices), 3, *shape), np.uint8)
            jobs = [
                partial(self._make, images, slot, order, first + slot, epoch, mosaic)
                for slot in range(len(indices))
            ]
            yield Work(jobs, partial(self._finish, images, indices))
            first += len(indices)

    def _order(self, epoch: int, weights: npt.ArrayLike | None) -> list[npt.NDArray[np.int64]]:
        """The samples of each batch."""
        random = self._random(epoch, _ORDER)
        count = len(self._samples)
        starts = range(0, count, self._batch)
        if self._by_aspect is None:
            if weights is None:
                order = random.permutation(count).astype(np.int64)
            else:
                order = random.choice(count, count, p=_shares(weights, count)).astype(np.int64)
            return [order[start : start + self._batch] for start in starts]
        if weights is not None:
            raise ValueError("weights choose the samples, and rect sorts them by shape; use one of them")
        batches = [self._by_aspect[start : start + self._batch] for start in starts]
        return [batches[i] for i in random.permutation(len(batches))]

    def _shape(self, epoch: int, number: int, indices: npt.NDArray[np.int64]) -> tuple[int, int]:
        size = self._sizes[self._random(epoch, _SIZE, number).integers(len(self._sizes))]
        if self._by_aspect is None:
            return size, size
        return shared_shape([self._samples[i] for i in indices], size, self._stride_px)

    def _random(self, epoch: int, purpose: int, position: int = 0) -> np.random.Generator:
        return np.random.default_rng((self._seed, epoch, purpose, position))

    def _make(
        self,
        images: npt.NDArray[np.uint8],
        slot: int,
        order: npt.NDArray[np.int64],
        position: int,
        epoch: int,
        mosaic: float,
    ) -> _Targets:
        """Makes one sample in its place of the batch; returns its targets."""
        random = self._random(epoch, _SAMPLE, position)
        out_hw = (images.shape[2], images.shape[3])
        index = int(order[position])
        if self._by_aspect is None and random.random() < mosaic:
            sample = self._mosaic([index, *self._others(3, order, position, random)], out_hw, random)
            if random.random() < self._augmentation.mixup:
                others = self._others(4, order, position, random)
                sample = mixup(sample, self._mosaic(others, out_hw, random), random)
        else:
            sample = self._single(index, out_hw, random)
        to_planar_rgb(sample.image, random_hsv_table(random, self._augmentation), images[slot])
        return make_targets(slot, sample.class_id, sample.boxes, out_hw)

    def _others(
        self, count: int, order: npt.NDArray[np.int64], position: int, random: np.random.Generator
    ) -> list[int]:
        steps = random.integers(min(1, self._window - 1), self._window, count)
        return [int(order[(position + step) % len(order)]) for step in steps]

    def _mosaic(self, indices: list[int], out_hw: tuple[int, int], random: np.random.Generator) -> Sample:
        indices = [indices[i] for i in random.permutation(4)]
        places = mosaic_of([self._samples[i].known_size_hw for i in indices], out_hw[0], random)
        canvas_hw = (2 * out_hw[0], 2 * out_hw[1])
        matrix, scale = random_warp(random, self._augmentation, canvas_hw, out_hw)
        parts = [
            Part(partial(self._cache.read, i), self._samples[i].objects, place)
            for i, place in zip(indices, places)
        ]
        return compose(parts, matrix, scale, out_hw)

    def _single(self, index: int, out_hw: tuple[int, int], random: np.random.Generator) -> Sample:
        matrix, scale = random_warp(random, self._augmentation, out_hw, out_hw)
        place = letterboxed(self._samples[index].known_size_hw, out_hw)
        part = Part(partial(self._cache.read, index), self._samples[index].objects, place)
        return compose([part], matrix, scale, out_hw)

    def _finish(
        self, images: npt.NDArray[np.uint8], indices: npt.NDArray[np.int64], targets: list[_Targets]
    ) -> Batch:
        # Batches finish in order, and later ones take images from their own place onwards.
        for index in indices:
            self._cache.release(int(index))
        return Batch(images, np.concatenate(targets), indices)


def _shares(weights: npt.ArrayLike, count: int) -> npt.NDArray[np.float64]:
    values = np.asarray(weights, np.float64)
    if values.shape != (count,):
        raise ValueError(f"weights have shape {values.shape}; there must be one for each of {count} samples")
    if not (np.isfinite(values).all() and (values >= 0).all() and values.any()):
        raise ValueError("weights must be numbers of at least 0, and not all of them 0")
    shares: npt.NDArray[np.float64] = values / values.sum()
    return shares


def _check(
    samples: Sequence[LabelledImage],
    batch: int,
    sizes: Sequence[int],
    seed: int,
    workers: int,
    stride_px: int,
) -> None:
    faults = []
    if not samples:
        faults.append("there are no samples")
    if batch < 1:
        faults.append(f"batch is {batch}; it must be at least 1")
    if workers < 0:
        faults.append(f"workers is {workers}; it must be 0 or more")
    if seed < 0:
        faults.append(f"seed is {seed}; it must be 0 or more")
    wrong = [size for size in sizes if size < stride_px or size % stride_px]
    if wrong or not sizes:
        faults.append(
            f"sizes are {list(sizes)}; each must be a multiple of {stride_px}, the network's largest stride"
        )
    if faults:
        raise ValueError("; ".join(faults))
