"""Hostile calls, names, opcodes and tensors."""

from __future__ import annotations

import builtins
import functools
import importlib
import operator
import os
import subprocess
import types
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from hostile_case import (
    CANARY,
    COMMAND,
    Call,
    GlobalName,
    add_pickle,
    dumps,
    global_,
    long_number,
    named,
    number,
    storage,
    text,
)

# Calls: in the place of the network, in every protocol

_CALLS: dict[str, tuple[str, Callable[[], Any]]] = {
    "os system": ("wants posix.system", lambda: Call(os.system, COMMAND)),
    "subprocess popen": ("wants subprocess.Popen", lambda: Call(subprocess.Popen, ["touch", CANARY])),
    "subprocess output": ("wants subprocess.check_output", lambda: Call(subprocess.check_output, [COMMAND])),
    "eval": ("wants builtins.eval", lambda: Call(eval, f"open('{CANARY}', 'w')")),
    "exec": ("wants builtins.exec", lambda: Call(exec, f"open('{CANARY}', 'w')")),
    "compile": ("wants builtins.compile", lambda: Call(compile, "1", "", "eval")),
    "open": ("wants io.open", lambda: Call(open, CANARY, "w")),
    "getattr of text": ("wants builtins.getattr", lambda: Call(getattr, "text", "upper")),
    "getattr of a class": ("wants builtins.getattr", lambda: Call(getattr, torch.Size, "__init__")),
    "import": ("wants builtins.__import__", lambda: Call(builtins.__import__, "antigravity")),
    "importlib": ("wants importlib.import_module", lambda: Call(importlib.import_module, "antigravity")),
    "attrgetter chain": (
        "wants operator.attrgetter",
        lambda: Call(operator.attrgetter("__class__.__base__.__subclasses__"), 1),
    ),
    "methodcaller": ("wants operator.methodcaller", lambda: Call(operator.methodcaller("upper"), "x")),
    "partial": ("wants functools.partial", lambda: Call(functools.partial, os.system, COMMAND)),
    "partial object": ("wants functools.partial", lambda: functools.partial(os.system, COMMAND)),
    "torch hub": ("wants torch.hub.load", lambda: Call(torch.hub.load, "user/repo", "model")),
    "torch load": ("wants torch.serialization.load", lambda: Call(torch.load, "other.pt")),
    "code type": ("wants builtins.code", lambda: Call(named(types.CodeType, "builtins", "code"), 0)),
    "numpy object array": ("wants posix.system", lambda: np.array([Call(os.system, COMMAND)], dtype=object)),
    "numpy load": ("wants numpy", lambda: Call(np.load, "file.npy")),
    "default dict of a function": ("wants posix.system", lambda: defaultdict(os.system)),
}


for _name, (_message, _make) in _CALLS.items():
    for _protocol in range(6):
        add_pickle(
            f"{_name} protocol {_protocol}",
            _message,
            lambda make=_make, protocol=_protocol: dumps({"model": make()}, protocol),  # type: ignore[misc]
        )

_NAMES = {
    "hub through torch": ("torch", "hub.load", "wants torch.hub.load"),
    "globals through a class": (
        "collections",
        "OrderedDict.__init__.__globals__",
        "wants collections.Ordered",
    ),
    "os through torch utils": ("torch._utils", "torch.os.system", "wants torch._utils.torch.os.system"),
    "sys modules through models": (
        "models.common",
        "sys.modules",
        "holds the unknown block models.common.sys",
    ),
    "method of a block": (
        "models.common",
        "Conv.forward",
        "holds the unknown block models.common.Conv.forward",
    ),
    "load from bytes": ("torch.storage", "_load_from_bytes", "wants torch.storage._load_from_bytes"),
    "script module": ("torch.jit", "load", "wants torch.jit.load"),
    "copyreg newobj": ("copyreg", "__newobj__", "wants copyreg.__newobj__"),
    "function type": ("types", "FunctionType", "wants types.FunctionType"),
    "name with escapes": ("\x1b[2J\x07evil", "x", "wants \\x1b[2J\\x07evil.x"),
    "name of a million letters": ("m" * 1_000_000, "x", "wants mmmmmmmmmm"),
}
for _name, (_module, _attribute, _message) in _NAMES.items():
    for _protocol in (2, 4):
        add_pickle(
            f"{_name} protocol {_protocol}",
            _message,
            lambda m=_module, a=_attribute, p=_protocol: dumps(Call(GlobalName(m, a), COMMAND), p),  # type: ignore[misc]
        )

