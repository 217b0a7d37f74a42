"""``golden.npz``: the checkpoint's own results for one small image, kept in the bundle.

With it a board tests letterbox, network, decoding and NMS without the checkpoint. ``yolo-export`` writes it.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from yolo_edge.bundle import Bundle
from yolo_edge.detections import Detections
from yolo_edge.errors import BundleError

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True)
class Golden:
    """One image and what the checkpoint makes of it."""

    image: npt.NDArray[np.uint8]
    """(height, width, 3), BGR, not square."""
    size_hw: tuple[int, int]
    """Network size that the image was letterboxed for, mode ``rect``."""
    letterboxed: npt.NDArray[np.uint8]
    """(3, H, W): the letterboxed image before normalisation, in the tensor's channel order."""
    heads: tuple[npt.NDArray[np.float32], ...]
    """Raw heads (C, ny, nx) in the bundle's order; of an imported bundle, its target's outputs."""
    conf: float
    iou: float
    xyxy: npt.NDArray[np.float32]
    """(n, 4) in pixels of ``image``."""
    confidence: npt.NDArray[np.float32]
    class_id: npt.NDArray[np.int32]

    def detections(self, names: tuple[str, ...]) -> Detections:
        """The expected boxes."""
        return Detections(self.xyxy, self.confidence, self.class_id, names)

    def save(self, path: Path) -> None:
        """Writes the file."""
        np.savez_compressed(
            path,
            image=self.image,
            size_hw=np.array(self.size_hw, np.int32),
            letterboxed=self.letterboxed,
            conf=np.float64(self.conf),
            iou=np.float64(self.iou),
            xyxy=self.xyxy,
            confidence=self.confidence,
            class_id=self.class_id,
            **{f"head_{i}": head for i, head in enumerate(self.heads)},  # type: ignore[arg-type]
        )


def load_golden(bundle: Bundle) -> Golden:
    """Reads a bundle's golden results.

    Raises:
        BundleError: The file is missing, damaged or does not fit the bundle.
    """
    path = bundle.golden_path
    try:
        with np.load(path, allow_pickle=False) as data:
            height, width = (int(side) for side in data["size_hw"])
            golden = Golden(
                image=_array(data["image"], np.uint8, 3),
                size_hw=(height, width),
                letterboxed=_array(data["letterboxed"], np.uint8, 3),
                heads=tuple(
                    _array(data[f"head_{i}"], np.float32, output.dimensions)
                    for i, output in enumerate(bundle.targets[0].outputs_by_head)
                ),
                conf=float(data["conf"]),
                iou=float(data["iou"]),
                xyxy=_array(data["xyxy"], np.float32, 2),
                confidence=_array(data["confidence"], np.float32, 1),
                class_id=_array(data["class_id"], np.int32, 1),
            )
            golden.detections(bundle.names)
            return golden
    except FileNotFoundError:
        raise BundleError(f"{path}: is missing; export the bundle again") from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise BundleError(
            f"{path}: is damaged or does not fit the bundle ({error}); export it again"
        ) from None


def _array(value: npt.NDArray[Any], dtype: type[Scalar], ndim: int) -> npt.NDArray[Scalar]:
    if value.dtype != dtype or value.ndim != ndim:
        raise ValueError(
            f"an array is {value.dtype} with {value.ndim} dimensions, not {dtype.__name__} with {ndim}"
        )
    return value
