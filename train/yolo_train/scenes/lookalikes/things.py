"""Things that look like codes: keys, windows, dials, holes, stripes of any kind."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from yolo_edge.packages import require_cv2
from yolo_train.scenes.patterns import blank, color, dark_and_light
from yolo_train.scenes.photographs import bend

cv2 = require_cv2("drawing scenes")

Picture = npt.NDArray[np.uint8]
Color = tuple[int, int, int]


def stripes(random: np.random.Generator, side: int) -> Picture:
    """Even stripes: a fence, a radiator, a grille, a crossing, piano keys, a ruler."""
    dark, light = dark_and_light(random)
    height = int(side * random.uniform(0.15, 0.9))
    page = blank((side, height), light)
    kind = random.integers(3)
    period = max(3, int(side / random.integers(4, 40)))
    for number, x in enumerate(range(period // 2, side, period)):
        if kind == 0:
            cv2.rectangle(page, (x, 0), (x + max(1, int(period * 0.45)), height), dark, -1)
        elif kind == 1:  # a ruler
            long = height // (2 if number % 10 == 0 else 3 if number % 5 == 0 else 5)
            cv2.line(page, (x, 0), (x, long), dark, max(1, period // 5))
        else:  # a keyboard to play
            cv2.line(page, (x, 0), (x, height), dark, 1)
            if number % 7 not in (2, 6):
                black = (x - period // 4, 0), (x + period // 4, int(height * 0.6))
                cv2.rectangle(page, *black, dark, -1)
    return page


def keyboard(random: np.random.Generator, side: int) -> Picture:
    """Flat square keys of a keyboard or a remote control."""
    dark, light = dark_and_light(random)
    case, key = (dark, light) if random.random() < 0.5 else (light, dark)
    if random.random() < 0.5:
        case = color(random)
    rows, columns = int(random.integers(3, 7)), int(random.integers(3, 16))
    step = max(5, side // max(rows, columns))
    page = blank((columns * step + 2, rows * step + 2), case)
    for row in range(rows):
        for column in range(columns):
            x, y = column * step + 2, row * step + 2
            cv2.rectangle(page, (x, y), (x + step - 4, y + step - 4), key, -1)
            if step > 10:
                letter = chr(int(random.integers(65, 91)))
                cv2.putText(page, letter, (x + 2, y + step - 6), 0, step / 50, case, 1, cv2.LINE_AA)
    return page


def keypad(random: np.random.Generator, side: int, key: Color | None = None) -> Picture:
    """A telephone's, a lock's or a calculator's keys: round or rounded, lit at an edge, with figures."""
    columns, rows = int(random.integers(2, 6)), int(random.integers(3, 7))
    pitch = max(6.0, side / max(rows, columns))
    ground, key = color(random, 0, 255), key or color(random, 0, 255)
    page = blank((int(columns * pitch) + 2, int(rows * pitch) + 2), ground)
    legend = color(random, 160, 255) if sum(key) < 384 else color(random, 0, 90)
    lit = [min(255, int(part * 1.4) + 20) for part in key]
    reach_x, reach_y = pitch * random.uniform(0.25, 0.46), pitch * random.uniform(0.18, 0.42)
    round_keys, shift = random.random() < 0.5, max(1, int(pitch / 16))
    for row in range(rows):
        for column in range(columns):
            x, y = int((column + 0.5) * pitch), int((row + 0.5) * pitch)
            for moved, fill in ((0, lit), (shift, list(key))):
                if round_keys:
                    axes = (max(1, int(reach_x)), max(1, int(reach_y)))
                    cv2.ellipse(page, (x, y + moved), axes, 0, 0, 360, fill, -1, cv2.LINE_AA)
                else:
                    corner = (x - int(reach_x), y - int(reach_y) + moved)
                    cv2.rectangle(page, corner, (x + int(reach_x), y + int(reach_y) + moved), fill, -1)
            if pitch > 9:
                figure = str((row * columns + column + 1) % 10)
                place = (x - int(pitch * 0.12), y + int(pitch * 0.12))
                cv2.putText(page, figure, place, 0, pitch / 80, legend, max(1, int(pitch / 22)), cv2.LINE_AA)
    return page


