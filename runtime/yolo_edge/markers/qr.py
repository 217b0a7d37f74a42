"""QR codes, by OpenCV's encoder. It has no Micro QR."""

from __future__ import annotations

import string
from functools import lru_cache

import numpy as np

from yolo_edge.markers.flat_code import FlatCode, Gray, scale_modules
from yolo_edge.packages import require_cv2

LEVELS = "LMQH"
"""Error correction levels, weakest first."""
QUIET_MODULES = 4
"""Light modules that ISO/IEC 18004 wants on each side."""
MOST_VERSIONS = 40
_PLAIN = string.ascii_letters + string.digits + "-._~/?=&"


def draw_qr(content: str, *, level: str = "M", version: int | None = None, module_px: int = 4) -> FlatCode:
    """Draws a QR code.

    Args:
        content: Text; the encoder takes the shortest mode that can say it.
        level: Error correction, one of ``LMQH``.
        version: 1 to 40, which is 17 + 4 * version modules a side; None takes the smallest that holds it.
        module_px: Pixels of a module.

    Raises:
        ValueError: A level or version that there is not, no content, or more than the version holds.
    """
    if level not in LEVELS or len(level) != 1:
        raise ValueError(f"level is {level!r}; it must be one of {', '.join(LEVELS)}")
    if version is not None and not 1 <= version <= MOST_VERSIONS:
        raise ValueError(f"version is {version}; it must be from 1 to {MOST_VERSIONS}, or None")
    if not content:
        raise ValueError("a QR code needs some content")
    modules = qr_modules(content, level, version)
    side = len(modules)
    padded = np.pad(modules, QUIET_MODULES, constant_values=255)
    start, end = QUIET_MODULES * module_px, (QUIET_MODULES + side) * module_px
    return FlatCode(
        "qr_code",
        f"QR version {(side - 17) // 4}-{level}",
        content,
        scale_modules(padded, module_px),
        (start, start, end, end),
        module_px,
    )


@lru_cache(maxsize=1024)
def qr_modules(content: str, level: str, version: int | None) -> Gray:
    """One pixel a module, no quiet zone, read-only. Kept, for encoding takes some milliseconds.

    Raises:
        ValueError: The content is too long.
    """
    cv2 = require_cv2("drawing QR codes")
    parameters = cv2.QRCodeEncoder_Params()
    parameters.correction_level = getattr(cv2, f"QRCodeEncoder_CORRECT_LEVEL_{level}")
    parameters.version = version or 0
    try:
        image = cv2.QRCodeEncoder_create(parameters).encode(content)
    except cv2.error as error:
        where = f"version {version}" if version else "any version"
        raise ValueError(
            f"{len(content)} characters do not fit into a QR code of {where} at level {level}"
        ) from error
    dark = np.flatnonzero((image == 0).any(axis=0))
    modules: Gray = np.ascontiguousarray(image[dark[0] : dark[-1] + 1, dark[0] : dark[-1] + 1])
    modules.setflags(write=False)
    return modules


def random_qr(random: np.random.Generator, *, module_px: int = 4, longest: int = 60) -> FlatCode:
    """Draws a QR code with digits, an address or plain text, at any level.

    Args:
        random: Where every choice comes from.
        module_px: Pixels of a module.
        longest: Most characters of the content.
    """
    length = int(random.integers(1, longest + 1))
    kind = random.integers(3)
    letters = string.digits if kind == 0 else _PLAIN
    content = "".join(letters[index] for index in random.integers(0, len(letters), length))
    if kind == 1:
        content = f"https://{content}"[: max(longest, 9)]
    return draw_qr(content, level=LEVELS[random.integers(4)], module_px=module_px)
