"""How the calls that a checkpoint describes are read: each becomes data, none is made."""

from __future__ import annotations

import struct
from typing import Any

from yolo_export.checkpoint.records import GlobalRef, Instance, StorageRef, TensorRef
from yolo_export.errors import CheckpointError

__all__ = ["Reductions"]

_MAX_DIMENSIONS = 8
_SCALARS = {"f8": "d", "f4": "f", "f2": "e", "i8": "q", "i4": "i", "i2": "h", "i1": "b", "u1": "B", "b1": "?"}


class Reductions:
    """Reads one described call at a time.

    Args:
        copy_budget: How many items and bytes all calls together may copy. A pickle can mention one long list
        many
            times for two bytes each, and each ``set(list)`` of it would be a copy.
    """

    def __init__(self, copy_budget: int) -> None:
        self._copy_budget = copy_budget

    def read(self, reading: str, arguments: tuple[Any, ...]) -> Any:
        """What the call would return, as data.

        Args:
            reading: A value of ``allowlist.FUNCTIONS``.
            arguments: Arguments as read from the pickle.

        Raises:
            CheckpointError: The numbers lie outside what the file holds.
            ValueError: The arguments do not fit the call.
        """
        method = getattr(self, f"_read_{reading}")
        return method(*arguments)

    def _spend(self, items: int) -> None:
        self._copy_budget -= items
        if self._copy_budget < 0:
            raise CheckpointError("describes far more data than a file of its size can hold")

    def _read_tensor(self, storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> TensorRef:
        if not isinstance(storage, StorageRef):
            raise ValueError("a tensor without a storage")
        for numbers in ((offset,), size, stride):
            if type(numbers) is not tuple or not all(type(number) is int for number in numbers):
                raise ValueError("a tensor whose size, stride or offset is not made of integers")
        tensor = TensorRef(storage, offset, size, stride)
        if (
            len(size) != len(stride)
            or len(size) > _MAX_DIMENSIONS
            or offset < 0
            or min((0, *size, *stride)) < 0
        ):
            raise CheckpointError(f"holds a tensor of size {size[:9]}, stride {stride[:9]}, offset {offset}")
        last = offset + sum((count - 1) * step for count, step in zip(size, stride)) if tensor.count else -1
        if last >= storage.length or tensor.count > storage.length:
            raise CheckpointError(
                f"holds a tensor of size {size}, stride {stride}, offset {offset} "
                f"that does not fit its storage of {storage.length} elements"
            )
        return tensor

    def _read_parameter(self, data: Any, *_: Any) -> TensorRef:
        if not isinstance(data, TensorRef):
            raise ValueError("a parameter without a tensor")
        return data

    def _read_mapping(self, pairs: Any = ()) -> dict[Any, Any]:
        if type(pairs) not in (list, tuple):
            raise ValueError("an ordered dict of something that is not a list")
        self._spend(len(pairs))
        mapping = {}
        for pair in pairs:
            if type(pair) not in (list, tuple) or len(pair) != 2 or not isinstance(pair[0], (str, int)):
                raise ValueError("an ordered dict of something that is not pairs")
            mapping[pair[0]] = pair[1]
        return mapping

    def _read_set(self, items: Any = ()) -> set[Any]:
        if type(items) not in (list, tuple) or not all(isinstance(item, (str, int)) for item in items):
            raise ValueError("a set of something that is not flat values")
        self._spend(len(items))
        return set(items)

    def _read_encode(self, text: Any, encoding: Any = "latin1") -> bytes:
        if type(text) is not str or encoding not in ("latin1", "latin-1"):
            raise ValueError("encoded text that is not latin1")
        self._spend(len(text))
        return text.encode("latin1")

    def _read_reconstructor(self, kind: Any, *_: Any) -> Instance:
        if not isinstance(kind, GlobalRef):
            raise ValueError("an object without a class")
        return Instance(kind.path)

    def _read_array(self, *_: Any) -> Instance:
        return Instance("numpy.ndarray")

    def _read_scalar(self, dtype: Any, data: Any = b"") -> Any:
        code = dtype.args[0] if isinstance(dtype, Instance) and dtype.args else None
        layout = "<" + _SCALARS.get(code, "") if isinstance(code, str) else "<"
        if type(data) is not bytes or len(data) != struct.calcsize(layout) or not data:
            return None  # A number that only training used.
        return struct.unpack(layout, data)[0]