def dots(random: np.random.Generator, side: int) -> Picture:
    """Dominoes, dice, calibration circles, loudspeakers."""
    dark, light = dark_and_light(random)
    if random.random() < 0.4:
        dark, light = light, dark
    rows, columns = int(random.integers(1, 8)), int(random.integers(1, 8))
    step = max(6, side // max(rows, columns))
    page = blank((columns * step, rows * step), light)
    present = random.uniform(0.4, 1.0)
    for row in range(rows):
        for column in range(columns):
            if random.random() < present:
                place = (column * step + step // 2, row * step + step // 2)
                cv2.circle(page, place, max(1, int(step * 0.32)), dark, -1, cv2.LINE_AA)
    if random.random() < 0.5:
        cv2.rectangle(page, (0, 0), (page.shape[1] - 1, page.shape[0] - 1), dark, max(1, step // 10))
    return page


def dial(random: np.random.Generator, side: int) -> Picture:
    """A clock, a gauge or a wheel: marks, figures or spokes around a middle."""
    dark, light = dark_and_light(random)
    if random.random() < 0.3:
        dark, light = light, dark
    page = blank((side, side), color(random) if random.random() < 0.7 else light)
    middle, radius = side // 2, int(side * 0.47)
    cv2.circle(page, (middle, middle), radius, dark, -1, cv2.LINE_AA)
    rim = max(1, int(radius * random.uniform(0.03, 0.25)))
    cv2.circle(page, (middle, middle), max(1, radius - rim), light, -1, cv2.LINE_AA)
    count = int(random.choice([4, 8, 12, 12, 24, 36, 60]))
    start = 0.0 if random.random() < 0.5 else random.uniform(0.2, 0.9)
    thick = max(1, int(radius * random.uniform(0.01, 0.06)))
    for mark in range(count):
        way = np.array([np.cos(2 * np.pi * mark / count), np.sin(2 * np.pi * mark / count)])
        outer = middle + way * (radius - rim) * 0.95
        inner = middle + way * (radius - rim) * (start if count < 60 else max(start, 0.85))
        ends = [(int(x), int(y)) for x, y in (inner, outer)]
        if 8 <= count <= 12 and start > 0.5 and radius > 24:
            figure = str(mark % 12 + 1) if random.random() < 0.9 else "XII"
            cv2.putText(page, figure, ends[0], 1, radius / 70, dark, thick, cv2.LINE_AA)
        else:
            cv2.line(page, *ends, dark, thick, cv2.LINE_AA)
    for reach in random.uniform(0.3, 0.9, int(random.integers(0, 4))):
        angle = random.uniform(0, 2 * np.pi)
        tip = middle + np.array([np.cos(angle), np.sin(angle)]) * radius * reach
        cv2.line(page, (middle, middle), (int(tip[0]), int(tip[1])), dark, 2 * thick, cv2.LINE_AA)
    return page


def windows(random: np.random.Generator, side: int) -> Picture:
    """A coach's or a building's side: rows of dark panes with reflections, some with things behind them."""
    rows, columns = (1, int(random.integers(4, 16))) if random.random() < 0.6 else random.integers(2, 9, 2)
    wide = side / columns
    tall = wide * random.uniform(0.6, 2.5)
    body, frame = color(random), color(random, 0, 120)
    page = blank((side, int(min(2.0 * side, rows * tall * 1.25)) + 4), body)
    height = page.shape[0]
    pane = np.array(color(random, 10, 110), np.float64)
    gap_x, gap_y = wide * random.uniform(0.04, 0.35), tall * random.uniform(0.05, 0.4)
    start = random.uniform(0, max(1.0, height - rows * tall))
    for row in range(rows):
        for column in range(columns):
            left, top = column * wide + gap_x / 2, start + row * tall + gap_y / 2
            right, bottom = left + wide - gap_x, top + tall - gap_y
            corners = (int(left), int(top)), (int(right), int(bottom))
            fill = np.clip(pane * random.uniform(0.4, 1.5) + random.normal(0, 12), 0, 255)
            cv2.rectangle(page, *corners, [int(part) for part in fill], -1)
            if random.random() < 0.4:  # a blind, a passenger, the sky
                middle = int(random.uniform(top, bottom))
                cv2.rectangle(page, corners[0], (corners[1][0], middle), color(random), -1)
            if random.random() < 0.5:
                cv2.line(
                    page, corners[0], corners[1], color(random, 120), max(1, int(wide / 14)), cv2.LINE_AA
                )
            cv2.rectangle(page, *corners, frame, max(1, int(wide / random.uniform(8, 40))))
    for _ in range(int(random.integers(0, 4))):  # painted bands
        y, thick = int(random.uniform(0, height)), max(1, int(height * random.uniform(0.01, 0.12)))
        if not start < y < start + rows * tall:
            cv2.rectangle(page, (0, y), (side, y + thick), color(random), -1)
    return page


def punched(random: np.random.Generator, side: int) -> Picture:
    """Rows of holes or studs with a lit edge: a grater, a drain, a speaker, knobs, a waffle, buttons."""
    ground = np.array(color(random, 60, 230), np.float64)
    page = blank(
        (side, int(side * random.uniform(0.4, 1.0))), (int(ground[0]), int(ground[1]), int(ground[2]))
    )
    height = page.shape[0]
    pitch = max(5.0, side / random.uniform(5, 26))
    holes = np.clip(ground * random.uniform(0.1, 0.6), 0, 255)
    rim = np.clip(ground * random.uniform(1.1, 1.6), 0, 255)
    staggered, kind = random.random() < 0.5, random.integers(3)
    reach, slim = pitch * random.uniform(0.2, 0.42), random.uniform(0.4, 1.0)
    for row, y in enumerate(np.arange(pitch / 2, height, pitch)):
        for x in np.arange(pitch / 2 + (pitch / 2 if staggered and row % 2 else 0), side, pitch):
            for shift, fill in ((max(1.0, pitch / 12), rim), (0.0, holes)):
                shade = [int(part) for part in fill]
                place = (int((x + shift) * 16), int((y + shift) * 16))
                if kind == 0:
                    corner = (int(x + shift - reach), int(y + shift - reach * slim))
                    other = (int(x + shift + reach), int(y + shift + reach * slim))
                    cv2.rectangle(page, corner, other, shade, -1)
                else:
                    axes = (int(reach * 16), int(reach * (slim if kind == 1 else 1.0) * 16))
                    cv2.ellipse(page, place, axes, 0, 0, 360, shade, -1, cv2.LINE_AA, 4)
    return page


def bands(random: np.random.Generator, side: int) -> Picture:
    """A striped shirt, towel, awning or barrier: bands of any widths from edge to edge, and folds."""
    height = max(8, int(side * random.uniform(0.4, 1.0)))
    inks = [color(random) for _ in range(int(random.integers(2, 5)))]
    page = blank((side, height), inks[0])
    edges = np.sort(random.uniform(0, side, 2 * int(random.integers(2, 8))))
    for number, (left, right) in enumerate(zip(edges[::2], edges[1::2])):
        ink = inks[1 + number % (len(inks) - 1)]
        cv2.rectangle(page, (int(left), 0), (int(right), height), ink, -1)
    if random.random() < 0.7:
        page = bend(random, page)
    return shaded(random, page) if random.random() < 0.7 else page


def upright(random: np.random.Generator, side: int) -> Picture:
    """Long things beside each other, lit from one side: bottles, knives, pencils, trunks, posts."""
    height = max(8, int(side * random.uniform(0.4, 1.2)))
    page = blank((side, height), color(random))
    alike = color(random) if random.random() < 0.5 else None
    count = int(random.integers(4, 16))
    for middle in random.permutation(np.linspace(0, side, count) + random.normal(0, side / count / 4, count)):
        base = np.array(alike or color(random), np.float64)
        wide = side / count * random.uniform(0.2, 1.1)
        top, lean = height * random.uniform(-0.2, 0.6), random.normal(0, 0.06) * height
        slices = max(2, min(8, int(wide / 2)))
        for part in range(slices):
            shade = np.clip(base * (0.45 + 0.9 * np.sin(np.pi * (part + 0.7) / (slices + 0.6))), 0, 255)
            left, right = (middle - wide / 2 + wide * at / slices for at in (part, part + 1))
            corners = [(left + lean, top), (right + lean, top), (right, height), (left, height)]
            cv2.fillConvexPoly(page, np.array(corners, np.int32), [int(value) for value in shade])
    return page


def shaded(random: np.random.Generator, page: Picture) -> Picture:
    """Folds: light that changes smoothly from place to place."""
    height, width = page.shape[:2]
    count = int(random.integers(3, 7))
    light = cv2.resize(
        random.uniform(0.55, 1.15, (count, count)).astype(np.float32),
        (width, height),
        interpolation=cv2.INTER_CUBIC,
    )
    return np.asarray(np.clip(page * light[..., None], 0, 255), np.uint8)
