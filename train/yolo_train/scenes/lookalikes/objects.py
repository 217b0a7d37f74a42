"""Whole things with a code's rhythm in a part of them: coaches, telephones, signs, bowls, shirts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from yolo_edge.packages import require_cv2
from yolo_train.scenes import patterns
from yolo_train.scenes.lookalikes import printed, things
from yolo_train.scenes.patterns import blank, color
from yolo_train.scenes.photographs import Photographs, backdrop, bend
from yolo_train.scenes.prints import Print

cv2 = require_cv2("drawing scenes")

Picture = npt.NDArray[np.uint8]
Rectangle = tuple[int, int, int, int]
"""left, top, right, bottom."""

_SHARE = 0.7
"""Share of what is mirrored in panes, or seen behind, that are pieces of photographs."""


def coach(random: np.random.Generator, side: int, photographs: Photographs) -> Print:
    """A tram, a bus, a carriage: panes and doors between painted bands, mostly seen along its side."""
    width, height = side, max(12, int(side * random.uniform(0.18, 0.6)))
    size = (width, height)
    stark = random.random() < 0.4  # black panes in a white side
    page = blank(size, color(random, 170, 255) if stark else color(random))
    for _ in range(int(random.integers(0 if stark else 1, 5))):
        y, thick = int(random.uniform(0, height)), int(height * random.uniform(0.03, 0.3)) + 1
        cv2.rectangle(page, (0, y), (width, y + thick), color(random), -1)
    top, bottom = height * random.uniform(0.1, 0.3), height * random.uniform(0.45, 0.7)
    door_bottom, frame = height * random.uniform(0.8, 0.97), color(random, 0, 90)
    if random.random() < 0.6:  # the panes lie in a dark band
        cv2.rectangle(page, (0, int(top)), (width, int(bottom)), frame, -1)
    behind = backdrop(random, size, photographs, _SHARE)
    dark = random.uniform(0.05, 0.3 if stark else 0.7)
    panes = cv2.convertScaleAbs(behind, alpha=dark, beta=random.uniform(0, 50))
    glare = cv2.convertScaleAbs(behind, alpha=random.uniform(0.5, 1.1), beta=random.uniform(20, 120))
    wide = height * random.uniform(0.1, 0.7)
    gap, doors = max(1.0, wide * random.uniform(0.04, 0.3)), random.uniform(0, 0.35)
    x = random.uniform(-wide, wide)
    while x < width:
        door = random.random() < doors
        step = wide * (random.uniform(0.4, 0.7) if door else 1.0)
        left, right = max(0, int(x + gap / 2)), min(width, int(x + step - gap / 2))
        upper, lower = int(top), int(door_bottom if door else bottom)
        if right - left > 1:
            lit = glare if not stark and random.random() < 0.3 else panes
            page[upper:lower, left:right] = lit[upper:lower, left:right]
            if random.random() < 0.4:  # a window that slides, or a seat behind
                y = upper + int((lower - upper) * random.uniform(0.2, 0.8))
                cv2.line(page, (left, y), (right, y), frame, max(1, int(gap / 3)))
            cv2.rectangle(page, (left, upper), (right, lower), frame, max(1, int(gap / 3)))
        x += step
    mask = np.full((height, width), 255, np.uint8)
    if random.random() < 0.6:
        wheel = int(height * random.uniform(0.06, 0.14)) + 1
        for at in random.uniform(0, width, int(random.integers(1, 5))):
            cv2.circle(page, (int(at), height - wheel), wheel, color(random, 0, 60), -1, cv2.LINE_AA)
            cv2.circle(page, (int(at), height - wheel), wheel // 2, color(random), -1, cv2.LINE_AA)
    item = Print(things.shaded(random, page), mask=mask)
    return receding(random, item) if random.random() < 0.75 else item


def telephone(random: np.random.Generator, side: int, photographs: Photographs) -> Print:
    """A telephone, a remote control, a meter: keys and a display in a panel, the panel in a round body."""
    del photographs
    width = max(16, int(side * random.uniform(0.35, 1.0)))
    stark = random.random() < 0.5  # pale keys in a dark panel in a pale body
    page = blank((width, side), color(random, 140, 255) if stark else color(random))
    mask = np.zeros((side, width), np.uint8)
    _rounded(mask, (0, 0, width - 1, side - 1), random.uniform(0.05, 0.5), 255)
    left, right = int(width * random.uniform(0.03, 0.35)), int(width * random.uniform(0.65, 0.97))
    top, bottom = int(side * random.uniform(0.03, 0.4)), int(side * random.uniform(0.6, 0.97))
    panel = color(random, 0, 80) if stark or random.random() < 0.4 else color(random)
    _rounded(page, (left, top, right, bottom), random.uniform(0.02, 0.5), panel)
    middle = top
    if random.random() < 0.7:  # the display comes first
        middle = top + int((bottom - top) * random.uniform(0.15, 0.45))
        edge = max(1, (right - left) // 10)
        face = (left + edge, top + edge, right - edge, max(top + edge + 2, middle))
        _rounded(page, face, random.uniform(0.0, 0.4), color(random, 0 if stark else 60, 230))
        words = printed.lettering(random, max(8, face[2] - face[0]))
        if random.random() < 0.6:
            _fitted(page, words, face, 0.8)
    keys = things.keypad(random, max(8, right - left), color(random, 130, 255) if stark else None)
    keys[(keys == keys[0, 0]).all(axis=2)] = panel  # no ground of their own
    _fitted(page, keys, (left, middle, right, bottom), random.uniform(0.7, 0.95))
    for _ in range(int(random.integers(0, 6))):  # single keys, lamps, a maker's name
        x, y = int(random.uniform(0.05, 0.95) * width), int(random.uniform(0.05, 0.95) * side)
        radius = max(1, int(width * random.uniform(0.01, 0.07)))
        cv2.circle(page, (x, y), radius, color(random), -1, cv2.LINE_AA)
    return Print(things.shaded(random, page), mask=mask)


def signboard(random: np.random.Generator, side: int, photographs: Photographs) -> Print:
    """Words on panels on a coloured wall: a bus's destination, a shop's front, a road sign, a scoreboard."""
    width, height = side, max(12, int(side * random.uniform(0.3, 1.1)))
    size = (width, height)
    page = (
        backdrop(random, size, photographs, _SHARE) if random.random() < 0.15 else blank(size, color(random))
    )
    alike = color(random, 0, 80), color(random, 170, 255)
    if random.random() < 0.3:
        alike = alike[1], alike[0]
    for left, top, right, bottom in _split(random, (0, 0, width, height), 3):
        edge = max(1, int(min(right - left, bottom - top) * random.uniform(0.04, 0.15)))
        inner = left + edge, top + edge, right - edge, bottom - edge
        if inner[2] - inner[0] < 6 or inner[3] - inner[1] < 6 or random.random() < 0.15:
            continue
        ground, ink = alike if random.random() < 0.8 else (color(random), color(random))
        _rounded(page, inner, random.uniform(0.0, 0.3), ground)
        _words(random, page, inner, ink)
    if random.random() < 0.3:  # a ventilation grille below
        top = int(height * random.uniform(0.75, 0.95))
        for y in range(top, height, max(2, height // 30)):
            cv2.line(page, (width // 10, y), (width - width // 10, y), color(random, 0, 90), 1)
    item = Print(things.shaded(random, page))
    return receding(random, item) if random.random() < 0.3 else item


def bowl(random: np.random.Generator, side: int, photographs: Photographs) -> Print:
    """Food in a bowl or a box, balls in a basket: something fine-grained with a plain rim around it."""
    width, height = side, max(12, int(side * random.uniform(0.45, 1.0)))
    size = (width, height)
    kinds = patterns.heap, patterns.heap, patterns.crowns, patterns.speckle, patterns.regions, patterns.fibres
    content = kinds[random.integers(len(kinds))](random, size)
    if len(photographs) and random.random() < 0.2:
        content = photographs.cut(random, size)
    for _ in range(int(random.integers(0, 14)) if random.random() < 0.5 else 0):  # sticks, leaves, a spoon
        place = (float(random.uniform(0, width)), float(random.uniform(0, height)))
        slim = side * random.uniform(0.02, 0.08)
        corners = cv2.boxPoints((place, (slim, slim * random.uniform(2, 7)), float(random.uniform(0, 180))))
        fill = color(random, 60, 255)
        cv2.fillConvexPoly(content, corners.astype(np.int32), fill, cv2.LINE_AA)
        lit = tuple(min(255, int(part * 1.25)) for part in fill)
        cv2.line(content, *(tuple(int(v) for v in corner) for corner in corners[:2]), lit, 1, cv2.LINE_AA)
    inner, outer = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint8)
    rim = min(width, height) * random.uniform(0.03, 0.2)
    low = random.uniform(0, 1)  # more of the near side is seen
    inside = int(rim), int(rim * (1 - low)) + 1, width - 1 - int(rim), height - 1 - int(rim * (1 + low))
    corner = 1.0 if random.random() < 0.6 else random.uniform(0.1, 0.6)
    _rounded(outer, (0, 0, width - 1, height - 1), corner, 255)
    _rounded(inner, inside, corner, 255)
    page = things.shaded(random, blank(size, color(random)))
    cv2.copyTo(things.shaded(random, content), inner, page)
    return Print(page, mask=outer)


def shirt(random: np.random.Generator, side: int, photographs: Photographs) -> Print:
    """Plain cloth with folds, and stripes, a word or an ornament on a part of it."""
    del photographs
    width, height = side, max(12, int(side * random.uniform(0.7, 1.4)))
    page = blank((width, height), color(random))
    striped = random.random() < 0.6
    if striped:  # evenly, over a part or all of it
        top, bottom = np.sort(random.uniform(0, height, 2)) if random.random() < 0.7 else (0, height)
        period, fill = max(2.0, height / random.uniform(6, 40)), color(random)
        share = random.uniform(0.2, 0.7)
        for y in np.arange(top, bottom, period):
            cv2.rectangle(page, (0, int(y)), (width, int(y + share * period)), fill, -1)
    for _ in range(int(random.integers(0 if striped else 1, 3))):
        wide = int(width * random.uniform(0.3, 1.0))
        kinds = things.bands, printed.lettering, printed.motif, printed.surface
        on_it = kinds[random.integers(len(kinds))](random, wide)[: max(2, height // 2), :wide]
        tall = on_it.shape[0]
        left, top = int(random.uniform(0, width - wide + 1)), int(random.uniform(0, height - tall))
        page[top : top + tall, left : left + on_it.shape[1]] = on_it
    if random.random() < 0.4:
        page = bend(random, page)
    mask = np.zeros((height, width), np.uint8)
    lean = width * random.uniform(0, 0.25)
    trunk = [(lean, 0), (width - lean, 0), (width, height), (0, height)]
    cv2.fillConvexPoly(mask, np.array(trunk, np.int32), 255)
    return Print(things.shaded(random, page), mask=mask)


def gap(random: np.random.Generator, side: int, photographs: Photographs) -> Print:
    """Something rough between smooth dark shapes: what is seen between legs, trunks, curtains or cars."""
    width, height = side, max(12, int(side * random.uniform(0.6, 1.6)))
    page = backdrop(random, (width, height), photographs, _SHARE)
    mask = np.zeros((height, width), np.uint8)
    y = np.linspace(-1, height + 1, 5)
    for edge, near in ((0, random.uniform(0.15, 0.45)), (width, random.uniform(0.55, 0.85))):
        x = width * (near + random.normal(0, 0.06, 5))
        outline = [(edge, -1), *zip(x, y), (edge, height + 1)]
        cv2.fillPoly(mask, [np.array(outline, np.int32)], 255, cv2.LINE_AA)
    smooth = patterns.gradient(random, (width, height))
    dark = cv2.convertScaleAbs(things.shaded(random, smooth), alpha=random.uniform(0.1, 0.7))
    part = mask[..., None] / np.float32(255)
    soft = dark * part + page * (1 - part)
    return Print(np.asarray(soft, np.uint8))


def receding(random: np.random.Generator, item: Print) -> Print:
    """The print seen along its side: its far end is smaller, and what is there lies closer together."""
    height, width = item.image.shape[:2]
    far = random.uniform(0.25, 0.8)
    lift = random.uniform(0, 1 - far)
    long = max(8, int(width * random.uniform(0.4, 1.0)))
    near, away = (0, width) if random.random() < 0.5 else (width, 0)
    ends = [(near, 0), (away, 0), (away, height), (near, height)]
    tops = 0, lift * height, (lift + far) * height, height
    seen = [(x * long / width, y) for (x, _), y in zip(ends, tops)]
    fine = 2  # warping alone would alias at the far end
    matrix = cv2.getPerspectiveTransform(np.array(ends, np.float32), np.array(seen, np.float32) * fine)
    size = (long * fine, height * fine)
    mask = item.mask if item.mask is not None else np.full((height, width), 255, np.uint8)
    warped = [
        cv2.resize(
            cv2.warpPerspective(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border),
            (long, height),
            interpolation=cv2.INTER_AREA,
        )
        for picture, border in ((item.image, cv2.BORDER_REPLICATE), (mask, cv2.BORDER_CONSTANT))
    ]
    return Print(warped[0], mask=warped[1])


def _rounded(page: Picture, box: Rectangle, corner: float, fill: int | tuple[int, int, int]) -> None:
    """A filled rectangle; ``corner`` is 0 for sharp corners, and 1 makes it an ellipse."""
    left, top, right, bottom = box
    wide, tall = right - left, bottom - top
    if wide < 1 or tall < 1:
        return
    if corner >= 1:
        middle = ((left + right) // 2, (top + bottom) // 2)
        cv2.ellipse(page, middle, (wide // 2, tall // 2), 0, 0, 360, fill, -1, cv2.LINE_AA)
        return
    reach = int(min(wide, tall) * corner / 2)
    cv2.rectangle(page, (left + reach, top), (right - reach, bottom), fill, -1)
    cv2.rectangle(page, (left, top + reach), (right, bottom - reach), fill, -1)
    for x in (left + reach, right - reach):
        for y in (top + reach, bottom - reach):
            cv2.circle(page, (x, y), reach, fill, -1, cv2.LINE_AA)


def _fitted(page: Picture, picture: Picture, box: Rectangle, share: float) -> None:
    """Puts a picture into the middle of a box, as large as the share of it allows."""
    left, top, right, bottom = box
    height, width = picture.shape[:2]
    scale = share * min((right - left) / width, (bottom - top) / height)
    wide, tall = int(width * scale), int(height * scale)
    if wide < 2 or tall < 2:
        return
    x, y = (left + right - wide) // 2, (top + bottom - tall) // 2
    page[y : y + tall, x : x + wide] = cv2.resize(picture, (wide, tall), interpolation=cv2.INTER_AREA)


def _split(random: np.random.Generator, box: Rectangle, depth: int) -> list[Rectangle]:
    """A rectangle cut into some: along or across, in halves or not."""
    left, top, right, bottom = box
    if depth == 0 or random.random() < 0.15:
        return [box]
    at = random.uniform(0.2, 0.8)
    if right - left > (bottom - top) * random.uniform(0.8, 2.5):
        x = int(left + at * (right - left))
        halves = (left, top, x, bottom), (x, top, right, bottom)
    else:
        y = int(top + at * (bottom - top))
        halves = (left, top, right, y), (left, y, right, bottom)
    return [piece for half in halves for piece in _split(random, half, depth - 1)]


def _words(random: np.random.Generator, page: Picture, box: Rectangle, ink: tuple[int, int, int]) -> None:
    """One to four centred lines of letters or figures."""
    left, top, right, bottom = box
    lines = int(random.integers(1, 5)) if bottom - top > 24 else 1
    step = (bottom - top) / lines
    font = int(random.choice([0, 2, 3, 4, 6]))
    for line in range(lines):
        count = int(random.integers(1, 4)) if random.random() < 0.3 else int(random.integers(4, 16))
        small = random.random() < 0.6
        letters = random.integers(97 if small else 48, 123 if small else 91, count)
        word = "".join(chr(int(letter)) for letter in letters).capitalize()
        (wide, tall), _ = cv2.getTextSize(word, font, 1.0, 1)
        scale = random.uniform(0.6, 0.9) * min((right - left) / wide, step / max(1, tall) * 0.75)
        thick = max(1, int(scale * random.uniform(0.8, 3.5)))
        place = (int((left + right - wide * scale) / 2), int(top + (line + 0.5) * step + tall * scale / 2))
        cv2.putText(page, word, place, font, scale, ink, thick, cv2.LINE_AA)
