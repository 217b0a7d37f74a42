"""Hostile files around the pickle: archives, legacy files, files cut short."""

from __future__ import annotations

import os
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from checkpoints import write_checkpoint, write_pickle, yolov5
from hostile_case import (
    CANARY,
    CASES,
    COMMAND,
    HARMLESS,
    Call,
    Case,
    add,
    dumps,
    global_,
    mutable_checkpoint,
    storage,
    text,
)

# Archives


def _good(path: Path) -> bytes:
    return mutable_checkpoint(path).read_bytes()


def _repack(path: Path, edit: Callable[[zipfile.ZipFile, str, bytes], None]) -> None:
    """Write a good checkpoint again, entry by entry."""
    with zipfile.ZipFile(mutable_checkpoint(path)) as old:
        entries = [(name, old.read(name)) for name in old.namelist()]
    with zipfile.ZipFile(path, "w") as new:
        for name, data in entries:
            edit(new, name, data)


def _deflate_bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
        with archive.open("archive/data/0", "w", force_zip64=True) as entry:
            for _ in range(16):
                entry.write(bytes(16 << 20))


def _overlapping(path: Path) -> None:
    """Entries that all lie on the same bytes: 20,000 times 200 kB in a file of 2 MB."""
    head = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 0, 0, 0, 0, 200_000, 200_000, 16, 0)
    body = head + b"archive/data.pkl" + bytes(200_000)
    entries = []
    for index in range(20_000):
        name = f"archive/data/{index}".encode()
        entry = struct.pack(
            "<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 200_000, 200_000, len(name), 0, 0, 0, 0, 0, 0
        )
        entries.append(entry + name)
    table = b"".join(entries)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 20_000, 20_000, len(table), len(body), 0)
    path.write_bytes(body + table + end)


def _huge_table(path: Path) -> None:
    """Half a million entries without content."""
    entry = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0)
    table = b"".join(entry + b"%06d" % index for index in range(500_000))
    body = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 0, 0, 0, 0, 0, 0, 1, 0) + b"a"
    path.write_bytes(
        body + table + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 65535, 65535, len(table), len(body), 0)
    )


def _with(name: str, data: bytes, **info: Any) -> Callable[[Path], None]:
    """A good checkpoint with one more entry."""

    def write(path: Path) -> None:
        mutable_checkpoint(path)
        with zipfile.ZipFile(path, "a") as archive:
            entry = zipfile.ZipInfo(name)
            for key, value in info.items():
                setattr(entry, key, value)
            archive.writestr(entry, data)

    return write


def _duplicate(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _with("best/data.pkl", dumps({"model": Call(os.system, COMMAND)}))(path)
        with zipfile.ZipFile(path) as archive:
            root = archive.namelist()[0].split("/")[0]
        _with(f"{root}/data.pkl", dumps({"model": Call(os.system, COMMAND)}))(path)


def _edit_bytes(edit: Callable[[bytearray], None]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        content = bytearray(_good(path))
        edit(content)
        path.write_bytes(bytes(content))

    return write


def _encrypt(content: bytearray) -> None:
    for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(magic)
        content[at + place] |= 1


def _wrong_crc(content: bytearray) -> None:
    at = content.find(b"PK\x01\x02")
    content[at + 16] ^= 0xFF


def _newer_version(content: bytearray) -> None:
    at = content.find(b"PK\x01\x02")
    content[at + 6] = 255


def _other_compression(content: bytearray) -> None:
    at = content.find(b"PK\x01\x02")
    content[at + 10] = 99


def _zip64_size(content: bytearray) -> None:
    at = content.find(b"PK\x01\x02")
    content[at + 20 : at + 28] = b"\xff" * 8


def _zip64_locator(content: bytearray) -> None:
    at = content.rfind(b"PK\x05\x06")
    record = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1 << 60, 1 << 60, 1 << 60, 0)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, at, 1)
    content[at:at] = record + locator


def _offset_past_the_end(content: bytearray) -> None:
    at = content.find(b"PK\x01\x02")
    content[at + 42 : at + 46] = b"\xff\xff\xff\x7f"


def _nested(path: Path) -> None:
    inner = _good(path)
    write_pickle(path, inner)


def _swap_pickle(data: bytes) -> Callable[[Path], None]:
    return lambda path: _repack(
        path, lambda new, name, old: new.writestr(name, data if name.endswith("data.pkl") else old)
    )


