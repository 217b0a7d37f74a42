"""What is printed and looks like a code: words, ruled and chequered squares, charts, ornaments."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from yolo_edge.markers.flat_code import scale_modules
from yolo_edge.packages import require_cv2
from yolo_train.scenes.patterns import (
    blank,
    cells,
    color,
    dark_and_light,
    heap,
    pattern,
    regions,
    speckle,
    tiles,
    warped_stripes,
    waves,
)
from yolo_train.scenes.prints import write_text

cv2 = require_cv2("drawing scenes")

Picture = npt.NDArray[np.uint8]
Color = tuple[int, int, int]


def _painted(bits: Picture, dark: Color, light: Color) -> Picture:
    """Two colours: dark where ``bits`` is 1."""
    return np.array([light, dark], np.uint8)[bits]


def text_page(random: np.random.Generator, side: int) -> Picture:
    """A page, a receipt or a sign."""
    dark, light = dark_and_light(random)
    if random.random() < 0.15:
        dark, light = light, dark
    page = blank((int(side * random.uniform(0.4, 1)), side), light)
    line = int(random.uniform(0.03, 0.35) * side)
    edge = side // 14 + 1
    write_text(random, page, (edge, edge, page.shape[1] - edge, side - edge), dark, max(4, line))
    return page


def table(random: np.random.Generator, side: int) -> Picture:
    """A table, calendar or Sudoku: ruled lines with figures."""
    dark, light = dark_and_light(random)
    page = blank((side, side), light)
    count = int(random.integers(3, 12))
    step = max(4, side // count)
    for at in range(0, side, step):
        thickness = 2 if at // step % 3 == 0 and random.random() < 0.7 else 1
        cv2.line(page, (at, 0), (at, side), dark, thickness)
        cv2.line(page, (0, at), (side, at), dark, thickness)
    for y in range(0, side, step):
        for x in range(0, side, step):
            if random.random() < 0.45:
                figure = str(random.integers(0, 32))
                cv2.putText(page, figure, (x + 2, y + step - 3), 0, step / 45, dark, 1, cv2.LINE_AA)
    return page


def crossword(random: np.random.Generator, side: int) -> Picture:
    """Black squares among ruled white ones."""
    dark, light = dark_and_light(random)
    count = int(random.integers(6, 16))
    step = max(4, side // count)
    page = blank((step * count + 1, step * count + 1), light)
    black = random.random((count, count)) < random.uniform(0.1, 0.3)
    for row in range(count):
        for column in range(count):
            place = (column * step, row * step), (column * step + step, row * step + step)
            cv2.rectangle(page, *place, dark, -1 if black[row, column] else 1)
    return page


def chessboard(random: np.random.Generator, side: int) -> Picture:
    """A calibration chessboard, or one to play on."""
    dark, light = dark_and_light(random)
    rows, columns = int(random.integers(2, 12)), int(random.integers(2, 12))
    step = max(3, side // max(rows, columns))
    odd = (np.add.outer(np.arange(rows), np.arange(columns)) % 2).astype(np.uint8)
    board = scale_modules(odd, step)
    margin = int(random.integers(0, step + 1))
    board = np.pad(board, margin)
    return _painted(board, dark, light)


def noise_square(random: np.random.Generator, side: int) -> Picture:
    """Random modules without any finder pattern or border, or the L-shaped border of a Data Matrix."""
    dark, light = dark_and_light(random)
    count = int(random.integers(5, 34))
    bits = (random.random((count, count)) < random.uniform(0.35, 0.6)).astype(np.uint8)
    if count >= 10 and random.random() < 0.15:
        bits[:, 0] = bits[-1, :] = 1
        bits[0, :] = bits[:, -1] = np.arange(count) % 2
    step = max(1, side // count)
    image = scale_modules(np.pad(bits, int(random.integers(0, 3))), step)
    return _painted(image, dark, light)


def nested_squares(random: np.random.Generator, side: int) -> Picture:
    """Frames in frames: picture frames, windows, icons, a lone finder pattern, a black square with a sign."""
    dark, light = dark_and_light(random)
    page = blank((side, int(side * random.uniform(0.6, 1.0))), light)
    height, width = page.shape[:2]
    inset, fill = int(side * random.uniform(0, 0.12)), dark
    for _ in range(int(random.integers(1, 5))):
        if min(height, width) - 2 * inset < 3:
            break
        cv2.rectangle(page, (inset, inset), (width - inset - 1, height - inset - 1), fill, -1)
        fill = light if fill == dark else dark
        inset += max(1, int(side * random.uniform(0.05, 0.2)))
    room = min(height, width) - 2 * inset
    if room > 8 and random.random() < 0.6:
        place = (inset + room // 5, height - inset - room // 5)
        if random.random() < 0.5:
            letter = chr(int(random.integers(48, 91)))
            cv2.putText(page, letter, place, 0, room / 28, fill, max(1, room // 8), cv2.LINE_AA)
        else:
            cv2.circle(page, (width // 2, height // 2), room // 3, fill, -1, cv2.LINE_AA)
    return page


def few_bars(random: np.random.Generator, side: int) -> Picture:
    """Bars that are too few or of too many heights for a bar code: charts, equalisers, books."""
    dark, light = dark_and_light(random)
    height = int(side * random.uniform(0.4, 1.0))
    page = blank((side, height), light)
    x = 2
    chart = random.random() < 0.6
    while x < side - 3:
        wide = max(2, int(side * random.uniform(0.03, 0.14)))
        top = int(height * random.uniform(0, 0.8)) if chart else 0
        fill = color(random) if random.random() < 0.5 else dark
        cv2.rectangle(page, (x, top), (x + wide - 1, height), fill, -1)
        x += wide + max(1, int(side * random.uniform(0.02, 0.12)))
    return page


def motif(random: np.random.Generator, side: int) -> Picture:
    """A print on a shirt, a crest, an ornate label: strokes and blobs around the middle of a plain ground."""
    page = blank((side, side), color(random, 0, 255))
    inks = [color(random) for _ in range(int(random.integers(1, 4)))]
    mirror = random.random() < 0.4
    for _ in range(int(random.integers(6, 50))):
        ink = inks[random.integers(len(inks))]
        points = (random.normal(0.5, 0.14, (int(random.integers(3, 7)), 2)) * side).astype(np.int32)
        filled = random.random() < 0.5
        for flip in (False, True)[: 1 + int(mirror)]:
            drawn = np.column_stack([side - points[:, 0], points[:, 1]]) if flip else points
            if filled:
                cv2.fillPoly(page, [drawn], ink, cv2.LINE_AA)
            else:
                cv2.polylines(page, [drawn], False, ink, max(1, side // 50), cv2.LINE_AA)
    if random.random() < 0.6:
        word = "".join(chr(int(letter)) for letter in random.integers(65, 91, int(random.integers(3, 9))))
        place = (int(side * 0.12), int(side * random.uniform(0.2, 0.95)))
        font, scale = int(random.choice([1, 2, 3, 5, 6])), side / random.uniform(90, 200)
        cv2.putText(page, word, place, font, scale, inks[0], max(1, side // 60), cv2.LINE_AA)
    return page


def lettering(random: np.random.Generator, side: int) -> Picture:
    """Some large words: a sign, a number plate, a watermark, a shop's name; with a shadow at times."""
    ground, ink = color(random, 0, 255), color(random, 0, 255)
    lines = int(random.integers(1, 4))
    page = blank((side, side), ground)
    step, scale = side / lines, side / lines / 60
    for line in range(lines):
        letters = random.integers(48, 91, int(random.integers(3, 14)))
        word = "".join(chr(int(letter)) for letter in letters)
        font = int(random.choice([0, 2, 3, 4]))
        thick = max(1, int(step * random.uniform(0.04, 0.16)))
        place = (int(side * random.uniform(0, 0.08)), int((line + 0.8) * step))
        if random.random() < 0.4:
            away = max(1, int(step * 0.05))
            shadow = color(random, 0, 120)
            cv2.putText(
                page, word, (place[0] + away, place[1] + away), font, scale, shadow, thick, cv2.LINE_AA
            )
        cv2.putText(page, word, place, font, scale, ink, thick, cv2.LINE_AA)
    width, height = (max(8, int(side * part)) for part in random.uniform((0.4, 0.15), (1.0, 1.0)))
    return np.asarray(cv2.resize(page, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def surface(random: np.random.Generator, side: int) -> Picture:
    """A poster or box with any drawn pattern."""
    size = (side, max(8, int(side * random.uniform(0.3, 1.0))))
    kinds = (pattern, pattern, waves, warped_stripes, tiles, cells, heap, speckle, regions)
    chosen = kinds[random.integers(len(kinds))]
    return chosen(random, size)
