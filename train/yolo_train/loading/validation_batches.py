"""Batches for validation: each image letterboxed exactly as the runtime does it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from yolo_edge import _core
from yolo_edge.datasets import LabelledImage
from yolo_edge.options import PAD_VALUE
from yolo_edge.sources.images import read_image
from yolo_train.loading.batch import Batch, make_targets
from yolo_train.loading.image_cache import check_size
from yolo_train.loading.workers import Work, run_in_order

_Targets = npt.NDArray[np.float32]


class ValidationBatches:
    """Rectangular batches of letterboxed images, from the widest to the highest.

    Only images that the runtime would give the same shape share a batch, so that the network sees the very
    pixels that it will see on the board. There may be more batches than images divided by ``batch``.

    Args:
        samples: The images; each says its ``size_hw``.
        batch: Most images in a batch.
        imgsz: Side of the network's largest input, pixels; a multiple of the stride.
        workers: Threads that work ahead; 0 works in the caller's.
        stride_px: The network's largest stride.

    Raises:
        ValueError: Arguments outside their range, or a sample without a size.
    """

    def __init__(
        self,
        samples: Sequence[LabelledImage],
        *,
        batch: int,
        imgsz: int,
        workers: int,
        stride_px: int = 32,
    ) -> None:
        if batch < 1 or workers < 0:
            raise ValueError(
                f"batch is {batch} and workers is {workers}; they must be at least 1 and at least 0"
            )
        self._samples = samples
        self._workers = workers
        self._letterboxes = threading.local()
        self._geometries = [_geometry(sample, imgsz, stride_px) for sample in samples]
        self._batches = _group([geometry.tensor_hw for geometry in self._geometries], batch)

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        """Makes the batches.

        Raises:
            SourceError: An image cannot be read; the message names it.
        """
        return run_in_order(map(self._work, self._batches), self._workers)

    def _work(self, indices: list[int]) -> Work[_Targets, Batch]:
        geometries = tuple(self._geometries[index] for index in indices)
        images = np.empty((len(indices), 3, *geometries[0].tensor_hw), np.uint8)
        jobs = [partial(self._make, images, slot, index) for slot, index in enumerate(indices)]

        def finish(targets: list[_Targets]) -> Batch:
            return Batch(images, np.concatenate(targets), np.array(indices, np.int64), geometries)

        return Work(jobs, finish)

    def _make(self, images: npt.NDArray[np.uint8], slot: int, index: int) -> _Targets:
        sample, geometry = self._samples[index], self._geometries[index]
        image = read_image(sample.path)
        check_size(sample, (image.shape[0], image.shape[1]))
        self._letterbox().run(image, geometry, images[slot])
        (height, width), (tensor_h, tensor_w) = geometry.source_hw, geometry.tensor_hw
        # The way there of what scale_boxes does back: the padding is not rounded.
        gain = min(tensor_h / height, tensor_w / width)
        padding = np.array([(tensor_w - width * gain) / 2, (tensor_h - height * gain) / 2] * 2)
        objects = sample.objects
        boxes = objects.boxes * np.array([width, height] * 2) * gain + padding
        counted = ~objects.crowd
        return make_targets(slot, objects.class_id[counted], boxes[counted], geometry.tensor_hw)

    def _letterbox(self) -> _core.Letterbox:
        """This thread's own: a shared one would make threads wait for each other."""
        if not hasattr(self._letterboxes, "own"):
            self._letterboxes.own = _core.Letterbox(pad_value=PAD_VALUE)
        own: _core.Letterbox = self._letterboxes.own
        return own


def _geometry(sample: LabelledImage, imgsz: int, stride_px: int) -> _core.LetterboxGeometry:
    return _core.letterbox_geometry(sample.known_size_hw, size_hw=(imgsz, imgsz), stride=stride_px)


def _group(shapes: Sequence[tuple[int, int]], batch: int) -> list[list[int]]:
    """Indices of equal shapes, at most ``batch`` together; the widest shapes first."""
    by_shape: dict[tuple[int, int], list[int]] = {}
    for index, shape in enumerate(shapes):
        by_shape.setdefault(shape, []).append(index)
    ordered = sorted(by_shape.items(), key=lambda item: item[0][0] / item[0][1])
    return [
        indices[start : start + batch] for _, indices in ordered for start in range(0, len(indices), batch)
    ]
