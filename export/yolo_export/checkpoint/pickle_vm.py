"""A pickle machine that cannot run anything.

Python's own unpickler builds objects by importing names and calling them. This one interprets the same
opcodes (protocols 0 to 5) into plain data and the records of `yolo_export.checkpoint.records`: a name stays a
name, a call stays a description of a call. Names outside the list of `yolo_export.checkpoint.allowlist` end
the reading.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable
from typing import Any

from yolo_export.checkpoint.allowlist import FUNCTIONS, check_global
from yolo_export.checkpoint.records import GlobalRef, Instance, clip
from yolo_export.checkpoint.reductions import Reductions, flat_key
from yolo_export.errors import CheckpointError

__all__ = ["MAX_OPCODES", "MAX_PICKLE_BYTES", "read_pickle", "read_pickle_at"]

#: Longest pickle that is read. Those of real checkpoints have 0.1 to 5 MB: the weights are stored beside
#: them.
MAX_PICKLE_BYTES = 32 << 20

#: Most opcodes that are read. Published checkpoints have 30,000 to 60,000, the largest networks with the
#: state of their optimizer ten times that. A hostile pickle gets some 200 bytes of memory and 2 us for each.
MAX_OPCODES = 1_000_000
#: Beyond this an integer's hash wraps round, and memo numbers could be chosen that all collide.
_MAX_MEMO = 1 << 32
#: Integers of a checkpoint fit 64 bits. Writing one of a million digits into a message would take hours.
_MAX_INTEGER_BITS = 1024

#: Opcodes whose argument is the value itself.
_CONSTANTS = frozenset(
    [
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "UNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE",
        "BINUNICODE8",
        "FLOAT",
        "BINFLOAT",
    ]
)
_LITERALS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": set}
_NOTHING = frozenset({"PROTO", "FRAME", "STOP"})


def read_pickle(data: bytes, persistent_load: Callable[[Any], Any]) -> Any:
    """Read a pickle into data and records.

    Args:
        data: The whole pickle; bytes after its STOP are ignored.
        persistent_load: Turns a persistent id (a tuple of data) into a record.

    Returns:
        The value that the pickle describes.

    Raises:
        CheckpointError: The pickle is damaged, too long, or mentions a name outside the list.
    """
    return read_pickle_at(data, 0, persistent_load)[0]


def read_pickle_at(data: bytes, start: int, persistent_load: Callable[[Any], Any]) -> tuple[Any, int]:
    """Read the pickle that starts at a byte of ``data``.

    Args:
        data: Holds the pickle and whatever comes after it.
        start: Its first byte.
        persistent_load: See `read_pickle`.

    Returns:
        The value, and the position after the pickle.

    Raises:
        CheckpointError: See `read_pickle`.
    """
    if len(data) > MAX_PICKLE_BYTES:
        raise CheckpointError(f"has a pickle of {len(data)} bytes; at most {MAX_PICKLE_BYTES} are read")
    machine = _Machine(persistent_load, copy_budget=len(data) + 4096)
    stream = io.BytesIO(data)
    stream.seek(start)
    try:
        machine.run(stream)
        return machine.result(), stream.tell()
    except CheckpointError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise CheckpointError(f"has a damaged pickle: {clip(str(error))}") from error


class _Machine:
    """Stack, marks and memo; one method per opcode that does more than push a constant."""

    def __init__(self, persistent_load: Callable[[Any], Any], copy_budget: int) -> None:
        self._stack: list[Any] = []
        self._below_marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._names: dict[tuple[str, str], GlobalRef] = {}
        self._persistent_load = persistent_load
        self._reductions = Reductions(copy_budget)
        self._methods: dict[str, Callable[[Any], None]] = {
            name[len("_op_") :].upper(): getattr(self, name) for name in dir(self) if name.startswith("_op_")
        }

    def run(self, stream: io.BytesIO) -> None:
        """Interpret opcodes up to STOP."""
        methods = self._methods
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            name = opcode.name
            if name in methods:
                methods[name](argument)
            elif name in _CONSTANTS:
                if isinstance(argument, int) and argument.bit_length() > _MAX_INTEGER_BITS:
                    raise ValueError(f"an integer of {argument.bit_length()} bits")
                self._stack.append(argument)
            elif name in _LITERALS:
                self._stack.append(_LITERALS[name])
            elif name in _EMPTY:
                self._stack.append(_EMPTY[name]())
            elif name not in _NOTHING:
                raise CheckpointError(f"uses the pickle opcode {name}, which no checkpoint needs")
            if count >= MAX_OPCODES:
                raise CheckpointError(
                    f"has a pickle of more than {MAX_OPCODES} opcodes; no checkpoint needs more"
                )

    def result(self) -> Any:
        """The single value that is left."""
        if len(self._stack) != 1 or self._below_marks:
            raise ValueError("it ends with more or less than one value")
        return self._stack[0]

    def _pop_mark(self) -> list[Any]:
        items = self._stack
        self._stack = self._below_marks.pop()
        return items

    # Stack and memo

    def _op_mark(self, _: None) -> None:
        self._below_marks.append(self._stack)
        self._stack = []

    def _op_pop(self, _: None) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._pop_mark()

    def _op_pop_mark(self, _: None) -> None:
        self._pop_mark()

    def _op_dup(self, _: None) -> None:
        self._stack.append(self._stack[-1])

    def _op_put(self, index: int) -> None:
        if not 0 <= index < _MAX_MEMO:
            raise ValueError("a memo number beyond any pickle")
        self._memo[index] = self._stack[-1]

    _op_binput = _op_long_binput = _op_put

    def _op_memoize(self, _: None) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _op_get(self, index: int) -> None:
        self._stack.append(self._memo[index])

    _op_binget = _op_long_binget = _op_get

    # Containers

    def _op_tuple(self, _: None) -> None:
        items = tuple(self._pop_mark())
        self._stack.append(items)

    def _tuple_of(self, count: int) -> None:
        if len(self._stack) < count:
            raise ValueError("a tuple of more values than there are")
        self._stack[-count:] = [tuple(self._stack[-count:])]

    def _op_tuple1(self, _: None) -> None:
        self._tuple_of(1)

    def _op_tuple2(self, _: None) -> None:
        self._tuple_of(2)

    def _op_tuple3(self, _: None) -> None:
        self._tuple_of(3)

    def _op_list(self, _: None) -> None:
        items = self._pop_mark()
        self._stack.append(items)

    def _op_dict(self, _: None) -> None:
        items = self._pop_mark()
        self._stack.append({})
        self._set_items(items)

    def _op_frozenset(self, _: None) -> None:
        items = self._pop_mark()
        self._stack.append(frozenset(flat_key(item) for item in items))

    def _op_append(self, _: None) -> None:
        item = self._stack.pop()
        self._top(list).append(item)

    def _op_appends(self, _: None) -> None:
        items = self._pop_mark()
        self._top(list).extend(items)

    def _op_additems(self, _: None) -> None:
        items = self._pop_mark()
        self._top(set).update(flat_key(item) for item in items)

    def _op_setitem(self, _: None) -> None:
        value = self._stack.pop()
        key = self._stack.pop()
        self._set_items([key, value])

    def _op_setitems(self, _: None) -> None:
        self._set_items(self._pop_mark())

    def _set_items(self, items: list[Any]) -> None:
        if len(items) % 2:
            raise ValueError("a key without a value")
        target = self._top(dict)
        for key, value in zip(items[::2], items[1::2]):
            target[flat_key(key)] = value

    def _top(self, kind: type) -> Any:
        if type(self._stack[-1]) is not kind:
            raise ValueError(f"items are put into something that is not a {kind.__name__}")
        return self._stack[-1]

    # Names, calls and objects

    def _op_global(self, argument: str) -> None:
        module, name = argument.split(" ", 1)
        self._push_name(module, name)

    def _op_stack_global(self, _: None) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ValueError("a name that is not text")
        self._push_name(module, name)

    def _push_name(self, module: str, name: str) -> None:
        found = self._names.get((module, name))
        if found is None:
            found = self._names[module, name] = GlobalRef(*check_global(module, name))
        self._stack.append(found)

    def _op_inst(self, argument: str) -> None:
        arguments = tuple(self._pop_mark())
        self._op_global(argument)
        self._make(self._stack.pop(), arguments)

    def _op_obj(self, _: None) -> None:
        kind, *arguments = self._pop_mark()
        self._make(kind, tuple(arguments))

    def _op_reduce(self, _: None) -> None:
        arguments, kind = self._stack.pop(), self._stack.pop()
        self._make(kind, arguments)

    _op_newobj = _op_reduce

    def _op_newobj_ex(self, _: None) -> None:
        keywords, arguments, kind = self._stack.pop(), self._stack.pop(), self._stack.pop()
        if keywords:
            raise ValueError("an object is made with keyword arguments")
        self._make(kind, arguments)

    def _make(self, kind: Any, arguments: Any) -> None:
        if not isinstance(kind, GlobalRef) or type(arguments) is not tuple:
            raise ValueError("something is called that is not a name on the list")
        if kind.path in FUNCTIONS:
            self._stack.append(self._reductions.read(FUNCTIONS[kind.path], arguments))
        else:
            self._stack.append(Instance(kind.path, arguments))

    def _op_build(self, _: None) -> None:
        state = self._stack.pop()
        target = self._stack[-1]
        if isinstance(target, Instance):
            if target.built:
                raise ValueError(f"{clip(target.class_path)} is given its state twice")
            target.state, target.built = state, True
        elif (
            type(target) is not dict
        ):  # An ordered dict of weights carries a version table as its state; not needed.
            raise ValueError("state is given to something that has none")

    def _op_binpersid(self, _: None) -> None:
        self._stack.append(self._persistent_load(self._stack.pop()))
