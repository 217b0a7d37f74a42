"""Reads the numbers of a checkpoint, once it is known which of them the network needs."""

from __future__ import annotations

import torch

from yolo_export.checkpoint.allowlist import DTYPES, STORAGES
from yolo_export.checkpoint.archive import Archive, storage_bytes
from yolo_export.checkpoint.records import StorageRef, TensorRef
from yolo_export.errors import CheckpointError

__all__ = ["Weights"]

_SLACK_ELEMENTS = 1 << 16


class Weights:
    """The tensors of one archive.

    Many records can refer to one storage, so all reads together are limited to about what the file holds.

    Args:
        archive: The open file.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._storages: dict[tuple[StorageRef, str], torch.Tensor] = {}
        self._remaining = archive.size_bytes + _SLACK_ELEMENTS
        self._unread_bytes = archive.size_bytes

    def read(self, ref: TensorRef) -> torch.Tensor:
        """A tensor of its own memory.

        Args:
            ref: Where it lies.

        Returns:
            float32 where the file has any floating type; integers and truth values as they are.
        """
        self._remaining -= ref.count
        if self._remaining < 0:
            raise CheckpointError("describes far more numbers than it holds")
        if ref.count == 0:
            return torch.empty(ref.size)
        flat = self._storage(ref.storage, ref.dtype)
        view = torch.as_strided(flat, ref.size, ref.stride, ref.offset)
        # Not ``contiguous``: it keeps odd strides where a side is 1, for which torch has other kernels.
        made = torch.empty(ref.size, dtype=torch.float32 if flat.is_floating_point() else flat.dtype)
        return made.copy_(view)

    def _storage(self, ref: StorageRef, dtype: str | None) -> torch.Tensor:
        name, element_bytes = DTYPES[dtype] if dtype else STORAGES[ref.kind]
        if (ref, name) not in self._storages:
            self._unread_bytes -= storage_bytes(ref)
            if self._unread_bytes < 0:
                raise CheckpointError("uses the same bytes as storages of several lengths or types")
            data = bytearray(self._archive.storage(ref))
            del data[len(data) // element_bytes * element_bytes :]
            self._storages[ref, name] = torch.frombuffer(data, dtype=getattr(torch, name))
        return self._storages[ref, name]
