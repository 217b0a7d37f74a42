"""Flat things that look like codes and are none: what a detector must not fall for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from yolo_edge.packages import require_cv2
from yolo_train.scenes.lookalikes import objects, printed, rows, things
from yolo_train.scenes.patterns import color
from yolo_train.scenes.photographs import Photographs
from yolo_train.scenes.prints import Print

cv2 = require_cv2("drawing scenes")

Picture = npt.NDArray[np.uint8]


LOOKALIKES: tuple[Callable[[np.random.Generator, int], Picture], ...] = (
    printed.text_page,
    printed.text_page,
    printed.table,
    printed.crossword,
    printed.chessboard,
    printed.noise_square,
    printed.noise_square,
    things.stripes,
    things.stripes,
    things.keyboard,
    things.dots,
    printed.nested_squares,
    printed.nested_squares,
    printed.few_bars,
    things.dial,
    printed.motif,
    things.windows,
    things.punched,
    things.keypad,
    printed.lettering,
    things.bands,
    things.upright,
    printed.surface,
    printed.surface,
)
"""What :func:`lookalike` chooses from; twice means twice as often."""

WITH_PHOTOGRAPHS: tuple[Callable[[np.random.Generator, int, Photographs], Print], ...] = (
    rows.repeated,
    rows.slats,
    rows.lattice,
    objects.coach,
    objects.telephone,
    objects.signboard,
    objects.bowl,
    objects.shirt,
    objects.gap,
)
"""Those that photographs may shine through, or be mirrored in."""


def lookalike(random: np.random.Generator, side: int, photographs: Photographs) -> Print:
    """Any of them, or a photograph in print."""
    if len(photographs) and random.random() < 0.2:
        size = (side, max(8, int(side * random.uniform(0.5, 1.0))))
        return Print(photographs.cut(random, size))
    if random.random() < 0.4:
        item = WITH_PHOTOGRAPHS[random.integers(len(WITH_PHOTOGRAPHS))](random, side, photographs)
        return objects.receding(random, item) if random.random() < 0.15 else item
    image = LOOKALIKES[random.integers(len(LOOKALIKES))](random, side)
    if random.random() < 0.4:
        edge = int(random.uniform(0.02, 0.3) * side)
        fill = color(random, 120, 255)
        image = np.asarray(
            cv2.copyMakeBorder(image, edge, edge, edge, edge, cv2.BORDER_CONSTANT, value=fill), np.uint8
        )
    return Print(image)
