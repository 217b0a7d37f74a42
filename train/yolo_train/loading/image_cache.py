"""Decoded training images, kept within a limit of memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from yolo_edge.datasets import DatasetError, LabelledImage
from yolo_edge.packages import require_cv2
from yolo_edge.sources.images import read_image

cv2 = require_cv2("reading images")

_MB = 1_000_000
_PASSING_SHARE = 0.5
"""Largest part of the memory that is set aside for images in passing when not all images fit."""
_OVERHEAD_BYTES = 4096 + 256
"""What an image takes beside its pixels, at most: a started page, and the array's own header."""


class ImageCache:
    """Reads the images of a dataset, no larger than the network needs, and keeps those that fit.

    When all fit, each file is decoded once. Else the first samples are kept for good, and the others in
    passing: from their first use until :meth:`release`. What finds no room is read again each time. The
    pixels are the same in all three cases. Threads may share an object.

    Args:
        samples: The dataset; each must say its ``size_hw``.
        size_px: Long side of a decoded image; smaller images keep their size.
        limit_mb: Largest amount of memory for images, in 10^6 bytes; 0 keeps none.
        passing: Most images that are ever used before their release.

    Raises:
        ValueError: A negative limit, or a sample without ``size_hw``.
    """

    def __init__(
        self, samples: Sequence[LabelledImage], size_px: int, *, limit_mb: float, passing: int
    ) -> None:
        if not limit_mb >= 0:
            raise ValueError(f"cache_mb is {limit_mb!r}; it must be 0 or more")
        self._samples = samples
        self._size_px = size_px
        self._limit = limit_mb * _MB  # may be infinite
        self._images: dict[int, npt.NDArray[np.uint8]] = {}
        self._lock = threading.Lock()
        sizes = np.array([_bytes(sample, size_px) for sample in samples], np.int64)
        total = int(sizes.sum())
        room = self._limit
        if total > room:
            room -= int(min(room * _PASSING_SHARE, passing * int(sizes.max())))
        ends = np.cumsum(sizes)
        self._kept = int(np.searchsorted(ends, room, side="right"))
        self._passing_room = self._limit - (int(ends[self._kept - 1]) if self._kept else 0)
        self._kept_used = self._passing_used = 0
        self._left_over: set[int] = set()

    @property
    def kept(self) -> int:
        """How many samples stay once they are read."""
        return self._kept

    @property
    def used_bytes(self) -> int:
        """Memory in use for images."""
        return self._kept_used + self._passing_used

    def read(self, index: int) -> npt.NDArray[np.uint8]:
        """The pixels of a sample, uint8 (height, width, 3), BGR. They are shared: do not write to them.

        Raises:
            SourceError: The file cannot be read; the message names it.
        """
        with self._lock:
            image = self._images.get(index)
            self._left_over.discard(index)
        if image is not None:
            return image
        image = self._decode(self._samples[index])
        taken = image.nbytes + _OVERHEAD_BYTES
        with self._lock:
            if index in self._images:  # another thread was faster
                return image
            if index < self._kept:
                self._images[index] = image
                self._kept_used += taken
                return image
            while self._passing_used + taken > self._passing_room and self._left_over:
                self._drop(self._left_over.pop())
            if self._passing_used + taken <= self._passing_room:
                self._images[index] = image
                self._passing_used += taken
        return image

    def release(self, index: int) -> None:
        """Says that a sample is not needed again soon."""
        if index < self._kept:
            return
        with self._lock:
            self._left_over.discard(index)
            self._drop(index)

    def start_order(self) -> None:
        """Says that samples come in a new order: what is here in passing makes room for them."""
        with self._lock:
            self._left_over = {index for index in self._images if index >= self._kept}

    def _drop(self, index: int) -> None:
        image = self._images.pop(index, None)
        if image is not None:
            self._passing_used -= image.nbytes + _OVERHEAD_BYTES

    def _decode(self, sample: LabelledImage) -> npt.NDArray[np.uint8]:
        size_hw = sample.known_size_hw
        shrink = _shrink(max(size_hw), self._size_px)
        image = read_image(sample.path, shrink=shrink)
        check_size(sample, (image.shape[0], image.shape[1]), shrink)
        if max(size_hw) <= self._size_px:
            return image
        height, width = _decoded_hw(sample, self._size_px)
        if image.shape[:2] == (height, width):
            return image
        resized: npt.NDArray[np.uint8] = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        return resized


def check_size(sample: LabelledImage, decoded_hw: tuple[int, int], shrink: int = 1) -> None:
    """Compares a decoded image's size with what the dataset says.

    Raises:
        DatasetError: They differ by more than rounding, so boxes or batches would be wrong.
    """
    size_hw = sample.known_size_hw
    if any(abs(got * shrink - said) >= shrink for got, said in zip(decoded_hw, size_hw)):
        raise DatasetError(
            f"{sample.path}: is {decoded_hw[1] * shrink}x{decoded_hw[0] * shrink} pixels (width x height), "
            f"but was {size_hw[1]}x{size_hw[0]} when the dataset was opened; start again with the files as "
            "they are"
        )


def _shrink(long_side_px: int, wanted_px: int) -> Literal[1, 2, 4, 8]:
    """How far a file may be shrunk while it is decoded without becoming smaller than wanted."""
    if long_side_px >= 8 * wanted_px:
        return 8
    if long_side_px >= 4 * wanted_px:
        return 4
    return 2 if long_side_px >= 2 * wanted_px else 1


def _decoded_hw(sample: LabelledImage, size_px: int) -> tuple[int, int]:
    height, width = sample.known_size_hw
    ratio = min(1.0, size_px / max(height, width))
    return max(1, round(height * ratio)), max(1, round(width * ratio))


def _bytes(sample: LabelledImage, size_px: int) -> int:
    height, width = _decoded_hw(sample, size_px)
    return height * width * 3 + _OVERHEAD_BYTES
