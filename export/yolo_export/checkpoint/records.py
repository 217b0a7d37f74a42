"""What a pickle is read into: plain data and the inert records below, never an object of a foreign class."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

__all__ = ["GlobalRef", "Instance", "StorageRef", "TensorRef", "clip"]


def clip(text: object, limit: int = 80) -> str:
    """Text from a file, made safe to put into a one-line message.

    Args:
        text: Text or bytes; of anything else, which may be nested without end, only the type is shown.
        limit: Most characters.
    """
    if isinstance(text, str):
        line = ascii(text[: limit + 1])[1:-1]
    else:
        line = ascii(text[: limit + 1]) if isinstance(text, bytes) else type(text).__name__
    return line if len(line) <= limit else line[: limit - 3] + "..."


@dataclass(frozen=True)
class GlobalRef:
    """The name of a class or function that the pickle mentions. It is not imported."""

    module: str
    name: str

    @property
    def path(self) -> str:
        """Dotted path, such as ``models.common.Conv``."""
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Instance:
    """An object that the pickle describes: its class by name, what it was made from, and its state."""

    class_path: str
    args: tuple[Any, ...] = ()
    state: Any = None
    built: bool = field(default=False, repr=False)


@dataclass(frozen=True)
class StorageRef:
    """A run of numbers beside the pickle: ``key`` names the archive entry, ``kind`` its storage class."""

    key: str
    kind: str
    length: int


@dataclass(frozen=True, eq=False)
class TensorRef:
    """A view into a storage. ``size`` and ``stride`` were checked to lie inside the storage.

    ``dtype`` is the type of its elements; None stands for that of the storage.
    """

    storage: StorageRef
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: str | None = None

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.size)
