"""The file around the pickle: a zip archive as torch writes it since 1.6, without compression."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from yolo_export.checkpoint.allowlist import STORAGES
from yolo_export.checkpoint.pickle_vm import MAX_PICKLE_BYTES
from yolo_export.checkpoint.records import GlobalRef, StorageRef, clip
from yolo_export.errors import CheckpointError

__all__ = ["Archive"]

_ZIP_MAGIC = b"PK\x03\x04"
#: The pickled magic number that opens files of torch before 1.6.
_LEGACY_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_CHUNK_BYTES = 1 << 20


class Archive:
    """An open checkpoint file.

    Args:
        path: The file.

    Raises:
        CheckpointError: It is missing, cut short, damaged or of another format.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            raise CheckpointError(f"cannot be opened: {error.strerror}") from error
        try:
            self.sha256, self.size_bytes = _digest(self._file)
            self._zip = self._open_zip()
            self._entries = self._check_entries()
            self._root = self._find_root()
            self._check_byte_order()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def pickle(self) -> bytes:
        """The pickle that describes everything but the numbers."""
        name = f"{self._root}data.pkl"
        if self._entries[name].file_size > MAX_PICKLE_BYTES:
            raise CheckpointError(
                f"has a pickle of {self._entries[name].file_size} bytes; at most {MAX_PICKLE_BYTES} are read"
            )
        return self._read(name)

    def storage_ref(self, persistent_id: Any) -> StorageRef:
        """Turn a persistent id of the pickle into a reference to one of the archive's storages.

        Args:
            persistent_id: ``("storage", class, key, location, length)``.

        Raises:
            CheckpointError: The storage is missing, or shorter than the pickle says.
        """
        if type(persistent_id) is not tuple or len(persistent_id) < 5 or persistent_id[0] != "storage":
            raise CheckpointError("has a damaged pickle: a persistent id that is not a storage")
        _, kind, key, _, length = persistent_id[:5]
        if not isinstance(kind, GlobalRef) or kind.path not in STORAGES:
            raise CheckpointError(
                f"has numbers of an unknown type; known types: {', '.join(sorted(STORAGES))}"
            )
        if type(key) is not str or type(length) is not int or length < 0:
            raise CheckpointError("has a damaged pickle: a storage without a key or length")
        entry = self._entries.get(f"{self._root}data/{key}")
        if entry is None:
            raise CheckpointError(f"lacks its storage {clip(key)}; copy the file again")
        wanted = length * STORAGES[kind.path][1]
        if entry.file_size < wanted:
            raise CheckpointError(
                f"is damaged: storage {clip(key)} has {entry.file_size} bytes where its tensors need {wanted}"
            )
        return StorageRef(key, kind.path, length)

    def storage(self, ref: StorageRef) -> bytes:
        """The bytes of a storage."""
        return self._read(f"{self._root}data/{ref.key}")[: ref.length * STORAGES[ref.kind][1]]

    def _open_zip(self) -> zipfile.ZipFile:
        self._file.seek(0)
        start = self._file.read(64)
        if not start:
            raise CheckpointError("is empty")
        if _LEGACY_MAGIC in start:
            raise CheckpointError(
                "is in the format of torch before 1.6, which is not supported yet; convert it once, inside "
                "the training repository: torch.save(torch.load('old.pt', map_location='cpu'), 'new.pt')"
            )
        if not start.startswith(_ZIP_MAGIC):
            raise CheckpointError(
                "is not a checkpoint: torch saves checkpoints as zip archives, and this is not one"
            )
        try:
            return zipfile.ZipFile(self._file)
        except (zipfile.BadZipFile, RuntimeError, ValueError, OverflowError, OSError) as error:
            raise CheckpointError(
                f"is cut short or damaged ({self.size_bytes} bytes, {clip(str(error))}); copy it again"
            ) from error

    def _check_entries(self) -> dict[str, zipfile.ZipInfo]:
        entries: dict[str, zipfile.ZipInfo] = {}
        if any(name.endswith("/constants.pkl") for name in self._zip.namelist()):
            raise CheckpointError("is a TorchScript file; give the checkpoint that training saved (best.pt)")
        for entry in self._zip.infolist():
            if entry.filename in entries:
                raise CheckpointError(f"has two entries named {clip(entry.filename)}")
            if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
                raise CheckpointError(
                    f"has the compressed entry {clip(entry.filename)}; torch stores its entries: "
                    "unpack the archive and pack it again without compression (zip -0)"
                )
            entries[entry.filename] = entry
        if sum(entry.file_size for entry in entries.values()) > self.size_bytes:
            raise CheckpointError("is damaged: its entries say that they are longer than the file")
        return entries

    def _find_root(self) -> str:
        pickles = [name for name in self._entries if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise CheckpointError(
                f"is not a checkpoint: the archive has {len(pickles)} entries data.pkl, not one"
            )
        return pickles[0][: -len("data.pkl")]

    def _check_byte_order(self) -> None:
        name = f"{self._root}byteorder"
        if name in self._entries and (order := self._read(name)) != b"little":
            raise CheckpointError(f"has byte order {clip(order[:16])}; only little is supported")

    def _read(self, name: str) -> bytes:
        try:
            return self._zip.read(name)
        except (zipfile.BadZipFile, RuntimeError, EOFError, ValueError, OSError) as error:
            raise CheckpointError(f"is damaged at {clip(name)}: {clip(str(error))}; copy it again") from error


def _digest(file: BinaryIO) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size
