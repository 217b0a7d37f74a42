"""1-D bar codes, drawn from the tables of their public standards."""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any

import numpy as np

from yolo_edge.markers.barcodes.code128 import code128
from yolo_edge.markers.barcodes.ean import ean8, ean13, upc_a
from yolo_edge.markers.barcodes.symbol import BarcodeSymbol
from yolo_edge.markers.barcodes.two_width import code39, itf
from yolo_edge.markers.flat_code import FlatCode, Gray
from yolo_edge.packages import require_cv2

__all__ = ["SYMBOLOGIES", "BarcodeSymbol", "draw_barcode", "random_barcode"]

SYMBOLOGIES: dict[str, Callable[[str], BarcodeSymbol]] = {
    "Code 128": code128,
    "Code 39": code39,
    "EAN-13": ean13,
    "EAN-8": ean8,
    "ITF": itf,
    "UPC-A": upc_a,
}
"""Encoders by the name of the standard."""

_DIGITS_HEIGHT = 9
"""Height in modules of the digits below, as EAN's nominal print has it."""
_GUARD_DROP = 5
"""Modules that EAN's guard bars reach below the others."""


def draw_barcode(
    symbology: str, content: str, *, height: int = 60, with_digits: bool = True, module_px: int = 2
) -> FlatCode:
    """Draws a bar code.

    Args:
        symbology: One of :data:`SYMBOLOGIES`.
        content: What it says, as that standard allows.
        height: Height of the bars in modules.
        with_digits: Whether the content stands below in plain figures.
        module_px: Pixels of a module.

    Returns:
        The code; its extent holds the bars, guard bars included, and not the figures.

    Raises:
        ValueError: An unknown symbology, a content it cannot say, or a height below 1.
    """
    if symbology not in SYMBOLOGIES:
        raise ValueError(f"symbology is {symbology!r}; known: {', '.join(sorted(SYMBOLOGIES))}")
    if height < 1:
        raise ValueError(f"height is {height}; it must be a whole number of at least 1")
    symbol = SYMBOLOGIES[symbology](content)
    drop = _GUARD_DROP if symbol.guards and with_digits else 0
    below = _DIGITS_HEIGHT + 2 if with_digits else 0
    left, right = symbol.quiet
    margin = 2
    rows = margin + height + max(drop, below) + margin
    image = np.full((rows * module_px, (left + len(symbol.bits) + right) * module_px), 255, np.uint8)
    line = np.where(np.array(list(symbol.bits)) == "1", 0, 255).astype(np.uint8).repeat(module_px)
    x0, y0 = left * module_px, margin * module_px
    x1, y1 = x0 + len(line), y0 + height * module_px
    image[y0:y1, x0:x1] = line
    if with_digits:
        _write(image, symbol, (x0, x1), y1 + module_px, module_px)
    if drop:
        for start, end in symbol.guards:
            columns = slice(start * module_px, end * module_px)
            image[y1 : y1 + drop * module_px, x0:x1][:, columns] = line[columns]
    extent = (x0, y0, x1, y1 + drop * module_px)
    return FlatCode("barcode", symbol.symbology, symbol.content, image, extent, module_px)


def random_barcode(random: np.random.Generator, *, module_px: int = 2) -> FlatCode:
    """Draws a bar code of any symbology; EAN-13 and Code 128 are the most frequent, as they are in shops."""
    names = ("EAN-13", "EAN-8", "UPC-A", "Code 128", "Code 39", "ITF")
    name = names[random.choice(len(names), p=(0.32, 0.08, 0.15, 0.25, 0.1, 0.1))]
    fixed = {"EAN-13": 12, "EAN-8": 7, "UPC-A": 11}
    if name in fixed:
        content = _text(random, string.digits, fixed[name])
    elif name == "ITF":
        content = _text(random, string.digits, 2 * int(random.integers(2, 8)))
    elif name == "Code 39":
        content = _text(random, string.digits + string.ascii_uppercase + "-", int(random.integers(3, 11)))
    else:
        letters = string.digits if random.random() < 0.5 else string.digits + string.ascii_letters + "-/"
        content = _text(random, letters, int(random.integers(4, 17)))
    width = len(SYMBOLOGIES[name](content).bits)
    height = max(8, round(width * random.uniform(0.15, 0.8)))
    digits_below = bool(random.random() < 0.65)
    return draw_barcode(name, content, height=height, with_digits=digits_below, module_px=module_px)


def _text(random: np.random.Generator, letters: str, length: int) -> str:
    return "".join(letters[index] for index in random.integers(0, len(letters), length))


def _write(image: Gray, symbol: BarcodeSymbol, columns: tuple[int, int], top: int, module_px: int) -> None:
    """The content in figures below the bars: by halves between the guards for EAN and UPC, else centred."""
    if not symbol.guards:
        _write_centred(image, symbol.content, columns, top, module_px)
        return
    x0 = columns[0]
    (_, a), (b, c), (d, end) = symbol.guards
    half = len(symbol.content) // 2
    first, left, right, last = "", symbol.content[:half], symbol.content[half:], ""
    if symbol.symbology == "EAN-13":
        first, left, right = symbol.content[0], symbol.content[1:7], symbol.content[7:]
    elif symbol.symbology == "UPC-A":
        first, left, right, last = left[0], left[1:], right[:-1], right[-1]
    places = ((first, -8, -1), (left, a, b), (right, c, d), (last, end + 1, end + 8))
    for text, start, stop in places:
        if text:
            _write_centred(image, text, (x0 + start * module_px, x0 + stop * module_px), top, module_px)


def _write_centred(image: Gray, text: str, columns: tuple[int, int], top: int, module_px: int) -> None:
    cv2: Any = require_cv2("drawing bar codes")
    font, height_px = cv2.FONT_HERSHEY_SIMPLEX, _DIGITS_HEIGHT * module_px
    (width, height), _ = cv2.getTextSize(text, font, 1.0, 1)
    scale = min(height_px / height, 0.96 * (columns[1] - columns[0]) / width)
    x = (columns[0] + columns[1] - scale * width) / 2
    thickness = max(1, round(scale * 1.6))
    place = (round(x), top + round((height_px + scale * height) / 2))
    cv2.putText(image, text, place, font, scale, 0, thickness, cv2.LINE_AA)
