"""Pictures that carry their own clock: milliseconds and a frame number as black and white blocks.

The clock is ``time.monotonic``, which all processes of a machine share on Linux, so whoever decodes such a
picture knows its true age. Every bit is there twice, the second time inverted; blocks of 16 pixels survive
H.264 and JPEG. Needs numpy only, for the servers run with Debian's Python.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

BLOCK_PX = 16
_COLUMNS = 24
_CLOCK_BITS, _NUMBER_BITS = 32, 16
_ROWS = 2 * (_CLOCK_BITS + _NUMBER_BITS) // _COLUMNS
HEIGHT, WIDTH = _ROWS * BLOCK_PX, _COLUMNS * BLOCK_PX


class Stamp(NamedTuple):
    """What a picture says about itself."""

    clock_s: float
    number: int


def stamp(image: np.ndarray, number: int, clock_s: float | None = None) -> None:
    """Draws the clock (now, if None) and a frame number into the top left of a picture of (>=64, >=384)."""
    clock_ms = round((time.monotonic() if clock_s is None else clock_s) * 1e3) % 2**_CLOCK_BITS
    value = clock_ms << _NUMBER_BITS | number % 2**_NUMBER_BITS
    count = _CLOCK_BITS + _NUMBER_BITS
    bits = np.array([value >> (count - 1 - bit) & 1 for bit in range(count)], np.uint8)
    blocks = np.concatenate([bits, 1 - bits]).reshape(_ROWS, _COLUMNS) * 255
    pixels = blocks.repeat(BLOCK_PX, 0).repeat(BLOCK_PX, 1)
    image[:HEIGHT, :WIDTH] = pixels if image.ndim == 2 else pixels[..., None]


def read_stamp(image: np.ndarray) -> Stamp:
    """Reads it back.

    Raises:
        ValueError: The picture has no whole stamp: it is grey, torn or of another source.
    """
    if image.shape[0] < HEIGHT or image.shape[1] < WIDTH:
        raise ValueError(f"a picture of {image.shape} has no room for a stamp")
    gray = image[:HEIGHT, :WIDTH].reshape(HEIGHT, WIDTH, -1).mean(2)
    blocks = gray.reshape(_ROWS, BLOCK_PX, _COLUMNS, BLOCK_PX)[:, 4:-4, :, 4:-4].mean((1, 3)).ravel()
    bits, inverted = np.split(blocks, 2)
    if np.abs(bits - inverted).min() < 96:
        raise ValueError("a block is neither black nor white")
    value = int("".join("1" if bit else "0" for bit in bits > inverted), 2)
    clock_ms = value >> _NUMBER_BITS
    # The picture holds the lowest 32 bits: it is from the last 49 days.
    now_ms = round(time.monotonic() * 1e3)
    age_ms = (now_ms - clock_ms) % 2**_CLOCK_BITS
    if age_ms > 2**31:
        age_ms -= 2**_CLOCK_BITS
    return Stamp((now_ms - age_ms) / 1e3, value % 2**_NUMBER_BITS)
