"""Checkpoints of torch since 1.6: a zip archive without compression."""

from __future__ import annotations

import io
import zipfile
from typing import Any, BinaryIO

from yolo_export.checkpoint.archive import Archive, check_length, storage_bytes, storage_ref
from yolo_export.checkpoint.pickle_vm import MAX_PICKLE_BYTES, read_pickle
from yolo_export.checkpoint.records import StorageRef, clip
from yolo_export.errors import CheckpointError

__all__ = ["ZIP_MAGIC", "ZipArchive"]

ZIP_MAGIC = b"PK\x03\x04"
#: Longest table of entries, in bytes. Checkpoints of the largest networks have 0.5 MB; each entry takes ten
#: times its space once it is read.
_MAX_TABLE_BYTES = 8 << 20
#: What Python's reader raises for damaged archives; a version it does not know is a RuntimeError.
_ZIP_ERRORS = (zipfile.BadZipFile, RuntimeError, EOFError, ValueError, OverflowError, OSError)


class ZipArchive(Archive):
    """An archive of entries ``NAME/data.pkl``, ``NAME/data/KEY`` and some more.

    Args:
        file: See `Archive`.
        sha256: See `Archive`.
        size_bytes: See `Archive`.

    Raises:
        CheckpointError: It is cut short, damaged or something else than a checkpoint.
    """

    def __init__(self, file: BinaryIO, sha256: str, size_bytes: int) -> None:
        super().__init__(file, sha256, size_bytes)
        bounded = _Bounded(file)
        try:
            self._zip = zipfile.ZipFile(bounded)
        except _ZIP_ERRORS as error:
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(
                f"is cut short or damaged ({self.size_bytes} bytes, {clip(str(error))}); copy it again"
            ) from error
        bounded.limit = size_bytes
        self._entries = self._check_entries()
        self._root = self._find_root()
        self._check_byte_order()

    def content(self) -> Any:
        """See `Archive.content`."""
        name = f"{self._root}data.pkl"
        if self._entries[name].file_size > MAX_PICKLE_BYTES:
            raise CheckpointError(
                f"has a pickle of {self._entries[name].file_size} bytes; at most {MAX_PICKLE_BYTES} are read"
            )
        return read_pickle(self._read(name), self._storage_ref)

    def storage(self, ref: StorageRef) -> bytes:
        """See `Archive.storage`."""
        return self._read(f"{self._root}data/{ref.key}")[: storage_bytes(ref)]

    def _storage_ref(self, persistent_id: Any) -> StorageRef:
        ref = storage_ref(persistent_id)
        entry = self._entries.get(f"{self._root}data/{ref.key}")
        if entry is None:
            raise CheckpointError(f"lacks its storage {clip(ref.key)}; copy the file again")
        check_length(ref, entry.file_size)
        return ref

    def _check_entries(self) -> dict[str, zipfile.ZipInfo]:
        entries: dict[str, zipfile.ZipInfo] = {}
        if any(name.endswith("/constants.pkl") for name in self._zip.namelist()):
            raise CheckpointError("is a TorchScript file; give the checkpoint that training saved (best.pt)")
        for entry in self._zip.infolist():
            if entry.filename in entries:
                raise CheckpointError(f"has two entries named {clip(entry.filename)}")
            if entry.flag_bits & 1:
                raise CheckpointError(
                    f"has the encrypted entry {clip(entry.filename)}; unpack the archive with its password "
                    "and pack it again without compression (zip -0)"
                )
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
        except _ZIP_ERRORS as error:
            raise CheckpointError(f"is damaged at {clip(name)}: {clip(str(error))}; copy it again") from error


class _Bounded(io.RawIOBase):
    """A file that refuses to read more at once than ``limit``: a table of entries is read in one piece."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self.limit = _MAX_TABLE_BYTES

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > self.limit:
            raise CheckpointError(f"has a table of entries of {size} bytes; at most {self.limit} are read")
        return self._file.read(-1 if size is None else size)