# Opcodes

_CALL_SYSTEM = text(COMMAND) + b"\x85R."
_OPCODES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "inst": ("wants posix.system", lambda: b"(S'touch CANARY'\niposix\nsystem\n."),
    "obj": ("wants posix.system", lambda: b"(cposix\nsystem\nS'touch CANARY'\no."),
    "stack global of memo": (
        "wants posix.system",
        lambda: (
            b"\x80\x04" + text("posix") + b"\x940" + text("system") + b"\x940h\x00h\x01\x93" + _CALL_SYSTEM
        ),
    ),
    "stack global of non text": (
        "has a damaged pickle: a name that is not text",
        lambda: b"\x80\x04K\x01K\x02\x93.",
    ),
    "newobj": ("wants posix.system", lambda: b"\x80\x02cposix\nsystem\n" + text(COMMAND) + b"\x85\x81."),
    "newobj ex": (
        "an object is made with keyword arguments",
        lambda: b"\x80\x04" + global_("torch", "Size") + b")}" + text("a") + b"K\x01s\x92.",
    ),
    "reconstructor of a class": (
        "wants posix.system",
        lambda: b"\x80\x02" + global_("copyreg", "_reconstructor") + global_("posix", "system") + b"\x85R.",
    ),
    "reconstruct of numpy": (
        "wants posix.system",
        lambda: (
            b"\x80\x02"
            + global_("numpy.core.multiarray", "_reconstruct")
            + global_("posix", "system")
            + b"K\x00\x85C\x01b\x87R."
        ),
    ),
    "tensor of a foreign type": (
        "wants posix.system",
        lambda: (
            b"\x80\x02"
            + global_("torch._tensor", "_rebuild_from_type_v2")
            + b"("
            + global_("posix", "system")
        ),
    ),
    "tensor by a foreign function": (
        "a tensor that is made by something else",
        lambda: (
            b"\x80\x02"
            + global_("torch._tensor", "_rebuild_from_type_v2")
            + b"("
            + global_("builtins", "getattr")
            + global_("torch", "Tensor")
            + b")}tR."
        ),
    ),
    "call of a bound method": (
        "wants builtins.getattr",
        lambda: (
            b"\x80\x02" + global_("builtins", "getattr") + global_("torch", "Size") + text("x") + b"\x86R."
        ),
    ),
    "call of a record": (
        "something is called that is not a name on the list",
        lambda: b"\x80\x02" + global_("torch", "Size") + b")\x81)R.",
    ),
    "call of a dict": ("something is called that is not a name", lambda: b"\x80\x02})R."),
    "arguments that are a list": ("something is called that is not", lambda: b"\x80\x02ctorch\nSize\n]R."),
    "persistent id of protocol 0": ("uses the pickle opcode PERSID", lambda: b"Pposix.system\n."),
    "persistent id of text": (
        "a persistent id that is not a storage",
        lambda: b"\x80\x02" + text("x") + b"Q.",
    ),
    "persistent id of a module": (
        "a persistent id that is not a storage",
        lambda: b"\x80\x02(" + text("module") + global_("models.common", "Conv") + text("x") * 2 + b"tQ.",
    ),
    "persistent id with a foreign class": (
        "wants posix.system",
        lambda: (
            b"\x80\x02("
            + text("storage")
            + global_("posix", "system")
            + text("0")
            + text("cpu")
            + b"K\x01tQ."
        ),
    ),
    "persistent id with a class that is none": (
        "has numbers of an unknown type",
        lambda: (
            b"\x80\x02(" + text("storage") + global_("torch", "Size") + text("0") + text("cpu") + b"K\x01tQ."
        ),
    ),
    "extension 1": ("uses the pickle opcode EXT1", lambda: b"\x80\x02\x82\x05."),
    "extension 2": ("uses the pickle opcode EXT2", lambda: b"\x80\x02\x83\x05\x00."),
    "extension 4": ("uses the pickle opcode EXT4", lambda: b"\x80\x02\x84\x05\x00\x00\x00."),
    "next buffer": ("uses the pickle opcode NEXT_BUFFER", lambda: b"\x80\x05\x97."),
    "readonly buffer": ("uses the pickle opcode READONLY_BUFFER", lambda: b"\x80\x05K\x01\x98."),
    "state twice": ("given its state twice", lambda: b"\x80\x02ctorch\nSize\n)\x81}b}b."),
    "state for a list": ("state is given to something that has none", lambda: b"\x80\x02]}b."),
    "state for a number": ("state is given to something that has none", lambda: b"\x80\x02K\x01}b."),
    "number of a million bytes": (
        "an integer of ",
        lambda: b"\x80\x02\x8b" + (1 << 20).to_bytes(4, "little") + b"\x01" * (1 << 20) + b".",
    ),
    "number of a million digits": ("has a damaged pickle", lambda: b"I" + b"9" * 1_000_000 + b"\n."),
    "number that is not there": ("has a damaged pickle", lambda: b"\x80\x02\x8b\xff\xff\xff\x7f."),
    "negative length": ("has a damaged pickle", lambda: b"\x80\x02\x8b\xff\xff\xff\xff."),
    "text that is not there": ("has a damaged pickle", lambda: b"\x80\x02X\xff\xff\xff\x7fabc."),
    "text of 2^63 bytes": (
        "has a damaged pickle",
        lambda: b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
    ),
    "deep lists": ("holds a list", lambda: b"\x80\x02" + b"]" * 400_000 + b"a" * 399_999 + b"."),
    "deep tuples": ("holds a tuple", lambda: b"\x80\x02)" + b"\x85" * 900_000 + b"."),
    "deep records": (
        "has a network without a state",
        lambda: b"\x80\x02)" + b"\x850ctorch\nSize\nq\x00)\x81" + _deep_states(200_000),
    ),
    "deep dict key": (
        "a dict key or set member of type tuple",
        lambda: b"\x80\x02})" + b"\x85" * 900_000 + b"K\x01s.",
    ),
    "deep marks": ("has a damaged pickle", lambda: b"\x80\x02" + b"(" * 900_000 + b"."),
    "ten million opcodes": (
        "has a pickle of more than 1000000 opcodes",
        lambda: b"\x80\x02" + b"N0" * 5_000_000 + b"N.",
    ),
    "30 million sets": (
        "has a pickle of more than 1000000 opcodes",
        lambda: b"\x80\x04(" + b"\x8f" * 30_000_000 + b"l.",
    ),
    "30 million dicts": (
        "has a pickle of more than 1000000 opcodes",
        lambda: b"\x80\x02(" + b"}" * 30_000_000 + b"l.",
    ),
    "long pickle": ("has a pickle of 33554440 bytes", lambda: b"\x80\x02" + b"N" * ((32 << 20) + 6)),
    "memo flood": ("more than 1000000 opcodes", lambda: b"\x80\x04N" + b"\x94" * 5_000_000 + b"."),
    "memo numbers that collide": (
        "a memo number beyond any pickle",
        lambda: b"\x80\x02N" + b"".join(b"p%d\n" % (k * ((1 << 61) - 1)) for k in range(60_000)) + b".",
    ),
    "keys that collide": (
        "a dict key or set member of type int",
        lambda: (
            b"\x80\x02}(" + b"".join(long_number(k * ((1 << 61) - 1)) + b"N" for k in range(60_000)) + b"u."
        ),
    ),
    "set members that collide": (
        "a dict key or set member of type int",
        lambda: (
            b"\x80\x02c__builtin__\nset\n("
            + b"".join(long_number(k * ((1 << 61) - 1)) for k in range(60_000))
            + b"l\x85R."
        ),
    ),
    "billion laughs of lists": ("holds a list", lambda: _laughs(b"]", b"e", 64)),
    "billion laughs of tuples": ("holds a tuple", lambda: _laughs(b"", b"t", 64)),
    "list that holds itself": ("holds a list", lambda: b"\x80\x02]q\x00h\x00a."),
    "dict that holds itself": ("under 'model'", lambda: b"\x80\x02}q\x00" + text("model") + b"h\x00s."),
    "one long list copied often": (
        "describes far more data than a file of its size can hold",
        lambda: (
            b"\x80\x02("
            + b"".join(b"J" + n.to_bytes(4, "little") for n in range(100_000))
            + b"lq\x00("
            + b"c__builtin__\nset\nh\x00\x85R" * 20_000
            + b"t."
        ),
    ),
    "one long text encoded often": (
        "describes far more data than a file of its size can hold",
        lambda: (
            b"\x80\x02"
            + text("x" * 20_000_000)
            + b"q\x000("
            + (global_("_codecs", "encode") + b"h\x00" + text("latin1") + b"\x86R") * 1000
            + b"t."
        ),
    ),
    "key of ten million letters": (
        "has neither 'ema' nor 'model'",
        lambda: b"\x80\x02}" + text("\u20ac" * 7_000_000) + b"Ns.",
    ),
    "text with escapes for a key": ("it has: '\\x1b[2J'", lambda: b"\x80\x02}" + text("\x1b[2J") + b"Ns."),
    "mappings of nothing": (
        "an ordered dict of something",
        lambda: b"\x80\x02ccollections\nOrderedDict\nK\x01\x85R.",
    ),
    "wrong number of arguments": (
        "has a damaged pickle",
        lambda: b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",
    ),
    "protocol 255": ("", lambda: b"\x80\xff}."),
}
_OPCODES["protocol 255"] = ("has neither 'ema' nor 'model'", lambda: b"\x80\xff}.")


