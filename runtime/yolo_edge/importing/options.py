"""What a user may say about a file that does not say it itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from yolo_edge.bundle import ChannelOrder
from yolo_edge.importing.yaml_subset import names_of, read_yaml_subset

Anchors = tuple[tuple[tuple[float, float], ...], ...]

_YAML = (".yaml", ".yml")
_LISTS = (*_YAML, ".txt", ".names")
_LARGEST_FILE = 1_000_000


@dataclass(frozen=True)
class ImportOptions:
    """Facts about a model. None means: take the file's word, and fail where it has none."""

    names: tuple[str, ...] | None = None
    """Class names by id."""

    anchors_px: Anchors | None = None
    """(width, height) in pixels of the anchors of each head, in the order of ``strides``, else the smallest
    stride first."""

    strides: tuple[int, ...] | None = None
    """Stride of each head, in the order of the anchors; for one tensor of all heads, of its rows."""

    size_hw: tuple[int, int] | None = None
    """Network size, (height, width) in pixels."""

    channels: ChannelOrder = "rgb"
    """Channel order that the network expects."""

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Subtracted from each 0..255 channel value."""

    scale: tuple[float, float, float] = (1 / 255, 1 / 255, 1 / 255)
    """Multiplied after the mean was subtracted; the default gives 0..1, as YOLOv5's tools expect."""


def parse_names(text: str) -> tuple[str, ...]:
    """Reads ``--names``: a file with one name a line, a YAML file with ``names:``, or names between commas.

    Raises:
        ValueError: There is no such file, or it holds no names.
    """
    path = Path(text)
    if path.suffix.lower() in _LISTS or path.is_file():
        try:
            if path.stat().st_size > _LARGEST_FILE:
                raise ValueError(f"{path}: has more than {_LARGEST_FILE} bytes; it cannot be a list of names")
            content = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ValueError(f"names: {path}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ValueError(f"names: {path}: is not text") from None
        if path.suffix.lower() in _YAML:
            names = names_of(read_yaml_subset(content))
            if names is None:
                raise ValueError(f"names: {path}: has no list names: that can be read; give one name a line")
        else:
            names = tuple(line.strip() for line in content.splitlines() if line.strip())
    else:
        names = tuple(part.strip() for part in text.split(","))
    if not names or not all(names):
        raise ValueError(f"names: {text!r} holds an empty list or an empty name")
    if not all(name.isprintable() for name in names):
        raise ValueError(f"names: {text!r} holds control characters")
    return names


def parse_anchors(text: str) -> Anchors:
    """Reads ``--anchors``: ``w,h,w,h,w,h/w,h,…``, one group per head, between ``/``.

    Raises:
        ValueError: Anything else.
    """
    heads = []
    for group in text.split("/"):
        try:
            numbers = [float(part) for part in group.split(",")]
        except ValueError:
            numbers = []
        if not numbers or len(numbers) % 2 or not all(math.isfinite(n) and n > 0 for n in numbers):
            raise ValueError(
                f"anchors: {group!r} is not a list of widths and heights in pixels; "
                "write w,h,w,h,w,h for each head and / between heads"
            )
        heads.append(tuple(zip(numbers[::2], numbers[1::2])))
    return tuple(heads)


def parse_strides(text: str) -> tuple[int, ...]:
    """Reads ``--strides``: ``8,16,32``.

    Raises:
        ValueError: Anything else, or a stride twice.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 0 < int(part) < 4096 for part in parts):
        raise ValueError(f"strides: {text!r} is not a list of whole numbers such as 8,16,32")
    strides = tuple(int(part) for part in parts)
    if len(set(strides)) < len(strides):
        raise ValueError(f"strides: {text!r} holds a stride twice")
    return strides


def parse_channel_values(text: str, what: str) -> tuple[float, float, float]:
    """Reads ``--mean`` or ``--scale``: one number, or three between commas.

    Raises:
        ValueError: Anything else.
    """
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in (1, 3) or not all(map(math.isfinite, values)):
        raise ValueError(f"{what}: {text!r} is not one number or three between commas")
    return values[0], values[len(values) // 2], values[-1]
