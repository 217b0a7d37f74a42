"""One labelled scene from a seed and a number."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from yolo_edge.markers.view import Points
from yolo_edge.packages import require_cv2
from yolo_train.scenes import camera
from yolo_train.scenes.lookalikes import lookalike
from yolo_train.scenes.patterns import color
from yolo_train.scenes.photographs import Photographs, backdrop, bend
from yolo_train.scenes.placing import paste, posed
from yolo_train.scenes.prints import code_print
from yolo_train.scenes.settings import MIN_VISIBLE, SceneSettings
from yolo_train.scenes.surface import area

cv2 = require_cv2("drawing scenes")

Picture = npt.NDArray[np.uint8]

_TRIES = 16
"""Places that are tried for a print before it is left out."""


@dataclass(frozen=True)
class Scene:
    """A picture and what is in it."""

    image: Picture
    """uint8 (side, side, 3), BGR."""
    class_ids: npt.NDArray[np.int32]
    """(n,): indices into :data:`yolo_edge.markers.CLASS_NAMES`."""
    boxes_xyxy: npt.NDArray[np.float64]
    """(n, 4): left, top, right, bottom of what is visible of each code's modules, in pixels."""
    outlines: tuple[Points, ...]
    """Outline of each code's modules, also where it is hidden or outside."""
    hidden: Picture
    """uint8 (side, side), 255 where something lies over the prints."""
    jpeg_quality: int
    """At which the scene is to be written."""


@dataclass
class _Code:
    class_id: int
    outline: Points
    box: tuple[float, float, float, float]
    visible: float
    """Share of its area."""


def draw_scene(
    seed: int, index: int, settings: SceneSettings, *, side: int = 416, photographs: Photographs | None = None
) -> Scene:
    """Draws a scene; the same arguments give the same pixels.

    Args:
        seed: Of the whole set.
        index: Which scene of it.
        settings: What it may be like.
        side: Width and height in pixels.
        photographs: For backgrounds; without, all is drawn.

    Raises:
        ValueError: The side is below 64 pixels, or a number negative.
    """
    if side < 64:
        raise ValueError(f"side is {side}; it must be at least 64 pixels")
    random = np.random.default_rng([seed, settings.number, index])
    photographs = photographs if photographs is not None else Photographs()
    picture = _background(random, settings, side, photographs)
    if random.random() < settings.collage / 2:
        picture = bend(random, picture)
    for _ in range(int(random.integers(settings.distractors[0], settings.distractors[1] + 1))):
        _add_lookalike(random, settings, picture, side, photographs)
    codes: list[_Code] = []
    hidden = np.zeros((side, side), np.uint8)
    if random.random() >= settings.empty:
        count = 1 + int(random.choice(len(settings.prints), p=settings.prints))
        taken: list[tuple[float, float, float, float]] = []
        for _ in range(count):
            codes += _add_codes(random, settings, picture, side, photographs, taken)
        _occlude(random, settings, picture, hidden, codes, photographs)
    picture = camera.light(random, settings, picture)
    picture = camera.blur(random, settings, picture)
    picture = camera.expose(random, settings, picture)
    picture = camera.noise(random, settings, picture)
    quality = int(random.integers(settings.jpeg_quality[0], settings.jpeg_quality[1] + 1))
    return Scene(
        picture,
        np.array([code.class_id for code in codes], np.int32),
        np.array([code.box for code in codes], np.float64).reshape(-1, 4),
        tuple(code.outline for code in codes),
        hidden,
        quality,
    )


def _background(
    random: np.random.Generator, settings: SceneSettings, side: int, photographs: Photographs
) -> Picture:
    if len(photographs) and random.random() < settings.collage:
        return photographs.collage(random, (side, side))
    picture = backdrop(random, (side, side), photographs, 0.62)
    if random.random() < 0.25:  # two surfaces meet: a table and a wall
        other = backdrop(random, (side, side), photographs, 0.5)
        cut = random.uniform(0.2, 0.8, 2) * side
        half = np.zeros((side, side), np.uint8)
        cv2.fillPoly(half, [np.array([(0, cut[0]), (side, cut[1]), (side, side), (0, side)], np.int32)], 255)
        if random.random() < 0.4:
            half = half.T.copy()
        cv2.copyTo(other, half, picture)
    return picture


