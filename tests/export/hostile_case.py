"""What a hostile file is, and the bricks of hand-made pickles."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from checkpoints import write_checkpoint, write_pickle, yolov5

__all__ = [
    "CANARY",
    "CASES",
    "COMMAND",
    "HARMLESS",
    "Call",
    "Case",
    "GlobalName",
    "add",
    "add_edit",
    "add_pickle",
    "dumps",
    "global_",
    "long_number",
    "mutable_checkpoint",
    "named",
    "number",
    "storage",
    "text",
]

#: Name of the file, in the working folder, that an attack would make.
CANARY = "CANARY"
COMMAND = f"touch {CANARY}"
#: The file is read; what is hostile in it is not looked at.
HARMLESS = ""


@dataclass(frozen=True)
class Case:
    """One hostile file.

    Attributes:
        write: Writes it to a path.
        message: A part of the reader's answer; `HARMLESS` if it reads the file.
    """

    write: Callable[[Path], object]
    message: str


CASES: dict[str, Case] = {}


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> Any:
        return self._call


def mutable_checkpoint(path: Path) -> Path:
    """A good checkpoint, as small as one can be."""
    return write_checkpoint(path, yolov5())


def add(name: str, message: str, write: Callable[[Path], object]) -> None:
    assert name not in CASES, name
    CASES[name] = Case(write, message)


def add_pickle(name: str, message: str, data: Callable[[], bytes]) -> None:
    add(name, message, lambda path: write_pickle(path, data(), {"data/0": bytes(4096)}))


def add_edit(name: str, message: str, edit: Callable[[Any], None], **options: Any) -> None:
    add(name, message, lambda path: write_checkpoint(path, yolov5(), edit=edit, **options))


def named(_: Any, module: str, name: str) -> Any:
    return GlobalName(module, name)


class GlobalName:
    """Pickles as a global name, whether it exists or not."""

    def __init__(self, module: str, name: str) -> None:
        self.path = (module, name)

    def __call__(self) -> None:
        """Callable, as pickle asks of what a reduction calls."""


class _Pickler(pickle._Pickler):  # type: ignore[misc]
    dispatch: ClassVar[Any] = dict(pickle._Pickler.dispatch)

    def save_name(self, name: GlobalName) -> None:
        module, attribute = name.path
        if self.proto >= 4:
            self.save(module)
            self.save(attribute)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{module}\n{attribute}\n".encode())
        self.memoize(name)


_Pickler.dispatch[GlobalName] = _Pickler.save_name


def dumps(value: Any, protocol: int = 2) -> bytes:
    stream = io.BytesIO()
    pickler = _Pickler(stream, protocol, fix_imports=False)
    pickler.dump(value)
    return stream.getvalue()


def global_(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + len(data).to_bytes(4, "little") + data


def long_number(value: int) -> bytes:
    data = pickle.encode_long(value)
    return b"\x8a" + bytes([len(data)]) + data


def storage(length: int = 16, key: str = "0", kind: str = "FloatStorage") -> bytes:
    return b"(" + text("storage") + global_("torch", kind) + text(key) + text("cpu") + number(length) + b"tQ"


def number(value: int) -> bytes:
    return long_number(value) if value else b"K\x00"
