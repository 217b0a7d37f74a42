"""How the calls that a checkpoint describes are read: each becomes data, none is made."""

from __future__ import annotations

import struct
from typing import Any, Callable

from yolo_export.checkpoint.allowlist import DTYPES, FUNCTIONS, UNTYPED_STORAGE, WRAPPERS, foreign_name
from yolo_export.checkpoint.records import GlobalRef, Instance, StorageRef, TensorRef, clip
from yolo_export.errors import CheckpointError
from yolo_export.models import NETWORKS, known_blocks

__all__ = ["Reductions", "flat_key"]

_MAX_DIMENSIONS = 8
#: Each takes some 100 bytes in a dict.
_MAX_COPIED_ITEMS = 1 << 20
#: No tensor that a file can hold has a size, stride or offset beyond this.
_MAX_ELEMENTS = 1 << 40
_SCALARS = {"f8": "d", "f4": "f", "f2": "e", "i8": "q", "i4": "i", "i2": "h", "i1": "b", "u1": "B", "b1": "?"}
_KEY_TYPES = (str, int, bool, bytes, type(None), TensorRef)
#: Beyond this an integer's hash wraps round, and keys can be chosen that all collide.
_MAX_KEY = 1 << 60
_TENSOR_TYPES = ("torch.Tensor", "torch.nn.parameter.Parameter")


def flat_key(value: Any) -> Any:
    """A dict key or set member: only flat values, as hashing a deeply nested tuple overflows the C stack.

    Optimizers use the parameters themselves as keys, which are told apart by identity.

    Raises:
        ValueError: It is of another type, or an integer beyond what any checkpoint has.
    """
    if type(value) not in _KEY_TYPES or (type(value) is int and abs(value) >= _MAX_KEY):
        raise ValueError(f"a dict key or set member of type {type(value).__name__}")
    return value