_ARCHIVES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "compressed bomb": ("has the compressed entry archive/data", _deflate_bomb),
    "overlapping entries": ("its entries say that they are longer than the file", _overlapping),
    "half a million entries": ("has a table of entries of 26000000 bytes", _huge_table),
    # What a zip file says when it is read as a pickle hangs on the name of the file.
    "checkpoint in a checkpoint": ("pickle", _nested),
    "path traversal": (HARMLESS, _with("../../../../tmp/CANARY", b"x")),
    "absolute path": (HARMLESS, _with("/tmp/CANARY", b"x")),
    "symbolic link": (HARMLESS, _with("best/data/link", b"/etc/passwd", external_attr=0o120777 << 16)),
    "device": (HARMLESS, _with("best/data/zero", b"", external_attr=0o020666 << 16)),
    "second pickle": ("has 2 entries data.pkl, not one", _with("other/data.pkl", dumps({}))),
    "same pickle twice": ("", _duplicate),
    "encrypted entry": ("has the encrypted entry ", _edit_bytes(_encrypt)),
    "wrong checksum": ("is damaged at ", _edit_bytes(_wrong_crc)),
    "newer zip version": ("is cut short or damaged", _edit_bytes(_newer_version)),
    "unknown compression": ("has the compressed entry ", _edit_bytes(_other_compression)),
    "zip64 sizes that are not there": ("is ", _edit_bytes(_zip64_size)),
    "zip64 table of 2^60 entries": ("is cut short or damaged", _edit_bytes(_zip64_locator)),
    "entry past the end": ("is ", _edit_bytes(_offset_past_the_end)),
    "no pickle": (
        "has 0 entries data.pkl, not one",
        lambda path: _repack(path, lambda new, name, data: new.writestr(name.replace("data.pkl", "x"), data)),
    ),
    "no storages": (
        "lacks its storage 0",
        lambda path: _repack(
            path, lambda new, name, data: new.writestr(name.replace("/data/", "/other/"), data)
        ),
    ),
    "empty pickle": ("has a damaged pickle", _swap_pickle(b"")),
    "pickle of another file": ("holds a list", _swap_pickle(b"\x80\x02].")),
    "big endian": ("has byte order b'big'", _with("archive/byteorder", b"big")),
    "name with escapes in the archive": (
        "has the compressed entry \\x1b[2J",
        _with("\x1b[2J", b"x" * 99, compress_type=8),
    ),
}
for _name, (_message, _write) in _ARCHIVES.items():
    add(f"archive: {_name}", _message, _write)
CASES["archive: same pickle twice"] = Case(_duplicate, "has two entries named ")
CASES["archive: big endian"] = Case(
    lambda path: _repack(
        path, lambda new, name, data: new.writestr(name, b"big" if name.endswith("byteorder") else data)
    ),
    "has byte order b'big'",
)


def _legacy(path: Path) -> bytes:
    return write_checkpoint(path, yolov5(), _use_new_zipfile_serialization=False).read_bytes()


def _cut(content: Callable[[Path], bytes], share: float) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        data = content(path)
        path.write_bytes(data[: int(len(data) * share)])

    return write


for _step in range(20):
    add(f"cut at {5 * _step} %", "is ", _cut(_good, _step / 20))
    add(f"legacy cut at {5 * _step} %", "", _cut(_legacy, _step / 20))
    CASES[f"legacy cut at {5 * _step} %"] = Case(_cut(_legacy, _step / 20), "is " if _step == 0 else " ")


def _legacy_with(data: bytes) -> Callable[[Path], None]:
    """A legacy file whose content is a hand-made pickle."""
    return lambda path: path.write_bytes(
        pickle.dumps(0x1950A86A20F9469CFC6C, 2)
        + pickle.dumps(1001, 2)
        + pickle.dumps({"little_endian": True}, 2)
        + data
    )


add("legacy call", "wants posix.system", _legacy_with(dumps({"model": Call(os.system, COMMAND)})))
add(
    "legacy class with source",
    "where a network is expected",
    _legacy_with(
        b"\x80\x02("
        + text("module")
        + global_("models.common", "Conv")
        + text("x.py")
        + text(f"open('{CANARY}', 'w')")
        + b"tQ)\x81}b."
        + pickle.dumps([], 2)
    ),
)
add(
    "legacy storage in two ways",
    "describes its storage 0 in two ways",
    _legacy_with(b"\x80\x02" + storage(1) + storage(2) + b"\x86." + pickle.dumps(["0"], 2)),
)
add(
    "legacy keys that are not text",
    "the keys of its storages are not a list",
    _legacy_with(b"\x80\x02}." + pickle.dumps([1], 2)),
)
add("legacy key twice", "that nothing refers to", _legacy_with(b"\x80\x02}." + pickle.dumps(["0", "0"], 2)))
add(
    "legacy call before the content",
    "wants posix.system",
    lambda path: path.write_bytes(
        pickle.dumps(0x1950A86A20F9469CFC6C, 2) + b"\x80\x02cposix\nsystem\n" + text(COMMAND) + b"\x85R."
    ),
)
