"""A batch of images with what is to be found in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from yolo_edge import _core


@dataclass(frozen=True)
class Batch:
    """Images of one size, ready for the network.

    Attributes:
        images: uint8 (n, 3, height, width), RGB. No other batch uses this memory.
        targets: float32 (m, 6): index of the image in the batch, class id, and the box's centre x, centre y,
            width and height as fractions of the network's input.
        indices: int64 (n,): which samples these are. A mosaic is that of its first image.
        geometries: How each image was letterboxed; empty for training batches.
    """

    images: npt.NDArray[np.uint8]
    targets: npt.NDArray[np.float32]
    indices: npt.NDArray[np.int64]
    geometries: tuple[_core.LetterboxGeometry, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def boxes_in_image(self, index: int, xyxy: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Brings boxes from the network's input back to an image, clipped to it, as the runtime does.

        Args:
            index: Which image of the batch.
            xyxy: (k, 4), pixels of the network's input.

        Returns:
            float32 (k, 4), pixels of the image file.

        Raises:
            ValueError: This is a training batch, whose images are not letterboxed.
        """
        if not self.geometries:
            raise ValueError(
                "a training batch's images are warped; only validation batches know the way back"
            )
        return _core.scale_boxes(np.ascontiguousarray(xyxy, np.float32), self.geometries[index])


def make_targets(
    index: int, class_id: npt.NDArray[np.int32], xyxy: npt.NDArray[np.float64], size_hw: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """The rows of :attr:`Batch.targets` of one image, from boxes in pixels of the network's input."""
    height, width = size_hw
    targets = np.empty((len(class_id), 6), np.float32)
    targets[:, 0] = index
    targets[:, 1] = class_id
    targets[:, 2] = (xyxy[:, 0] + xyxy[:, 2]) / (2 * width)
    targets[:, 3] = (xyxy[:, 1] + xyxy[:, 3]) / (2 * height)
    targets[:, 4] = (xyxy[:, 2] - xyxy[:, 0]) / width
    targets[:, 5] = (xyxy[:, 3] - xyxy[:, 1]) / height
    return targets
