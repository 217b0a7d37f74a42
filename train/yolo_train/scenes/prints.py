"""Paper, labels, boards and screens with codes on them, seen from the front."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from yolo_edge.markers import FlatCode, random_barcode, random_fiducial, random_qr
from yolo_edge.markers.flat_code import scale_modules
from yolo_edge.packages import require_cv2
from yolo_train.scenes.patterns import blank, color, pattern
from yolo_train.scenes.photographs import Photographs
from yolo_train.scenes.settings import SceneSettings

cv2 = require_cv2("drawing scenes")

Picture = npt.NDArray[np.uint8]
Extent = tuple[float, float, float, float]


@dataclass
class Print:
    """A flat thing that is put into a scene."""

    image: Picture
    """uint8 (height, width, 3), BGR."""
    codes: list[tuple[int, Extent]] = field(default_factory=list)
    """Class ids with left, top, right, bottom of their modules in pixels of ``image``."""
    mask: Picture | None = None
    """uint8 (height, width), 255 where the thing is; None is everywhere."""
    multiplies: bool = False
    """Ink without paper: it darkens what is behind."""
    bends: bool = True
    """Whether it may be curled."""


def ink_and_paper(
    random: np.random.Generator, settings: SceneSettings
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Two colours with enough contrast, the second the lighter one."""
    contrast = random.uniform(*settings.contrast)
    light = random.uniform(max(contrast, 0.55), 1.0)
    if random.random() < 0.6:  # black on white, mostly
        tints = np.ones((2, 3), np.float32) + random.normal(0, 0.03, (2, 3)).astype(np.float32)
    else:
        tints = random.uniform(0.55, 1.3, (2, 3)).astype(np.float32)
    ink = np.clip(255 * (light - contrast) * tints[0], 0, 255)
    paper = np.clip(255 * light * (tints[1] / tints[1].mean()), 0, 255)
    return ink.astype(np.float32), paper.astype(np.float32)


def colored(
    gray: Picture, ink: npt.NDArray[np.float32], paper: npt.NDArray[np.float32], inverted: bool = False
) -> Picture:
    """A gray print in two colours."""
    if inverted:
        ink, paper = paper, ink
    ramp = np.arange(256, dtype=np.float32)[:, None] / 255
    table = (ink + (paper - ink) * ramp).astype(np.uint8)
    out: Picture = cv2.LUT(cv2.merge([gray, gray, gray]), table[None])
    return out


