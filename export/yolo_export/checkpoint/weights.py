"""Reads the numbers of a checkpoint, once it is known which of them the network needs."""

from __future__ import annotations

import torch

from yolo_export.checkpoint.allowlist import STORAGES
from yolo_export.checkpoint.archive import Archive
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
        self._storages: dict[StorageRef, torch.Tensor] = {}
        self._remaining = archive.size_bytes + _SLACK_ELEMENTS

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
        flat = self._storage(ref.storage)
        view = torch.as_strided(flat, ref.size, ref.stride, ref.offset)
        return view.to(torch.float32 if flat.is_floating_point() else flat.dtype, copy=True).contiguous()

    def _storage(self, ref: StorageRef) -> torch.Tensor:
        if ref not in self._storages:
            dtype: torch.dtype = getattr(torch, STORAGES[ref.kind][0])
            self._storages[ref] = torch.frombuffer(bytearray(self._archive.storage(ref)), dtype=dtype)
        return self._storages[ref]