def _add_lookalike(
    random: np.random.Generator,
    settings: SceneSettings,
    picture: Picture,
    side: int,
    photographs: Photographs,
) -> None:
    seen = side * math.exp(random.uniform(math.log(0.08), math.log(0.9)))
    item = lookalike(random, max(16, int(seen * 1.1)), photographs)
    placed = posed(random, settings, item, seen)
    x, y = random.uniform(-0.1, 1.1, 2) * side
    paste(picture, placed.moved(x, y), random, settings)


def _add_codes(
    random: np.random.Generator,
    settings: SceneSettings,
    picture: Picture,
    side: int,
    photographs: Photographs,
    taken: list[tuple[float, float, float, float]],
) -> list[_Code]:
    """Puts one print with codes where it covers none of the others; nothing where there is no such place."""
    item, seen = code_print(random, settings, side, photographs)
    placed = posed(random, settings, item, min(seen, 0.95 * side))
    left, top, right, bottom = placed.bounds()
    may_cut = random.random() < settings.cut
    for _ in range(_TRIES):
        x, y = random.uniform(0, side, 2)
        if not may_cut:
            x = _inside(x, left, right, side)
            y = _inside(y, top, bottom, side)
        moved = placed.moved(x, y)
        bounds = moved.bounds()
        if any(_overlap(bounds, other) for other in taken):
            continue
        found = [_code(class_id, points, side) for class_id, points in moved.outlines]
        least = MIN_VISIBLE + 0.15 if may_cut else 0.98
        if min(code.visible for code in found) < least:
            continue
        if moved.multiplies and not _takes_ink(picture, bounds):
            moved = replace(moved, multiplies=False)
        paste(picture, moved, random, settings)
        taken += [_with_quiet_zone(points) for _, points in moved.outlines]
        return found
    return []


def _inside(at: float, low: float, high: float, side: int) -> float:
    """A shift that keeps low..high within the picture; the middle where it is too large for it."""
    if high - low >= side:
        return (side - (low + high)) / 2
    return -low + (at / side) * (side - (high - low))


def _with_quiet_zone(points: Points) -> tuple[float, float, float, float]:
    """Bounds of a code and of what no other print may cover, a tenth of it on each side."""
    low, high = points.min(axis=0), points.max(axis=0)
    edge = (high - low).max() / 10
    return float(low[0] - edge), float(low[1] - edge), float(high[0] + edge), float(high[1] + edge)


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _takes_ink(picture: Picture, bounds: tuple[float, float, float, float]) -> bool:
    """Whether ink shows there: a light and rather plain surface."""
    left, top, right, bottom = (max(0, int(edge)) for edge in bounds)
    roi = picture[top : bottom + 1, left : right + 1]
    mean, deviation = cv2.meanStdDev(cv2.cvtColor(roi, cv2.COLOR_BGR2GRAY))
    return bool(mean[0, 0] > 120 and deviation[0, 0] < 40)


def _code(class_id: int, points: Points, side: int) -> _Code:
    """A code that nothing covers: its box is that of the part within the picture."""
    inside = clip_polygon(points, side)
    if len(inside) < 3:
        return _Code(class_id, points, (0, 0, 0, 0), 0.0)
    (left, top), (right, bottom) = inside.min(axis=0), inside.max(axis=0)
    whole = area(points)
    box = (float(left), float(top), float(right), float(bottom))
    return _Code(class_id, points, box, area(inside) / whole if whole > 0 else 0.0)