def _laughs(start: bytes, end: bytes, rounds: int) -> bytes:
    parts = [b"\x80\x02", b"]q\x00"]
    for index in range(rounds):
        again = b"h" + bytes([index])
        parts.append(b"0" + start + b"(" + again * 10 + end + b"q" + bytes([index + 1]))
    return b"".join(parts) + b"."


def _deep_states(depth: int) -> bytes:
    """Records, each the state of the one before it."""
    return b"h\x00)\x81" * depth + b"b" * depth + b"."


for _name, (_message, _data) in _OPCODES.items():
    add_pickle(f"opcodes: {_name}", _message, _data)

# Tensors and storages


def tensor(offset: int, size: tuple[int, ...], stride: tuple[int, ...], length: int = 16) -> bytes:
    def numbers(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(map(number, values)) + b"t"

    arguments = storage(length) + number(offset) + numbers(size) + numbers(stride) + b"\x89}"
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"tR."


_BAD = "holds a tensor of "
_TENSORS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "storage shorter than it says": (
        "is damaged: storage 0 has 4096 bytes",
        lambda: b"\x80\x02" + storage(2000) + b".",
    ),
    "storage of 2^62 numbers": ("more than any file has", lambda: b"\x80\x02" + storage(1 << 62) + b"."),
    "storage of minus one": ("a storage without a key or length", lambda: b"\x80\x02" + storage(-1) + b"."),
    "storage by a path": (
        "lacks its storage ../../../etc/passwd",
        lambda: b"\x80\x02" + storage(1, "../../../etc/passwd") + b".",
    ),
    "storage with escapes": (
        "lacks its storage \\x1b[2J",
        lambda: b"\x80\x02" + storage(1, "\x1b[2J") + b".",
    ),
    "tensor past the end": ("does not fit its storage of 16", lambda: tensor(1, (4, 4), (4, 1))),
    "tensor of one number a million times": (
        "does not fit its storage",
        lambda: tensor(0, (1000, 1000), (0, 0)),
    ),
    "tensor of huge size": (_BAD, lambda: tensor(0, (1 << 62, 4), (0, 1))),
    "tensor of huge stride": (_BAD, lambda: tensor(0, (1, 4), (1 << 70, 1))),
    "tensor of huge offset": (_BAD, lambda: tensor(1 << 63, (1,), (1,))),
    "tensor of negative stride": (_BAD, lambda: tensor(15, (4,), (-1,))),
    "tensor of negative size": (_BAD, lambda: tensor(0, (-4,), (1,))),
    "tensor of negative offset": (_BAD, lambda: tensor(-1, (4,), (1,))),
    "tensor of a thousand dimensions": (_BAD, lambda: tensor(0, (1,) * 1000, (1,) * 1000)),
    "tensor of other strides than sizes": (_BAD, lambda: tensor(0, (4, 4), (1,))),
    "tensor of nothing but huge": (_BAD, lambda: tensor(0, (0, 1 << 62), (1, 1))),
}
for _name, (_message, _data) in _TENSORS.items():
    add_pickle(_name, _message, _data)