class Reductions:
    """Reads one described call at a time.

    Args:
        copy_budget: How many items and bytes all calls together may copy. A pickle can mention one long list
            many times for two bytes each, and each ``set(list)`` of it would be a copy.
    """

    def __init__(self, copy_budget: int) -> None:
        self._byte_budget = copy_budget
        self._item_budget = min(copy_budget, _MAX_COPIED_ITEMS)
        self._methods: dict[str, Callable[..., Any]] = {
            reading: getattr(self, f"_read_{reading}") for reading in set(FUNCTIONS.values())
        }

    def read(self, reading: str, arguments: tuple[Any, ...]) -> Any:
        """What the call would return, as data.

        Args:
            reading: A value of ``allowlist.FUNCTIONS``.
            arguments: Arguments as read from the pickle.

        Raises:
            CheckpointError: The numbers lie outside what the file holds.
            ValueError: The arguments do not fit the call.
        """
        return self._methods[reading](*arguments)

    def _spend(self, *, items: int = 0, size_bytes: int = 0) -> None:
        self._item_budget -= items
        self._byte_budget -= size_bytes
        if min(self._item_budget, self._byte_budget) < 0:
            raise CheckpointError("describes far more data than a file of its size can hold")

    def _read_tensor(self, storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> TensorRef:
        return _tensor(storage, offset, size, stride)

    def _read_typed_tensor(
        self, storage: Any, offset: Any, size: Any, stride: Any, _: Any, __: Any, dtype: Any, *___: Any
    ) -> TensorRef:
        if not isinstance(dtype, GlobalRef) or dtype.path not in DTYPES:
            raise ValueError("a tensor of an unknown type")
        return _tensor(storage, offset, size, stride, dtype.path)

    def _read_from_type(self, function: Any, kind: Any, arguments: Any, *_: Any) -> Any:
        """A tensor with attributes of its own, which are not looked at."""
        if not isinstance(kind, GlobalRef) or kind.path not in _TENSOR_TYPES:
            raise ValueError("a tensor of a class that is not torch's own")
        reading = FUNCTIONS.get(function.path) if isinstance(function, GlobalRef) else None
        if reading not in ("tensor", "typed_tensor", "parameter") or type(arguments) is not tuple:
            raise ValueError("a tensor that is made by something else than torch's own functions")
        return self._methods[reading](*arguments)

    def _read_parameter(self, data: Any, *_: Any) -> TensorRef:
        if not isinstance(data, TensorRef):
            raise ValueError("a parameter without a tensor")
        return data

    def _read_mapping(self, pairs: Any = ()) -> dict[Any, Any]:
        if type(pairs) not in (list, tuple):
            raise ValueError("an ordered dict of something that is not a list")
        self._spend(items=len(pairs))
        mapping = {}
        for pair in pairs:
            if type(pair) not in (list, tuple) or len(pair) != 2:
                raise ValueError("an ordered dict of something that is not pairs")
            mapping[flat_key(pair[0])] = pair[1]
        return mapping

    def _read_default_mapping(self, factory: Any = None) -> dict[Any, Any]:
        if factory is not None and not isinstance(factory, GlobalRef):
            raise ValueError("a dict whose default is not a name on the list")
        return {}

    def _read_bound_method(self, target: Any, name: Any) -> Instance:
        """A method of a module. Exporters put one in the place of ``forward``; it is never looked up."""
        kind = target.class_path if isinstance(target, Instance) else ""
        if type(name) is not str or not (kind in NETWORKS or kind in WRAPPERS or kind in known_blocks()):
            raise foreign_name("builtins.getattr")
        return Instance("builtins.getattr")

    def _read_set(self, items: Any = ()) -> set[Any]:
        if type(items) not in (list, tuple):
            raise ValueError("a set of something that is not a list")
        self._spend(items=len(items))
        return {flat_key(item) for item in items}

    def _read_range(self, start: Any, stop: Any, step: Any) -> range:
        """Three numbers, as which Python keeps it too."""
        if not all(type(number) is int and abs(number) < _MAX_KEY for number in (start, stop, step)):
            raise ValueError("a range of something that is not three integers")
        return range(start, stop, step)

    def _read_encode(self, text: Any, encoding: Any = "latin1") -> bytes:
        if type(text) is not str or encoding not in ("latin1", "latin-1"):
            raise ValueError("encoded text that is not latin1")
        self._spend(size_bytes=len(text))
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


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, dtype: str | None = None) -> TensorRef:
    """A view, once it is proven to lie inside its storage."""
    if not isinstance(storage, StorageRef):
        raise ValueError("a tensor without a storage")
    if isinstance(size, Instance) and size.class_path == "torch.Size" and len(size.args) == 1:
        size = size.args[0]
    for numbers in ((offset,), size, stride):
        if type(numbers) is not tuple or not all(type(number) is int for number in numbers):
            raise ValueError("a tensor whose size, stride or offset is not made of integers")
    if dtype is not None and storage.kind != UNTYPED_STORAGE:
        raise ValueError(f"a tensor of type {clip(dtype)} over a {storage.kind}")
    everything = (offset, *size, *stride)
    fits = max(everything) < _MAX_ELEMENTS
    if not fits or min(everything) < 0 or len(size) != len(stride) or len(size) > _MAX_DIMENSIONS:
        shown = f"size {size[:9]}, stride {stride[:9]}, offset {offset}" if fits else "a size beyond any file"
        raise CheckpointError(f"holds a tensor of {shown}")
    length = storage.length // (DTYPES[dtype][1] if dtype else 1)
    tensor = TensorRef(storage, offset, size, stride, dtype)
    last = offset + sum((count - 1) * step for count, step in zip(size, stride)) if tensor.count else -1
    if last >= length or tensor.count > length:
        raise CheckpointError(
            f"holds a tensor of size {size}, stride {stride}, offset {offset} "
            f"that does not fit its storage of {length} elements"
        )
    return tensor