def clip_polygon(points: Points, side: int) -> Points:
    """The part of a polygon that lies within the picture (Sutherland and Hodgman's way)."""
    kept = [tuple(point) for point in points]
    for axis, limit, sign in ((0, 0.0, 1), (0, float(side), -1), (1, 0.0, 1), (1, float(side), -1)):
        given, kept = kept, []
        for number, point in enumerate(given):
            before = given[number - 1]
            inside, was_inside = sign * (point[axis] - limit) >= 0, sign * (before[axis] - limit) >= 0
            if inside != was_inside:
                t = (limit - before[axis]) / (point[axis] - before[axis])
                across = before[1 - axis] + t * (point[1 - axis] - before[1 - axis])
                kept.append((across, limit) if axis else (limit, across))  # exactly on the edge
            if inside:
                kept.append(point)
    return np.array(kept, np.float64).reshape(-1, 2)


def _occlude(
    random: np.random.Generator,
    settings: SceneSettings,
    picture: Picture,
    hidden: Picture,
    codes: list[_Code],
    photographs: Photographs,
) -> None:
    """Lays fingers, tape and other things over some codes, and shrinks their boxes to what is left."""
    side = picture.shape[0]
    for code in codes:
        if random.random() >= settings.occluded:
            continue
        left, top, right, bottom = code.box
        size = min(right - left, bottom - top)
        border = code.outline[random.integers(len(code.outline))]
        middle = code.outline.mean(axis=0)
        place = border + (middle - border) * random.uniform(-0.1, 0.5)
        over = np.zeros((side, side), np.uint8)
        angle = float(random.uniform(0, 180))
        kind = random.integers(3)
        fixed = (int(place[0] * 16), int(place[1] * 16))
        if kind == 0:
            axes = (int(size * random.uniform(0.3, 0.9) * 16), int(size * random.uniform(0.1, 0.25) * 16))
            cv2.ellipse(over, fixed, axes, angle, 0, 360, 255, -1, cv2.LINE_8, 4)
        else:
            wide, tall = size * random.uniform(0.15, 0.6), size * random.uniform(0.15, 1.2)
            corners = cv2.boxPoints(((float(place[0]), float(place[1])), (float(wide), float(tall)), angle))
            cv2.fillConvexPoly(over, corners.astype(np.int32), 255)
        all_hidden = cv2.bitwise_or(hidden, over)
        shrunk = [_visible(other, all_hidden) for other in codes]
        if any(share < MIN_VISIBLE for share, _ in shrunk):
            continue
        hidden[...] = all_hidden
        for other, (share, box) in zip(codes, shrunk):
            other.visible, other.box = share, box
        if kind == 2 and len(photographs):
            filled = photographs.cut(random, (side, side))
            cv2.copyTo(filled, over, picture)
        else:
            skin = np.array((120, 150, 205)) * random.uniform(0.4, 1.15)
            fill = tuple(int(min(255, part)) for part in skin) if kind == 0 else color(random)
            picture[over > 0] = fill


def _visible(code: _Code, hidden: Picture) -> tuple[float, tuple[float, float, float, float]]:
    """Share of a code's area that is in the picture and not hidden, and the bounds of that part."""
    side = hidden.shape[0]
    mask = code_mask(code.outline, side)
    inside = cv2.countNonZero(mask)
    mask[hidden > 0] = 0
    if cv2.countNonZero(mask) == inside:
        return code.visible, code.box
    x, y, width, height = cv2.boundingRect(mask)
    left, top, right, bottom = code.box
    # Where the part that is left reaches the code's own edge, that edge is known exactly.
    box = (
        max(left, float(x)),
        max(top, float(y)),
        min(right, float(x + width)),
        min(bottom, float(y + height)),
    )
    return cv2.countNonZero(mask) / max(area(code.outline), 1.0), box


def code_mask(points: Points, side: int) -> Picture:
    """uint8 (side, side), 255 where a code's modules are."""
    mask = np.zeros((side, side), np.uint8)
    # cv2.fillPoly draws edges that leave the picture up to some pixels beside their place.
    fixed = np.round((clip_polygon(points, side) - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(mask, [fixed], 255, cv2.LINE_8, 4)
    return mask
