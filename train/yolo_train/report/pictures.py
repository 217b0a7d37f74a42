"""Pictures of training batches, and of what the best network finds in validation images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from yolo_edge.datasets import LabelledImage
from yolo_edge.detections import Detections
from yolo_edge.drawing import draw_detections
from yolo_edge.options import PAD_VALUE, DetectOptions
from yolo_edge.packages import require_cv2
from yolo_edge.sinks.files import replace_output
from yolo_edge.sources.images import read_image

__all__ = ["PredictionSheet", "save_picture"]

_TILE_PX = 480
_TILES = 16
_TITLE_PX = 22
_WHITE = (255, 255, 255)
_DARK = (40, 40, 40)


class PredictionSheet:
    """Collects the first validation images: what is marked in them beside what was found.

    Args:
        samples: The validation images.
        names: Class names.
    """

    def __init__(self, samples: Sequence[LabelledImage], names: Sequence[str]) -> None:
        self._order = {sample.path: place for place, sample in enumerate(samples[:_TILES])}
        self._names = names
        self._tiles: dict[int, tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]] = {}

    def add(self, sample: LabelledImage, found: Detections) -> None:
        """Gets every image of a validation; keeps those that are wanted."""
        if sample.path not in self._order:
            return
        image = read_image(sample.path)
        height, width = image.shape[:2]
        objects = sample.objects
        marked = Detections(
            (objects.boxes * [width, height, width, height]).astype(np.float32),
            np.ones(len(objects), np.float32),
            objects.class_id,
            self._names,
        )
        shown = found[found.confidence > DetectOptions().conf]
        self._tiles[self._order[sample.path]] = (
            _tile(draw_detections(image, marked)),
            _tile(draw_detections(image, shown)),
        )

    def save(self, labels: Path, predictions: Path) -> None:
        """Writes both sheets.

        Raises:
            SinkError: A file cannot be written.
        """
        ordered = [self._tiles[place] for place in sorted(self._tiles)]
        save_picture(_sheet([tile for tile, _ in ordered], "as labelled"), labels)
        conf = DetectOptions().conf
        save_picture(_sheet([tile for _, tile in ordered], f"as found, confidence above {conf}"), predictions)


def save_picture(picture: npt.NDArray[np.uint8], path: Path) -> None:
    """Writes a BGR image as PNG.

    Raises:
        SinkError: It cannot be written.
    """
    cv2 = require_cv2("pictures of the training")
    _, data = cv2.imencode(".png", picture)
    replace_output(path, data.tobytes())


def _tile(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The image as large as fits into a tile, in its middle."""
    cv2 = require_cv2("pictures of the training")
    height, width = image.shape[:2]
    scale = min(_TILE_PX / height, _TILE_PX / width)
    tall, wide = max(1, round(height * scale)), max(1, round(width * scale))
    small = cv2.resize(image, (wide, tall), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    tile = np.full((_TILE_PX, _TILE_PX, 3), PAD_VALUE, np.uint8)
    top, left = (_TILE_PX - tall) // 2, (_TILE_PX - wide) // 2
    tile[top : top + tall, left : left + wide] = small
    return tile


def _sheet(tiles: Sequence[npt.NDArray[np.uint8]], title: str) -> npt.NDArray[np.uint8]:
    cv2 = require_cv2("pictures of the training")
    columns = max(1, math.ceil(math.sqrt(len(tiles))))
    rows = max(1, math.ceil(len(tiles) / columns))
    sheet = np.full((_TITLE_PX + rows * _TILE_PX, columns * _TILE_PX, 3), _WHITE[0], np.uint8)
    cv2.putText(sheet, title, (6, _TITLE_PX - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _DARK, 1, cv2.LINE_AA)
    for place, tile in enumerate(tiles):
        top, left = _TITLE_PX + place // columns * _TILE_PX, place % columns * _TILE_PX
        sheet[top : top + _TILE_PX, left : left + _TILE_PX] = tile
    return sheet
