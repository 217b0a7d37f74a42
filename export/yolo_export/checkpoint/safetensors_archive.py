"""Weights in the safetensors format: 8 bytes length, a JSON table of that length, then the numbers."""

from __future__ import annotations

import json
import math
from typing import Any, BinaryIO

from yolo_export.checkpoint.archive import Archive, storage_bytes
from yolo_export.checkpoint.records import StorageRef, TensorRef, clip
from yolo_export.errors import CheckpointError

__all__ = ["SafetensorsArchive", "looks_like_safetensors"]

_LENGTH_BYTES = 8
#: A table of a thousand tensors has 0.1 MB.
_MAX_TABLE_BYTES = 4 << 20
_MAX_DIMENSIONS = 8
_KINDS = {
    "F64": ("torch.DoubleStorage", 8),
    "F32": ("torch.FloatStorage", 4),
    "F16": ("torch.HalfStorage", 2),
    "BF16": ("torch.BFloat16Storage", 2),
    "I64": ("torch.LongStorage", 8),
    "I32": ("torch.IntStorage", 4),
    "I16": ("torch.ShortStorage", 2),
    "I8": ("torch.CharStorage", 1),
    "U8": ("torch.ByteStorage", 1),
    "BOOL": ("torch.BoolStorage", 1),
}


def looks_like_safetensors(head: bytes) -> bool:
    """Whether a file that begins so is one: the length of a table, and a JSON object."""
    return (
        len(head) > _LENGTH_BYTES and head[_LENGTH_BYTES : _LENGTH_BYTES + 1] == b"{" and head[6:8] == b"\0\0"
    )


class SafetensorsArchive(Archive):
    """A table of tensors, and their numbers; see the module.

    Args:
        file: See `Archive`.
        sha256: See `Archive`.
        size_bytes: See `Archive`.
    """

    def __init__(self, file: BinaryIO, sha256: str, size_bytes: int) -> None:
        super().__init__(file, sha256, size_bytes)
        self._starts: dict[str, int] = {}

    def content(self) -> Any:
        """A dict of tensors."""
        length = int.from_bytes(self._file.read(_LENGTH_BYTES), "little")
        if length > _MAX_TABLE_BYTES:
            raise CheckpointError(f"has a table of {length} bytes; at most {_MAX_TABLE_BYTES} are read")
        data = self._file.read(length)
        if len(data) < length:
            raise CheckpointError("is cut short in its table of tensors; copy it again")
        try:
            table = json.loads(data.decode("utf-8"), object_pairs_hook=_without_duplicates)
        except (ValueError, RecursionError) as error:
            raise CheckpointError(f"has a damaged table of tensors: {clip(str(error))}") from error
        if type(table) is not dict:
            raise CheckpointError("has a damaged table of tensors: it is not an object")
        start = _LENGTH_BYTES + length
        return {name: self._tensor(name, row, start) for name, row in table.items() if name != "__metadata__"}

    def storage(self, ref: StorageRef) -> bytes:
        """See `Archive.storage`."""
        self._file.seek(self._starts[ref.key])
        return self._file.read(storage_bytes(ref))

    def _tensor(self, name: str, row: Any, start: int) -> TensorRef:
        values = row if type(row) is dict else {}
        kind: Any = values.get("dtype")
        shape: Any = values.get("shape")
        offsets: Any = values.get("data_offsets")
        if type(kind) is not str or kind not in _KINDS:
            raise CheckpointError(
                f"has a tensor {clip(name)} of an unknown type; known types: {', '.join(sorted(_KINDS))}"
            )
        for numbers in (shape, offsets):
            if type(numbers) is not list or not all(
                type(number) is int and 0 <= number < 1 << 40 for number in numbers
            ):
                raise CheckpointError(f"has a tensor {clip(name)} whose size or place is not made of numbers")
        path, element_bytes = _KINDS[kind]
        if len(shape) > _MAX_DIMENSIONS or len(offsets) != 2:
            raise CheckpointError(f"has a tensor {clip(name)} of {len(shape)} dimensions")
        count = math.prod(shape)
        wanted, found = count * element_bytes, offsets[1] - offsets[0]
        if wanted != found or start + offsets[1] > self.size_bytes:
            shown = wanted if wanted < 1 << 60 else "more than any file has"
            raise CheckpointError(
                f"is damaged or cut short: its tensor {clip(name)} needs {shown} bytes and has those from "
                f"{offsets[0]} to {offsets[1]} of {self.size_bytes - start}"
            )
        self._starts[name] = start + offsets[0]
        stride, step = [], 1
        for side in reversed(shape):
            stride.append(step)
            step *= max(side, 1)
        return TensorRef(StorageRef(name, path, count), 0, tuple(shape), tuple(stride[::-1]))


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a name occurs twice")
    return table
