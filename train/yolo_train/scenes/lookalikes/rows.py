"""Rows of the same thing, and bars before something: a code's rhythm, as soft as in a real picture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from yolo_edge.packages import require_cv2
from yolo_train.scenes.patterns import blank, color, gradient
from yolo_train.scenes.photographs import Photographs, backdrop
from yolo_train.scenes.prints import Print

cv2 = require_cv2("drawing scenes")

Picture = npt.NDArray[np.uint8]


def repeated(random: np.random.Generator, side: int, photographs: Photographs) -> Print:
    """A piece of a surface again and again, never quite the same: a coach's panes, shelves, seats, bricks."""
    rows = 1 if random.random() < 0.65 else int(random.integers(2, 7))
    columns = int(random.integers(3, 25))
    wide = max(3, side // columns)
    tall = max(3, int(wide * random.uniform(0.7, 6.0 if rows == 1 else 2.5)))
    pieces = [backdrop(random, (wide, tall), photographs) for _ in range(int(random.integers(1, 4)))]
    gap_x, gap_y = int(wide * random.uniform(0, 0.5)), int(tall * random.uniform(0, 0.4))
    size = (columns * (wide + gap_x) + gap_x, rows * (tall + gap_y) + gap_y)
    page = backdrop(random, size, photographs) if random.random() < 0.3 else blank(size, color(random))
    vary, uneven = random.uniform(0, 0.35), random.uniform(0, 0.25) if random.random() < 0.4 else 0.0
    for row in range(rows):
        for column in range(columns):
            x, y = gap_x + column * (wide + gap_x), gap_y + row * (tall + gap_y)
            piece = np.roll(pieces[random.integers(len(pieces))], int(random.integers(wide)), axis=1)
            piece = cv2.convertScaleAbs(piece, alpha=max(0.1, random.normal(1, vary)))
            narrow = max(2, int(wide * (1 - uneven * random.random())))
            page[y : y + tall, x : x + narrow] = piece[:, :narrow]
    edge_top, edge_bottom = (int(size[1] * random.uniform(0, 0.6)) for _ in range(2))
    if random.random() < 0.6:  # what the row is set into
        fill = color(random)
        page = cv2.copyMakeBorder(page, edge_top, edge_bottom, 0, 0, cv2.BORDER_CONSTANT, value=fill)
    return Print(_unevenly_lit(random, np.asarray(page, np.uint8)))


def slats(random: np.random.Generator, side: int, photographs: Photographs) -> Print:
    """A blind, a shutter, a radiator or a bench: bars lit from one side, before something."""
    width, height = side, max(8, int(side * random.uniform(0.3, 1.3)))
    behind = backdrop(random, (width, height), photographs)
    if random.random() < 0.5:  # daylight
        behind = cv2.addWeighted(
            behind, random.uniform(0.1, 0.6), blank((width, height), (255, 255, 255)), 0.6, 0
        )
    period = max(3.0, height / random.uniform(4, 40))
    y = np.arange(height, dtype=np.float32)
    phase = (y / period + random.random()) % 1
    middle, tilt = random.uniform(0.25, 0.95), random.uniform(-0.3, 0.3)
    covered = middle + tilt * (y / height - 0.5)  # seen more from above or from below
    soft = random.uniform(0.5, 2.0) / period
    alpha = np.clip((covered - phase) / soft, 0, 1) * np.clip(phase / soft, 0, 1)
    shade = random.uniform(0.4, 1.3) + (random.uniform(0.4, 1.3) - 1) * phase / np.maximum(covered, 0.1)
    rows = np.clip(shade[:, None] * np.array(color(random), np.float32), 0, 255)
    part = alpha[:, None, None].astype(np.float32)
    page = rows[:, None].astype(np.float32) * part + behind.astype(np.float32) * (1 - part)
    for x in random.uniform(0, width, int(random.integers(0, 4))):  # cords, posts
        thick = max(1, int(side * random.uniform(0.003, 0.03)))
        cv2.line(page, (int(x), 0), (int(x), height), color(random), thick, cv2.LINE_AA)
    image = _unevenly_lit(random, page.astype(np.uint8))
    if random.random() < 0.6:
        image = np.ascontiguousarray(image.swapaxes(0, 1))
    return Print(image)


def lattice(random: np.random.Generator, side: int, photographs: Photographs) -> Print:
    """A bridge, a railing, a crate, a pylon: bars between two beams, mostly with the scene between them."""
    width, height = side, max(8, int(side * random.uniform(0.15, 1.0)))
    size = (width, height)
    mask = np.zeros((height, width), np.uint8)
    count = int(random.integers(3, 30))
    thick = max(1, int(width / count * random.uniform(0.05, 0.4)))
    beam = max(1, int(thick * random.uniform(0.6, 3)))
    kind = random.integers(4)  # upright bars; N; W; X
    x = np.linspace(0, width - 1, count + 1) + random.normal(
        0, random.uniform(0, 0.15) * width / count, count + 1
    )
    arch = random.uniform(0.2, 0.9) * height if random.random() < 0.25 else 0.0
    top = arch * (2 * np.arange(count + 1) / count - 1) ** 2
    upper = [(int(a), int(b)) for a, b in zip(x, np.minimum(top + beam / 2, height - 1))]
    lower = [(int(a), height - 1 - beam // 2) for a in x]
    for number in range(count + 1):
        if kind != 2 or random.random() < 0.2:
            cv2.line(mask, upper[number], lower[number], 255, thick, cv2.LINE_AA)
        if number < count and kind > 0:
            falls = kind == 3 or kind == 1 or number % 2 == 0
            if falls:
                cv2.line(mask, upper[number], lower[number + 1], 255, thick, cv2.LINE_AA)
            if kind == 3 or not falls:
                cv2.line(mask, lower[number], upper[number + 1], 255, thick, cv2.LINE_AA)
    for chord in (upper, lower):
        cv2.polylines(mask, [np.array(chord, np.int32)], False, 255, beam, cv2.LINE_AA)
    image = _unevenly_lit(
        random,
        backdrop(random, size, photographs) if random.random() < 0.2 else gradient(random, size),
    )
    if random.random() < 0.7:
        return Print(image, mask=mask)
    page = backdrop(random, size, photographs)
    cv2.copyTo(image, mask, page)
    return Print(page)


def _unevenly_lit(random: np.random.Generator, page: Picture) -> Picture:
    """Light from one side."""
    first, second = random.uniform(0.5, 1.15, 2)
    ramp = np.clip(255 * np.linspace(first, second, page.shape[1]), 0, 255).astype(np.uint8)
    row = np.broadcast_to(ramp[None, :, None], page.shape).copy()
    return np.asarray(cv2.multiply(page, row, scale=1 / 255), np.uint8)
