"""The images that integer ranges are measured on, as the tensors that the runtime would make of them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from yolo_edge import _core
from yolo_edge.bundle import ModelInput
from yolo_edge.datasets.dataset_yaml import read_yaml
from yolo_edge.datasets.given_files import read_given_text
from yolo_edge.datasets.yolo_format import images_of_folder
from yolo_edge.errors import DatasetError, SourceError
from yolo_edge.inference.base import letterbox_of
from yolo_edge.regular_file import require_regular_file
from yolo_edge.sources import IMAGE_SUFFIXES
from yolo_edge.sources.images import read_image
from yolo_export.gate_options import DEFAULT_COUNT, DEFAULT_SEED

__all__ = ["Calibration", "CalibrationError", "open_calibration"]

_SPLIT = "train"
_SHOWN_FAULTS = 5


class CalibrationError(RuntimeError):
    """There are no images to calibrate with, or some cannot be read."""


@dataclass(frozen=True)
class Calibration:
    """A choice of images and how they become tensors.

    Attributes:
        images: The files, in the order of the tensors.
        rest: Images of the same data that were not drawn.
        model_input: How the bundle says that images become tensors.
        fixed_hw: The only height and width that the network takes; None where they are open.
        sha256: Of the content of the images and of all that shapes their tensors.
    """

    images: tuple[Path, ...]
    rest: tuple[Path, ...]
    model_input: ModelInput
    fixed_hw: tuple[int, int] | None
    sha256: str

    def __len__(self) -> int:
        return len(self.images)

    def tensors(self, progress: Callable[[str], None] = lambda _: None) -> Iterator[npt.NDArray[np.float32]]:
        """The tensors, one image each, made anew at every call.

        Args:
            progress: Gets a short line before each image.

        Yields:
            float32 (1, 3, H, W), letterboxed as the runtime does it; H and W differ from image to image
            unless the network takes only one size.

        Raises:
            CalibrationError: An image does not decode.
        """
        letterbox = letterbox_of(self.model_input)
        for number, path in enumerate(self.images, 1):
            progress(f"calibrating on image {number} of {len(self)}")
            try:
                image = read_image(path)
            except SourceError as error:
                raise CalibrationError(f"calibration image {error}") from None
            geometry = _core.letterbox_geometry(
                (image.shape[0], image.shape[1]),
                size_hw=self.fixed_hw or self.model_input.size_hw,
                stride=self.model_input.stride,
                mode="square" if self.fixed_hw else self.model_input.letterbox,
            )
            tensor = np.empty((1, 3, *geometry.tensor_hw), np.float32)
            letterbox.run(image, geometry, tensor)
            yield tensor

    def hold_out(self, count: int) -> tuple[Calibration, Calibration]:
        """Two calibrations of different images: this one without its last, and the last.

        Args:
            count: How many images are held out.

        Raises:
            ValueError: One of the two would have no image.
        """
        if not 0 < count < len(self):
            raise ValueError(f"{count} of {len(self)} calibration images cannot be held out")
        return self._of(self.images[:-count]), self._of(self.images[-count:])

    def _of(self, images: Sequence[Path]) -> Calibration:
        other = replace(self, images=tuple(images))
        return replace(other, sha256=_content_hash(other))


def open_calibration(
    data: Path | str,
    model_input: ModelInput,
    *,
    fixed_hw: tuple[int, int] | None = None,
    count: int = DEFAULT_COUNT,
    seed: int = DEFAULT_SEED,
) -> Calibration:
    """Draws images to calibrate with.

    Args:
        data: A folder of images, a YOLO dataset folder or YAML, of which ``train`` is taken if it has splits,
            or a text file that names one image in each line, relative to itself.
        model_input: How images become tensors; the network's default size is part of it.
        fixed_hw: The only height and width that the network takes; None where they are open.
        count: How many images are drawn; all where there are no more.
        seed: The same seed and images give the same choice in the same order.

    Raises:
        ValueError: A count or seed that is not possible.
        CalibrationError: There are no images, or some cannot be read. All of them are named.
        DatasetError: The YAML is not a dataset's, or it names what is not there.
        MissingExtraError: A YAML, and PyYAML is not installed.

    Example:
        >>> from yolo_edge.bundle import load_bundle
        >>> calibration = open_calibration("train/images", load_bundle("best.edge").input, count=32)
        >>> next(calibration.tensors()).shape
        (1, 3, 384, 640)
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"the number of calibration images is {count!r}; it must be at least 1")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(f"the calibration seed is {seed!r}; it must be a whole number of at least 0")
    found = list(dict.fromkeys(_images_of(Path(data))))
    if not found:
        raise CalibrationError(f"{data}: names no images")
    random.Random(seed).shuffle(found)
    images, rest = tuple(found[:count]), tuple(found[count:])
    calibration = Calibration(images, rest, model_input, fixed_hw, sha256="")
    return replace(calibration, sha256=_content_hash(calibration))


def _images_of(data: Path) -> list[Path]:
    if data.is_dir():
        split = _SPLIT if (data / "images" / _SPLIT).is_dir() else None
        return images_of_folder(data, split)
    if not data.is_file():
        raise CalibrationError(
            f"{data}: no such file or folder; calibration takes a folder of images, a dataset's folder or "
            "YAML, or a text file that names an image in each line"
        )
    if data.suffix.lower() in (".yaml", ".yml"):
        return read_yaml(data, _SPLIT)[0]
    if data.suffix.lower() in IMAGE_SUFFIXES:
        return [data]
    return _listed(data)


def _listed(path: Path) -> list[Path]:
    """The images that a text file names."""
    try:
        lines = read_given_text(path).splitlines()
    except FileNotFoundError as error:
        raise CalibrationError(f"{path}: cannot be read: {error.strerror}") from None
    except DatasetError as error:
        raise CalibrationError(f"{error}; it is neither an image nor a text file that names images") from None
    return [path.parent / line.strip() for line in lines if line.strip()]


def _content_hash(calibration: Calibration) -> str:
    digest = hashlib.sha256(repr((calibration.model_input, calibration.fixed_hw)).encode())
    faults = []
    for path in calibration.images:
        try:
            require_regular_file(path)
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        except OSError as error:
            faults.append(f"{path}: {error.strerror}")
    if faults:
        more = f" and {len(faults) - _SHOWN_FAULTS} more" if len(faults) > _SHOWN_FAULTS else ""
        raise CalibrationError(
            f"calibration images cannot be read: {'; '.join(faults[:_SHOWN_FAULTS])}{more}"
        )
    return digest.hexdigest()
