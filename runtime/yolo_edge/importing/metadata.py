"""What exporters write beside or into a model: names, stride, size and task."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolo_edge.importing.yaml_subset import names_of, read_yaml_subset

_LARGEST = 1_000_000
_STRINGS = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
_FLAT = re.compile(r"\s*(?:\{[\s\d,:]*\}|\[[\s\d,]*\])\s*")


@dataclass(frozen=True)
class Metadata:
    """What a file says of itself; None where it does not."""

    names: tuple[str, ...] | None = None
    stride: int | None = None
    size_hw: tuple[int, int] | None = None
    task: str | None = None
    notes: tuple[str, ...] = ()
    """What was there but could not be used, one sentence each."""


def metadata_of_onnx(properties: Mapping[str, str]) -> Metadata:
    """Reads ``metadata_props`` as YOLOv5 and Ultralytics write them; values are texts of Python literals."""
    notes = []
    names = None
    if "names" in properties:
        names = _names(_literal(properties["names"]))
        if names is None:
            notes.append("the names in the file's metadata cannot be read and were left out")
    return Metadata(
        names=names,
        stride=_positive(properties.get("stride")),
        size_hw=_size(_literal(properties.get("imgsz", ""))),
        task=properties.get("task"),
        notes=tuple(notes),
    )


def metadata_beside(model: Path) -> Metadata:
    """Reads ``metadata.yaml`` in a model's folder, if there is one."""
    path = model.parent / "metadata.yaml"
    try:
        if path.stat().st_size > _LARGEST:
            return Metadata(notes=(f"{path} is too large and was left out",))
        content = read_yaml_subset(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Metadata()
    except (OSError, UnicodeDecodeError):
        return Metadata(notes=(f"{path} cannot be read and was left out",))
    names = names_of(content)
    if names is not None and not _usable(names):
        names = None
    notes = (
        () if names or "names" not in content else (f"the names in {path} cannot be read and were left out",)
    )
    size, task, stride = content.get("imgsz"), content.get("task"), content.get("stride")
    return Metadata(
        names=names,
        stride=_positive(stride if isinstance(stride, str) else None),
        size_hw=_size([int(side) for side in size] if isinstance(size, list) and _digits(size) else None),
        task=task if isinstance(task, str) else None,
        notes=notes,
    )


def _literal(text: str) -> Any:
    """A flat list or map of strings and whole numbers, written as Python does; None for anything else.

    Python's own parser may overflow its stack on deep nesting, so the shape is looked at first.
    """
    if len(text) > _LARGEST or not _FLAT.fullmatch(_STRINGS.sub("0", text)):
        return None
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _names(value: Any) -> tuple[str, ...] | None:
    if isinstance(value, dict) and list(value) == list(range(len(value))):
        value = list(value.values())
    return tuple(value) if isinstance(value, list) and _usable(value) else None


def _usable(names: Any) -> bool:
    return bool(names) and all(isinstance(name, str) and name and name.isprintable() for name in names)


def _digits(parts: list[str]) -> bool:
    return all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts)


def _positive(text: str | None) -> int | None:
    # Old YOLOv5 wrote the stride of a tensor: "32.0".
    match = re.fullmatch(r"(\d{1,5})(?:\.0+)?", text.strip()) if text else None
    return int(match.group(1)) or None if match else None


def _size(value: Any) -> tuple[int, int] | None:
    sides = [value, value] if isinstance(value, int) else value
    if isinstance(sides, list) and len(sides) == 2 and all(isinstance(s, int) and s > 0 for s in sides):
        return sides[0], sides[1]
    return None
