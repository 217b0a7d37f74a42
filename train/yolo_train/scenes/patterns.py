"""Drawn surfaces: what is behind the codes where there is no photograph."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from yolo_edge.packages import require_cv2

cv2 = require_cv2("drawing scenes")

Picture = npt.NDArray[np.uint8]
Size = tuple[int, int]
"""Width and height in pixels."""


def color(random: np.random.Generator, low: int = 0, high: int = 255) -> tuple[int, int, int]:
    """A colour, more often a pale one than a loud one."""
    base = random.uniform(low, high)
    spread = random.uniform(0, 0.25 if random.random() < 0.6 else 0.8) * 255
    blue, green, red = np.clip(base + random.uniform(-spread, spread, 3), low, high).astype(int)
    return int(blue), int(green), int(red)


def dark_and_light(random: np.random.Generator) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Ink and ground: mostly greys."""
    if random.random() < 0.7:
        dark, light = int(random.integers(0, 70)), int(random.integers(170, 256))
        return (dark, dark, dark), (light, light, light)
    return color(random, 0, 110), color(random, 140, 255)


def blank(size: Size, fill: tuple[int, int, int]) -> Picture:
    """One colour."""
    picture = np.empty((size[1], size[0], 3), np.uint8)
    cv2.rectangle(picture, (0, 0), size, fill, -1)  # numpy's broadcasting takes ten times as long
    return picture


def gradient(random: np.random.Generator, size: Size) -> Picture:
    """Four colours in the corners."""
    corners = np.array([[color(random), color(random)], [color(random), color(random)]], np.float32)
    if random.random() < 0.5:  # close to each other, as on a wall
        corners = corners[0, 0] + (corners - corners[0, 0]) * 0.2
    soft: Picture = cv2.resize(corners.astype(np.uint8), size, interpolation=cv2.INTER_LINEAR)
    return soft


