"""The file around the pickle: what the formats have in common, and how they are told apart."""

from __future__ import annotations

import hashlib
import stat
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from yolo_export.checkpoint.allowlist import STORAGES
from yolo_export.checkpoint.records import GlobalRef, StorageRef, clip
from yolo_export.errors import CheckpointError

__all__ = ["Archive", "check_length", "digest", "storage_bytes", "storage_ref"]

_CHUNK_BYTES = 1 << 20


class Archive(ABC):
    """An open checkpoint file.

    Args:
        file: At its start; closed with the archive.
        sha256: Of the whole file, in hexadecimal.
        size_bytes: Of the whole file.
    """

    def __init__(self, file: BinaryIO, sha256: str, size_bytes: int) -> None:
        self._file = file
        self.sha256 = sha256
        self.size_bytes = size_bytes

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @abstractmethod
    def content(self) -> Any:
        """What the pickle describes: plain data and records."""

    @abstractmethod
    def storage(self, ref: StorageRef) -> bytes:
        """The bytes of a storage that `content` refers to."""


def digest(path: Path) -> tuple[BinaryIO, str, int]:
    """Open a file and read it once.

    Returns:
        The file at its start, its SHA-256 in hexadecimal, its size in bytes.

    Raises:
        CheckpointError: It cannot be read.
    """
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # A pipe or device may never end.
            raise CheckpointError("is not a regular file")
        file = path.open("rb")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot be opened: {_reason(error)}") from error
    sha256, size = hashlib.sha256(), 0
    try:
        while chunk := file.read(_CHUNK_BYTES):
            sha256.update(chunk)
            size += len(chunk)
        file.seek(0)
    except OSError as error:
        file.close()
        raise CheckpointError(f"cannot be read: {_reason(error)}") from error
    return file, sha256.hexdigest(), size


def storage_ref(persistent_id: Any) -> StorageRef:
    """Turn a persistent id of the pickle into a reference.

    Args:
        persistent_id: ``("storage", class, key, location, length)``.

    Raises:
        CheckpointError: It is something else, or its type of numbers is unknown.
    """
    if type(persistent_id) is not tuple or len(persistent_id) < 5 or persistent_id[0] != "storage":
        raise CheckpointError("has a damaged pickle: a persistent id that is not a storage")
    _, kind, key, _, length = persistent_id[:5]
    if not isinstance(kind, GlobalRef) or kind.path not in STORAGES:
        raise CheckpointError(f"has numbers of an unknown type; known types: {', '.join(sorted(STORAGES))}")
    if type(key) is not str or type(length) is not int or length < 0:
        raise CheckpointError("has a damaged pickle: a storage without a key or length")
    return StorageRef(key, kind.path, length)


def storage_bytes(ref: StorageRef) -> int:
    """How many bytes a storage takes."""
    return ref.length * STORAGES[ref.kind][1]


def check_length(ref: StorageRef, found_bytes: int) -> None:
    """Refuse a storage that is shorter than its tensors need."""
    wanted = storage_bytes(ref)
    if found_bytes < wanted:
        shown = wanted if wanted < 1 << 60 else "more than any file has"
        raise CheckpointError(
            f"is damaged: storage {clip(ref.key)} has {found_bytes} bytes where its tensors need {shown}"
        )


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or clip(str(error))
