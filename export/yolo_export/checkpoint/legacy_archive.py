"""Checkpoints of torch before 1.6, and of ``torch.save(..., _use_new_zipfile_serialization=False)``.

Five pickles one after the other (a magic number, the version of the format, facts about the machine, the
content, the keys of the storages), then each storage: its number of elements in 8 bytes, and the elements.
"""

from __future__ import annotations

from typing import Any, BinaryIO

from yolo_export.checkpoint.allowlist import STORAGES
from yolo_export.checkpoint.archive import Archive, check_length, storage_bytes, storage_ref
from yolo_export.checkpoint.pickle_vm import MAX_PICKLE_BYTES, read_pickle_at
from yolo_export.checkpoint.records import GlobalRef, StorageRef, clip
from yolo_export.errors import CheckpointError

__all__ = ["LEGACY_MAGIC", "LegacyArchive"]

#: The magic number as a pickle writes it.
LEGACY_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_VERSION = 1001
_COUNT_BYTES = 8


class LegacyArchive(Archive):
    """A file of pickles and raw numbers; see the module.

    Args:
        file: See `Archive`.
        sha256: See `Archive`.
        size_bytes: See `Archive`.
    """

    def __init__(self, file: BinaryIO, sha256: str, size_bytes: int) -> None:
        super().__init__(file, sha256, size_bytes)
        self._refs: dict[str, StorageRef] = {}
        self._starts: dict[str, int] = {}

    def content(self) -> Any:
        """See `Archive.content`."""
        data = self._file.read(MAX_PICKLE_BYTES)
        position = self._check_head(data)
        content, position = read_pickle_at(data, position, self._persistent_load)
        keys, position = read_pickle_at(data, position, _nothing_else)
        self._find_storages(keys, position)
        return content

    def storage(self, ref: StorageRef) -> bytes:
        """See `Archive.storage`."""
        self._file.seek(self._starts[ref.key])
        return self._file.read(storage_bytes(ref))

    @staticmethod
    def _check_head(data: bytes) -> int:
        magic, position = read_pickle_at(data, 0, _nothing_else)
        version, position = read_pickle_at(data, position, _nothing_else)
        machine, position = read_pickle_at(data, position, _nothing_else)
        if (
            type(magic) is not int
            or magic != _MAGIC_NUMBER
            or type(version) is not int
            or version != _VERSION
        ):
            raise CheckpointError("is not a checkpoint: its first pickles are not those that torch writes")
        if type(machine) is not dict or machine.get("little_endian") is not True:
            raise CheckpointError(
                "was written on a big-endian machine; only little-endian files are supported"
            )
        return position

    def _persistent_load(self, persistent_id: Any) -> GlobalRef | StorageRef:
        if type(persistent_id) is tuple and len(persistent_id) == 4 and persistent_id[0] == "module":
            # A class with its source text, which is not looked at.
            if not isinstance(persistent_id[1], GlobalRef):
                raise CheckpointError("has a damaged pickle: a persistent id of a class that is not a name")
            return persistent_id[1]
        ref = storage_ref(persistent_id)
        if len(persistent_id) > 5 and persistent_id[5] is not None:
            raise CheckpointError(
                "has a storage that is a view of another one, which torch has not written since 2018; "
                "save it again with a newer torch"
            )
        known = self._refs.setdefault(ref.key, ref)
        if known != ref:
            raise CheckpointError(f"is damaged: it describes its storage {clip(ref.key)} in two ways")
        return ref

    def _find_storages(self, keys: Any, position: int) -> None:
        """Walk over the storages, as only the number of elements before each tells where the next begins."""
        if type(keys) is not list or not all(type(key) is str for key in keys):
            raise CheckpointError("has a damaged pickle: the keys of its storages are not a list of texts")
        for key in keys:
            ref = self._refs.get(key)
            if ref is None or key in self._starts:
                raise CheckpointError(f"is damaged: it has a storage {clip(key)} that nothing refers to")
            self._file.seek(position)
            count = int.from_bytes(self._file.read(_COUNT_BYTES), "little")
            position += _COUNT_BYTES
            found = count * STORAGES[ref.kind][1]
            check_length(
                ref, found if position + found <= self.size_bytes else max(self.size_bytes - position, 0)
            )
            self._starts[key] = position
            position += found
            if position > self.size_bytes:
                raise CheckpointError(f"is cut short at its storage {clip(key)}; copy it again")
        missing = sorted(self._refs.keys() - self._starts.keys())
        if missing:
            raise CheckpointError(f"lacks its storage {clip(missing[0])}; copy the file again")


def _nothing_else(_: Any) -> Any:
    raise CheckpointError("is not a checkpoint: its first pickles are not those that torch writes")