def clouds(random: np.random.Generator, size: Size) -> Picture:
    """Noise of several scales between two colours: plaster, stone, fabric, foliage."""
    width, height = size
    total = np.zeros((height, width), np.float32)
    stretch = float(random.choice([1, 1, 1, 6, 12]))  # 6 and more: wood, brushed metal
    weight, roughness = 1.0, random.uniform(0.45, 1.0)
    for octave in range(1, 7):
        cells = 2**octave
        small = random.random((max(2, int(cells * height / width)), max(2, int(cells / stretch) + 1)))
        total += weight * cv2.resize(small.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
        weight *= roughness
    total = cv2.normalize(total, None, 0, 1, cv2.NORM_MINMAX)
    return mix(random, total)


def mix(random: np.random.Generator, share: npt.NDArray[np.float32]) -> Picture:
    """Two colours by their share from 0 to 1."""
    first, second = np.array(color(random), np.float32), np.array(color(random), np.float32)
    table = first + (second - first) * (np.arange(256, dtype=np.float32)[:, None] / 255)
    index = (share * 255).astype(np.uint8)
    mixed: Picture = cv2.LUT(cv2.merge([index, index, index]), table.astype(np.uint8)[None])
    return mixed


def waves(random: np.random.Generator, size: Size) -> Picture:
    """Stripes of any direction, sharp or soft: blinds, fences, corrugated iron, knitwear."""
    width, height = size
    angle = random.uniform(0, np.pi) if random.random() < 0.5 else float(random.choice([0, np.pi / 2]))
    period = random.uniform(4, 60)
    x = np.arange(width, dtype=np.float32)[None] * np.float32(np.cos(angle) * 2 * np.pi / period)
    y = np.arange(height, dtype=np.float32)[:, None] * np.float32(np.sin(angle) * 2 * np.pi / period)
    wave = np.sin(x + y + np.float32(random.uniform(0, 6)))
    hardness = random.uniform(1, 12)
    return mix(
        random, np.clip(wave * np.float32(hardness) + np.float32(random.uniform(-1, 1)), -1, 1) / 2 + 0.5
    )


def tiles(random: np.random.Generator, size: Size) -> Picture:
    """Checkerboards, tiles, bricks and façades."""
    width, height = size
    picture = blank(size, color(random))
    step_x = int(random.integers(8, 90))
    step_y = step_x if random.random() < 0.5 else int(random.integers(8, 90))
    gap_x, gap_y = int(random.integers(0, step_x // 3 + 1)), int(random.integers(0, step_y // 3 + 1))
    kind = random.integers(3)  # checkerboard, wall of bricks, windows
    first, second = color(random), color(random)
    vary = random.uniform(0, 30)
    for row, y in enumerate(range(0, height, step_y)):
        start = -(step_x // 2) if kind == 1 and row % 2 else 0
        for column, x in enumerate(range(start, width, step_x)):
            if kind == 0 and (row + column) % 2:
                continue
            fill = second if kind == 2 and random.random() < 0.25 else first
            shade = random.normal(0, vary)
            fill_varied = tuple(int(min(255, max(0, part + shade))) for part in fill)
            cv2.rectangle(picture, (x + gap_x, y + gap_y), (x + step_x - 1, y + step_y - 1), fill_varied, -1)
    return picture


def shapes(random: np.random.Generator, size: Size) -> Picture:
    """Any polygons, discs and lines over each other: a cluttered room out of focus, toys, posters."""
    width, height = size
    picture = gradient(random, size)
    for _ in range(int(random.integers(5, 45))):
        center = np.array([random.uniform(0, width), random.uniform(0, height)])
        radius = random.uniform(0.02, 0.3) * width
        kind = random.integers(4)
        fill = color(random)
        place = (int(center[0]), int(center[1]))
        if kind == 0:
            cv2.circle(picture, place, int(radius), fill, -1, cv2.LINE_AA)
        elif kind == 1:
            corners = center + random.normal(0, radius, (int(random.integers(3, 7)), 2))
            cv2.fillPoly(picture, [corners.astype(np.int32)], fill, cv2.LINE_AA)
        elif kind == 2:
            other = center + random.normal(0, 2 * radius, 2)
            thickness = int(random.integers(1, 12))
            cv2.line(picture, place, (int(other[0]), int(other[1])), fill, thickness, cv2.LINE_AA)
        else:
            corner = center + random.uniform(0.2, 1, 2) * radius
            cv2.rectangle(picture, place, (int(corner[0]), int(corner[1])), fill, -1)
    return picture


def shelves(random: np.random.Generator, size: Size) -> Picture:
    """Rows of upright boxes with bands: goods on shelves, books."""
    width, height = size
    picture = blank(size, color(random, 20, 200))
    y = int(random.integers(-30, 20))
    while y < height:
        tall = int(random.integers(40, 140))
        x = int(random.integers(-20, 5))
        slim = random.random() < 0.5
        while x < width:
            wide = int(random.integers(6, 24) if slim else random.integers(20, 80))
            top = y + int(random.integers(0, tall // 3))
            cv2.rectangle(picture, (x, top), (x + wide - 2, y + tall), color(random), -1)
            band = top + int((y + tall - top) * random.uniform(0.1, 0.7))
            cv2.rectangle(picture, (x, band), (x + wide - 2, band + tall // 6), color(random), -1)
            x += wide + int(random.integers(0, 4))
        cv2.rectangle(picture, (0, y + tall), (width, y + tall + 8), color(random, 40, 220), -1)
        y += tall + 8
    return picture


def cells(random: np.random.Generator, size: Size) -> Picture:
    """Random fine squares, sharp or soft: gravel, leaves, a screen's static."""
    width, height = size
    step = int(random.integers(2, 14))
    small = random.integers(0, 256, (height // step + 1, width // step + 1)).astype(np.uint8)
    how = cv2.INTER_NEAREST if random.random() < 0.3 else cv2.INTER_CUBIC
    big = cv2.resize(small, size, interpolation=how).astype(np.float32) / 255
    return mix(random, big)


def warped_stripes(random: np.random.Generator, size: Size) -> Picture:
    """Stripes that bend and part: a zebra, sand, bark, folds of cloth, hair."""
    width, height = size
    bend = np.zeros((height, width), np.float32)
    for octave in range(1, 4):
        count = 2**octave
        small = random.normal(0, 1, (count + 1, count + 1)).astype(np.float32)
        bend += cv2.resize(small, size, interpolation=cv2.INTER_CUBIC) / np.float32(octave)
    period = random.uniform(0.015, 0.15) * width
    angle = random.uniform(0, np.pi)
    x = np.arange(width, dtype=np.float32)[None] * np.float32(np.cos(angle) * 2 * np.pi / period)
    y = np.arange(height, dtype=np.float32)[:, None] * np.float32(np.sin(angle) * 2 * np.pi / period)
    wave = np.sin(x + y + bend * np.float32(random.uniform(1, 8)))
    sharp = wave * np.float32(random.uniform(1, 8)) + np.float32(random.uniform(-1, 1))
    return mix(random, np.clip(sharp, -1, 1) / 2 + 0.5)


def fibres(random: np.random.Generator, size: Size) -> Picture:
    """Noise of one scale and direction, stronger in some places: wool, fur, hair, bark, crumpled cloth."""
    across = random.uniform(2, 14)
    along = across * random.uniform(1, 10)
    side = int(1.45 * max(size))
    grains = random.standard_normal((int(side / across) + 4, int(side / along) + 4), np.float32)
    grains -= cv2.GaussianBlur(grains, (0, 0), random.uniform(0.8, 3.0))
    flat = cv2.resize(grains, (side, side), interpolation=cv2.INTER_CUBIC)
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), random.uniform(0, 360), 1.0)
    turn[:, 2] += np.array(size) / 2 - side / 2
    turned = cv2.warpAffine(flat, turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    count = int(random.integers(2, 9))
    strength = random.random((count, count)).astype(np.float32) ** 2
    strength = cv2.resize(strength, size, interpolation=cv2.INTER_LINEAR)
    light = cv2.resize(random.random((count, count)).astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    share = 0.5 + turned * strength * np.float32(random.uniform(0.2, 1.0)) + (light - 0.5) * np.float32(0.6)
    return mix(random, np.clip(share, 0, 1))


def heap(random: np.random.Generator, size: Size) -> Picture:
    """Many things of one kind over each other: peas, pebbles, coins, leaves, a crowd."""
    width, height = size
    picture = blank(size, color(random, 0, 120))
    radius = random.uniform(0.012, 0.07) * max(size)
    slim = random.uniform(0.3, 1.0)
    base, vary = np.array(color(random, 40, 255), np.float64), random.uniform(5, 60)
    alike = random.random() < 0.5
    turn = random.uniform(0, 180)
    for _ in range(min(900, int(2.2 * width * height / (np.pi * slim * radius**2)))):
        center = (int(random.uniform(0, width) * 16), int(random.uniform(0, height) * 16))
        longer = radius * random.uniform(0.7, 1.3)
        angle = turn + random.normal(0, 15) if alike else random.uniform(0, 180)
        shade = np.clip(base + random.normal(0, vary) + random.normal(0, vary / 3, 3), 0, 255)
        axes = (max(16, int(longer * 16)), max(16, int(longer * slim * 16)))
        for shrink, light in ((1.0, 0.55), (0.85, 1.0), (0.4, 1.2)):
            fill = tuple(int(part) for part in np.clip(shade * light, 0, 255))
            grown = (int(axes[0] * shrink), int(axes[1] * shrink))
            cv2.ellipse(picture, center, grown, angle, 0, 360, fill, -1, cv2.LINE_8, 4)
    return picture


def speckle(random: np.random.Generator, size: Size) -> Picture:
    """Specks of about one size, hard or soft: rock under snow, fur, wool, lawn, foliage against the light."""
    return mix(random, _specks(random, size))


def _specks(random: np.random.Generator, size: Size) -> npt.NDArray[np.float32]:
    """Noise of a narrow band of scales, and of one direction at times; float32 (height, width), 0..1."""
    width, height = size
    fine = random.uniform(1.5, 9.0)
    stretch = random.uniform(1.0, 4.0) if random.random() < 0.4 else 1.0
    small_w, small_h = max(4, int(width / fine)), max(4, int(height / (fine * stretch)))
    small = random.standard_normal((small_h, small_w), np.float32)
    small -= cv2.GaussianBlur(
        small, (0, 0), random.uniform(1.0, 3.0)
    )  # what is left varies within a few specks
    band = cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)
    hard = np.float32(random.uniform(0.3, 2.5))
    return np.asarray(np.clip(band * hard + np.float32(random.uniform(-0.6, 0.6)), -1, 1) / 2 + 0.5)


def crowns(random: np.random.Generator, size: Size) -> Picture:
    """Round lumps with fine lumps on them, dark between: broccoli, curls, tree tops, moss."""
    width, height = size
    fine = _specks(random, size)
    light = np.zeros((height, width), np.float32)
    largest = random.uniform(0.06, 0.3) * max(size)
    count = min(400, int(2.5 * width * height / (2.2 * largest**2)) + 1)
    for radius in largest * random.uniform(0.4, 1.0, count):
        x, y = random.uniform(0, width), random.uniform(0, height)
        left, top = max(0, int(x - radius)), max(0, int(y - radius))
        patch = light[top : int(y + radius) + 1, left : int(x + radius) + 1]
        across = (np.arange(patch.shape[1], dtype=np.float32) + np.float32(left - x)) / np.float32(radius)
        down = (np.arange(patch.shape[0], dtype=np.float32) + np.float32(top - y)) / np.float32(radius)
        lump = 1 - across[None] ** 2 - (down[:, None] + 0.15) ** 2  # lit from above
        np.maximum(patch, lump, out=patch)
    rough = np.float32(random.uniform(0.3, 0.9))
    return mix(random, np.clip(light * (1 - rough + rough * fine), 0, 1))


def regions(random: np.random.Generator, size: Size) -> Picture:
    """Textures that end in ragged borders: trees before the sky, an animal on a lawn, food on a plate."""
    height = size[1]
    kinds = (clouds, waves, warped_stripes, cells, heap, speckle, speckle, fibres, gradient, crowns)
    picture = kinds[random.integers(len(kinds))](random, size)
    for _ in range(int(random.integers(1, 4))):
        other = kinds[random.integers(len(kinds))](random, size)
        count = int(random.integers(2, 7))
        field = cv2.resize(
            random.standard_normal((count, count), np.float32), size, interpolation=cv2.INTER_CUBIC
        )
        if random.random() < 0.6:  # leaves, curls
            field += np.float32(random.uniform(0.1, 0.6)) * (_specks(random, size) - np.float32(0.5))
        mask = (field > np.float32(random.uniform(-0.2, 0.9))).astype(np.uint8)
        cv2.copyTo(other, mask, picture)
        if random.random() < 0.5:  # lit from above, as round things are
            shade = np.clip(1.25 - 0.7 * np.arange(height, dtype=np.float32) / height, 0, 1)
            row = np.broadcast_to((255 * shade).astype(np.uint8)[:, None, None], picture.shape).copy()
            cv2.copyTo(cv2.multiply(picture, row, scale=1 / 255), mask, picture)
    return picture


PATTERNS: tuple[Callable[[np.random.Generator, Size], Picture], ...] = (
    gradient,
    clouds,
    clouds,
    waves,
    warped_stripes,
    tiles,
    shapes,
    shapes,
    shelves,
    cells,
    heap,
    speckle,
    fibres,
    crowns,
    regions,
    regions,
)
"""What :func:`pattern` chooses from; twice means twice as often."""


def pattern(random: np.random.Generator, size: Size) -> Picture:
    """Any of them."""
    return PATTERNS[random.integers(len(PATTERNS))](random, size)