def write_text(
    random: np.random.Generator,
    image: Picture,
    box: tuple[int, int, int, int],
    fill: tuple[int, int, int],
    line_px: int,
) -> None:
    """Lines of words, or what looks like them, inside left, top, right, bottom."""
    left, top, right, bottom = box
    if line_px < 3 or right - left < 4:
        return
    font = int(random.choice([0, 0, 1, 2, 3, 4]))
    letters = "abcdefghijklmnopqrstuvwxyz     ABCDEFGHIKLMNOPRSTUVWZ0123456789.,-:/"
    y = top + line_px
    while y <= bottom:
        count = int((right - left) / (0.62 * line_px) * random.uniform(0.4, 1.0))
        if line_px >= 7:
            words = "".join(letters[index] for index in random.integers(0, len(letters), max(1, count)))
            thickness = 1 if line_px < 22 or random.random() < 0.5 else 2
            place = (left, y - line_px // 4)
            cv2.putText(image, words, place, font, line_px / 34, fill, thickness, cv2.LINE_AA)
        else:  # too small to read: strokes
            x = left
            for _ in range(max(1, count // 4)):
                wide = int(random.integers(1, 5) * line_px * 0.6) + 1
                cv2.rectangle(image, (x, y - line_px // 2), (min(right, x + wide), y - 1), fill, -1)
                x += wide + max(1, line_px // 2)
                if x >= right:
                    break
        y += int(line_px * 1.45) + 1


def random_flat_code(
    random: np.random.Generator, settings: SceneSettings, side: int, class_id: int | None = None
) -> tuple[FlatCode, int]:
    """A code, and the longer side in pixels that it is to be seen at."""
    class_id = int(random.choice(3, p=(0.36, 0.30, 0.34))) if class_id is None else class_id
    low, high = settings.code_side
    seen = int(side * np.exp(random.uniform(np.log(low), np.log(high))))
    if class_id == 0:
        # A pool of contents: encoding one takes as long as the rest of the scene.
        content = np.random.default_rng([7, int(random.integers(384))])
        code = random_qr(content, module_px=1, longest=14 if seen < 60 else 40 if seen < 120 else 90)
    elif class_id == 1:
        code = random_fiducial(random, module_px=1)
    else:
        code = random_barcode(random, module_px=1)
    return code, max(seen, _least_px(code, settings, side))


def _least_px(code: FlatCode, settings: SceneSettings, side: int) -> int:
    """Pixels that the longer side of a code must have to be seen as one."""
    left, top, right, bottom = code.extent
    modules = max(right - left, bottom - top) // code.module_px
    per_module = settings.module_px * (2.2 if code.class_name == "marker" else 1.0)
    return max(26 * side // 416, round(modules * per_module * side / 416))


def enlarged(code: FlatCode, module_px: int) -> tuple[Picture, Extent]:
    """A code drawn at one pixel a module, at more of them."""
    left, top, right, bottom = (float(edge * module_px) for edge in code.extent)
    return scale_modules(code.image, module_px), (left, top, right, bottom)


def code_print(
    random: np.random.Generator, settings: SceneSettings, side: int, photographs: Photographs
) -> tuple[Print, int]:
    """A print with one code or more, and the longer side at which its first code is to be seen."""
    kind = random.random()
    if kind < 0.05:
        return _board(random, settings, side)
    code, seen = random_flat_code(random, settings, side)
    left, top, right, bottom = code.extent
    modules = max(right - left, bottom - top)
    module_px = max(1, min(-(-seen * 5 // (4 * modules)), 1 + 500 // modules))
    gray, extent = enlarged(code, module_px)
    if code.class_name == "barcode" and module_px == 1 and gray.shape[0] < 24:
        gray = cv2.resize(gray, (gray.shape[1], 24), interpolation=cv2.INTER_NEAREST)
        stretch = 24 / code.image.shape[0]
        extent = (extent[0], extent[1] * stretch, extent[2], extent[3] * stretch)
    ink, paper = ink_and_paper(random, settings)
    inverted = bool(code.class_name != "barcode" and random.random() < settings.inverted)
    image = colored(gray, ink, paper, inverted)
    found = [(code.class_id, extent)]
    if kind < 0.17 and not inverted:  # ink straight on the thing
        multiplied = colored(gray, ink / max(1.0, float(paper.max())) * 255, np.full(3, 255, np.float32))
        return Print(multiplied, found, multiplies=True), seen
    if kind < 0.45:  # cut out along its quiet zone
        return Print(image, found), seen
    blue, green, red = ink if inverted else paper
    ground = int(blue), int(green), int(red)
    if kind < 0.70:
        return _sheet(random, image, found, ground), seen
    if kind < 0.88:
        return _label(random, settings, side, image, found, seen, photographs), seen
    return _screen(random, image, found), seen


def _longer(extent: Extent) -> float:
    return max(extent[2] - extent[0], extent[3] - extent[1])


def _place(image: Picture, piece: Picture, x: int, y: int) -> None:
    image[y : y + piece.shape[0], x : x + piece.shape[1]] = piece


def _moved(codes: list[tuple[int, Extent]], x: float, y: float) -> list[tuple[int, Extent]]:
    return [(name, (box[0] + x, box[1] + y, box[2] + x, box[3] + y)) for name, box in codes]


def _sheet(
    random: np.random.Generator, code: Picture, codes: list[tuple[int, Extent]], ground: tuple[int, int, int]
) -> Print:
    """A sheet with margins, and perhaps words above and below."""
    height, width = code.shape[:2]
    margins = (random.uniform(0, 0.6, 4) * min(max(width, height), 3 * min(width, height))).astype(int) + 1
    left, top, right, bottom = (int(margin) for margin in margins)
    sheet = blank((width + left + right, height + top + bottom), ground)
    _place(sheet, code, left, top)
    line = max(4, int(random.uniform(0.06, 0.2) * width))
    fill = color(random, 0, 120)
    if random.random() < 0.5:
        write_text(random, sheet, (left // 2 + 2, 1, sheet.shape[1] - right // 2 - 2, top - 2), fill, line)
    if random.random() < 0.5:
        below = (left // 2 + 2, top + height + 2, sheet.shape[1] - right // 2 - 2, sheet.shape[0] - 2)
        write_text(random, sheet, below, fill, line)
    if random.random() < 0.2:
        cv2.rectangle(
            sheet, (0, 0), (sheet.shape[1] - 1, sheet.shape[0] - 1), color(random), max(1, width // 40)
        )
    return Print(sheet, _moved(codes, left, top))


def _label(
    random: np.random.Generator,
    settings: SceneSettings,
    side: int,
    code: Picture,
    codes: list[tuple[int, Extent]],
    seen: int,
    photographs: Photographs,
) -> Print:
    """A product's label or a carton: colours, words, the code in a light field, sometimes a second code."""
    height, width = code.shape[:2]
    room = max(width, height)
    wide, tall = int(width + random.uniform(0.2, 1.2) * room), int(height + random.uniform(0.2, 1.2) * room)
    if len(photographs) and random.random() < 0.3:
        label = photographs.cut(random, (wide, tall))
    elif random.random() < 0.4:
        label = pattern(random, (wide, tall))
    else:
        label = blank((wide, tall), color(random, 60, 255))
    x, y = int(random.integers(0, wide - width + 1)), int(random.integers(0, tall - height + 1))
    fill = color(random, 0, 110)
    line = max(4, int(random.uniform(0.05, 0.16) * wide))
    for _ in range(int(random.integers(1, 4))):
        corner = (int(random.integers(0, wide)), int(random.integers(0, tall)))
        write_text(random, label, (corner[0] // 2, corner[1] // 2, wide - 2, corner[1]), fill, line)
    if random.random() < 0.4:
        cut = int(random.integers(0, max(1, tall)))
        cv2.rectangle(label, (0, cut), (wide, cut + max(2, tall // 8)), color(random), -1)
    found = _moved(codes, x, y)
    _place(label, code, x, y)
    free_right, free_below = wide - x - width, tall - y - height
    if random.random() < 0.35 and max(free_right, free_below) > 30:
        second, _ = random_flat_code(random, settings, side)
        gray, box = enlarged(second, max(1, max(width, height) // max(second.image.shape) // 2))
        at = (x + width, y) if free_right > free_below else (x, y + height)
        visible = seen * _longer(box) / _longer(codes[0][1]) >= _least_px(second, settings, side)
        if visible and gray.shape[1] <= wide - at[0] and gray.shape[0] <= tall - at[1]:
            _place(label, colored(gray, *ink_and_paper(random, settings)), *at)
            found += _moved([(second.class_id, box)], *at)
    mask = None
    if random.random() < 0.3:
        mask = np.zeros(label.shape[:2], np.uint8)
        reach = min(wide - width, tall - height, min(wide, tall) // 6) // 2
        rounded = max(1, min(reach, min(x, y) + 1))
        cv2.rectangle(mask, (rounded, 0), (wide - rounded, tall), 255, -1)
        cv2.rectangle(mask, (0, rounded), (wide, tall - rounded), 255, -1)
        for corner in (
            (rounded, rounded),
            (wide - rounded, rounded),
            (rounded, tall - rounded),
            (wide - rounded, tall - rounded),
        ):
            cv2.circle(mask, corner, rounded, 255, -1)
    return Print(label, found, mask)


def _screen(random: np.random.Generator, code: Picture, codes: list[tuple[int, Extent]]) -> Print:
    """A phone or a monitor: a lit picture in a dark frame."""
    height, width = code.shape[:2]
    room = max(width, height)
    bezel = max(2, int(random.uniform(0.03, 0.12) * room))
    left, right = (int(part) for part in random.uniform(0.02, 0.4, 2) * room)
    top, bottom = (int(part) for part in random.uniform(0.02, 0.9, 2) * room)
    lit = blank(
        (width + left + right, height + top + bottom),
        color(random, 150, 255) if random.random() < 0.6 else color(random, 10, 90),
    )
    _place(lit, code, left, top)
    line = max(4, int(0.09 * room))
    write_text(random, lit, (4, top + height + 2, lit.shape[1] - 4, lit.shape[0] - 4), color(random), line)
    framed = cv2.copyMakeBorder(
        lit, bezel, bezel, bezel, bezel, cv2.BORDER_CONSTANT, value=color(random, 5, 70)
    )
    return Print(np.asarray(framed, np.uint8), _moved(codes, left + bezel, top + bezel), bends=False)


def _board(random: np.random.Generator, settings: SceneSettings, side: int) -> tuple[Print, int]:
    """Several markers on one board, apart or in the light squares of a chessboard (ChArUco)."""
    rows, columns = int(random.integers(2, 4)), int(random.integers(2, 4))
    chess = random.random() < 0.4
    first = random_fiducial(random, module_px=1)
    modules = len(first.image) - 2
    _, seen = random_flat_code(random, settings, side, class_id=1)
    seen = min(seen, int(side / (1.4 * max(rows, columns))))
    module_px = max(1, -(-seen * 5 // (4 * modules)))
    pitch = int((modules + 2) * module_px * random.uniform(1.0, 1.5))
    sheet = np.full((rows * pitch, columns * pitch), 255, np.uint8)
    codes: list[tuple[int, Extent]] = []
    for row in range(rows):
        for column in range(columns):
            y, x = row * pitch, column * pitch
            if chess and (row + column) % 2:
                sheet[y : y + pitch, x : x + pitch] = 0
                continue
            code = random_fiducial(random, module_px=1)
            while len(code.image) - 2 > modules:
                code = random_fiducial(random, module_px=1)
            gray, box = enlarged(code, module_px)
            x, y = x + (pitch - gray.shape[1]) // 2, y + (pitch - gray.shape[0]) // 2
            _place(sheet, gray, x, y)
            codes += _moved([(code.class_id, box)], x, y)
    margin = int(random.integers(0, pitch // 2 + 1))
    sheet = np.pad(sheet, margin, constant_values=255)
    image = colored(sheet, *ink_and_paper(random, settings))
    return Print(image, _moved(codes, margin, margin)), max(seen, 24)
