"""Damages a small checkpoint in thousands of ways: each must be refused with `CheckpointError`, or read.

    scripts/fuzz-checkpoints --count 20000 --seed 0

A mutation is a function of the seed and its number alone, so that ``--only NUMBER`` repeats one. Whatever
else than a refusal or a network comes out (another error, a file made by an attack, more than 10 s, more than
1 GB) ends the run with the mutation's number.
"""

from __future__ import annotations

import argparse
import collections
import io
import os
import pickletools
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from checkpoints import write_checkpoint
from torch import nn

from yolo_export.checkpoint import read_checkpoint
from yolo_export.errors import CheckpointError
from yolo_export.models import C3, SPPF, Concat, Conv, Detect, Network

_MAX_SECONDS = 10
_MAX_BYTES = 1_000_000_000
_CANARY = "CANARY"
#: What a random opcode may be given: calls that would leave a canary, numbers at the edges, odd names.
_FRAGMENTS = [
    b"cposix\nsystem\nX\x0c\x00\x00\x00touch CANARY\x85R",
    b"cbuiltins\nexec\nX\x16\x00\x00\x00open('CANARY', 'w').x()\x85R",
    b"c__builtin__\ngetattr\n",
    b"cmodels.common\nConv\n",
    b"cmodels.yolo\nDetect\n",
    b"ctorch\nSize\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ccollections\nOrderedDict\n",
    b"J\xff\xff\xff\x7f",
    b"J\x00\x00\x00\x80",
    b"K\x00",
    b"M\xff\xff",
    b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"G\x7f\xf8\x00\x00\x00\x00\x00\x00",
    b"G\x7f\xf0\x00\x00\x00\x00\x00\x00",
    b"G\xc0\x00\x00\x00\x00\x00\x00\x00",
    b"X\x04\x00\x00\x00\x1b[2J",
    b"N",
    b"}",
    b"]",
    b")",
    b"(",
    b"t",
    b"R",
    b"b",
    b"u",
    b"s",
    b"a",
    b"e",
    b"Q",
    b"0",
    b"1",
    b"2",
    b".",
]
#: Records of an archive: how each begins, and its length.
_RECORDS = [(b"PK\x01\x02", 46), (b"PK\x03\x04", 30), (b"PK\x05\x06", 22), (b"PK\x06\x06", 56)]


def small_network() -> Network:
    """Every kind of record in few bytes, so that damage hits what matters."""
    torch.manual_seed(0)
    return Network(
        [
            (Conv(3, 4, 3, 2), -1),
            (Conv(4, 4, 3, 2), -1),
            (C3(4, 4, 1), -1),
            (Conv(4, 8, 3, 2), -1),
            (SPPF(8, 8), -1),
            (nn.Upsample(scale_factor=2.0), -1),
            (Concat(), [-1, 2]),
            (Detect(2, 3, (12, 8)), [6, 4]),
        ]
    ).eval()


class Mutator:
    """Makes the damaged files; see the module.

    Args:
        folder: For the good checkpoints.
    """

    def __init__(self, folder: Path) -> None:
        options: dict[str, Any] = {"names": ("cat", "dog"), "strides": [4, 8]}
        self._zip = write_checkpoint(folder / "good.pt", small_network(), **options).read_bytes()
        self._legacy = write_checkpoint(
            folder / "old.pt", small_network(), **options, _use_new_zipfile_serialization=False
        ).read_bytes()
        with zipfile.ZipFile(folder / "good.pt") as archive:
            self._entries = [(name, archive.read(name)) for name in archive.namelist()]
        read_checkpoint(folder / "good.pt")
        read_checkpoint(folder / "old.pt")
        self._pickle = next(data for name, data in self._entries if name.endswith("data.pkl"))
        self._opcodes = [(position, opcode) for opcode, _, position in pickletools.genops(self._pickle)]
        self.kinds: list[tuple[str, Callable[[random.Random], bytes]]] = [
            ("flip bytes", lambda rng: self._flip(rng, self._zip)),
            ("flip bytes of the pickle", lambda rng: self._packed(self._flip(rng, self._pickle))),
            ("flip bytes of a legacy file", lambda rng: self._flip(rng, self._legacy)),
            ("opcodes", lambda rng: self._packed(self._change_opcodes(rng))),
            ("opcodes", lambda rng: self._packed(self._change_opcodes(rng))),
            ("arguments", lambda rng: self._packed(self._change_arguments(rng))),
            ("arguments", lambda rng: self._packed(self._change_arguments(rng))),
            ("ranges", lambda rng: self._change_range(rng, self._zip)),
            ("ranges of the pickle", lambda rng: self._packed(self._change_range(rng, self._pickle))),
            ("ranges of a legacy file", lambda rng: self._change_range(rng, self._legacy)),
            ("table of the archive", self._change_table),
            ("entries of the archive", self._change_entries),
        ]

    def make(self, seed: int, number: int) -> tuple[str, bytes]:
        """Kind and content of one damaged file."""
        rng = random.Random(f"{seed} {number}")
        kind, change = self.kinds[number % len(self.kinds)]
        return kind, change(rng)

    def _packed(self, data: bytes, entries: list[tuple[str, bytes]] | None = None) -> bytes:
        """An archive around a pickle, with the right checksums."""
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for name, old in entries or self._entries:
                archive.writestr(name, data if name.endswith("data.pkl") else old)
        return stream.getvalue()

    @staticmethod
    def _flip(rng: random.Random, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(rng.choice([1, 1, 2, 4, 16])):
            place = rng.randrange(len(changed))
            changed[place] = rng.choice([changed[place] ^ 1 << rng.randrange(8), 0, 255, rng.randrange(256)])
        return bytes(changed)

    def _change_opcodes(self, rng: random.Random) -> bytes:
        """Remove, repeat, swap or put in whole opcodes."""
        changed = bytearray(self._pickle)
        places = sorted(rng.sample(range(1, len(self._opcodes) - 1), rng.choice([1, 1, 2, 3])), reverse=True)
        for place in places:
            start, end = self._opcodes[place][0], self._opcodes[place + 1][0]
            other = rng.randrange(len(self._opcodes) - 1)
            moved = self._pickle[self._opcodes[other][0] : self._opcodes[other + 1][0]]
            changed[start:end] = rng.choice(
                [
                    b"",
                    changed[start:end] * rng.choice([2, 3, 1000]),
                    moved,
                    moved + changed[start:end],
                    rng.choice(_FRAGMENTS),
                    rng.choice(_FRAGMENTS) + changed[start:end],
                ]
            )
        return bytes(changed)

    def _change_arguments(self, rng: random.Random) -> bytes:
        """Other numbers, texts and names in the place of those that are there."""
        changed = bytearray(self._pickle)
        constants = [
            place
            for place, (_, opcode) in enumerate(self._opcodes[:-1])
            if opcode.arg is not None or opcode.name in ("NEWTRUE", "NEWFALSE", "NONE", "EMPTY_TUPLE")
        ]
        for place in sorted(rng.sample(constants, rng.choice([1, 1, 2, 5])), reverse=True):
            position, opcode = self._opcodes[place]
            end = self._opcodes[place + 1][0]
            same = [self._opcodes[each] for each in constants if self._opcodes[each][1] is opcode]
            start_of_same = rng.choice(same)[0]
            index = next(i for i, (at, _) in enumerate(self._opcodes) if at == start_of_same)
            donor = self._pickle[start_of_same : self._opcodes[index + 1][0]]
            changed[position:end] = rng.choice([donor, donor, rng.choice(_FRAGMENTS)])
        return bytes(changed)

    @staticmethod
    def _change_range(rng: random.Random, data: bytes) -> bytes:
        """Cut off, cut out, repeat, zero or move a range."""
        start = rng.randrange(len(data))
        length = min(rng.choice([1, 2, 8, 64, 1024, len(data)]), len(data) - start)
        part = data[start : start + length]
        other = rng.randrange(len(data))
        return rng.choice(
            [
                data[:start],
                data[:start] + data[start + length :],
                data[:start] + part * rng.choice([2, 3, 50]) + data[start + length :],
                data[:start] + bytes(length) + data[start + length :],
                data[:other] + part + data[other:],
            ]
        )

    def _change_table(self, rng: random.Random) -> bytes:
        """Other numbers in the records of the archive: sizes, offsets, flags, counts."""
        changed = bytearray(self._zip)
        for _ in range(rng.choice([1, 1, 2, 4])):
            magic, length = rng.choice(_RECORDS)
            places = []
            at = changed.find(magic)
            while at >= 0:
                places.append(at)
                at = changed.find(magic, at + 1)
            if places:
                at = rng.choice(places) + rng.randrange(length)
                size = rng.choice([1, 2, 4, 8])
                value = rng.choice(
                    [bytes(size), b"\xff" * size, rng.randbytes(size), b"\x01" + bytes(size - 1)]
                )
                changed[at : at + size] = value
        return bytes(changed)

    def _change_entries(self, rng: random.Random) -> bytes:
        """Entries left out, swapped, shortened, renamed, or of another file."""
        entries = list(self._entries)
        for _ in range(rng.choice([1, 1, 2, 4])):
            place, other = rng.randrange(len(entries)), rng.randrange(len(entries))
            name, data = entries[place]
            entries[place] = rng.choice(
                [
                    (name, data[: rng.randrange(len(data) + 1)]),
                    (name, entries[other][1]),
                    (f"{name}{rng.choice(['x', '/', '../', chr(0x1B)])}", data),
                    (name, self._flip(rng, data) if data else b"x"),
                    (name, rng.randbytes(len(data))),
                ]
            )
            if rng.random() < 0.2 and len(entries) > 2:
                del entries[other]
        pickled = next((data for name, data in entries if name.endswith("data.pkl")), b"")
        return self._packed(pickled, entries)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=20_000, help="mutations (default: %(default)s)")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="repeat one mutation and show its error")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="fuzz-checkpoints-") as name:
        os.chdir(name)
        folder = Path(name)
        mutator = Mutator(folder)
        if args.only is not None:
            kind, data = mutator.make(args.seed, args.only)
            (folder / "only.pt").write_bytes(data)
            print(kind, f"{len(data)} bytes")
            read_checkpoint(folder / "only.pt")
            return 0
        return _run(mutator, folder, args.seed, args.count)


def _run(mutator: Mutator, folder: Path, seed: int, count: int) -> int:
    outcomes: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    slowest, start, shown = 0.0, time.monotonic(), time.monotonic()
    # CPU time: on a busy machine a file may wait long without taking long.
    signal.signal(signal.SIGPROF, _too_slow)
    path = folder / "fuzz.pt"
    for number in range(count):
        kind, data = mutator.make(seed, number)
        path.write_bytes(data)
        began = time.monotonic()
        signal.setitimer(signal.ITIMER_PROF, _MAX_SECONDS)
        try:
            read_checkpoint(path)
            outcome = "read"
        except CheckpointError as error:
            outcome = "refused"
            if not str(error).isprintable() or len(str(error)) > 7000:
                return _failed(
                    seed, number, kind, f"an error that is not one short line: {str(error)[:500]!r}"
                )
        except BaseException:
            return _failed(seed, number, kind, traceback.format_exc())
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        slowest = max(slowest, time.monotonic() - began)
        outcomes[kind][outcome] += 1
        if next(folder.rglob(_CANARY), None):
            return _failed(seed, number, kind, "code of the file ran")
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > _MAX_BYTES:
            return _failed(seed, number, kind, "more than 1 GB of memory")
        if time.monotonic() - shown > 10:
            shown = time.monotonic()
            print(f"{number + 1} of {count}, {shown - start:.0f} s", file=sys.stderr, flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    took = time.monotonic() - start
    print(f"{count} mutations, seed {seed}: {took:.0f} s, slowest {slowest:.2f} s, peak {peak:.0f} MB")
    for kind, counts in outcomes.items():
        print(f"  {kind}: {counts['refused']} refused, {counts['read']} read")
    print("no crash, no hang, no canary, no other error than CheckpointError")
    return 0


def _failed(seed: int, number: int, kind: str, what: str) -> int:
    print(f"FAILED: mutation {number} ({kind}), repeat with --seed {seed} --only {number}\n{what}")
    return 1


class _TooSlowError(BaseException):
    """Not an Exception, so that nothing on the way catches it."""


def _too_slow(_: Any, __: Any) -> None:
    raise _TooSlowError(f"more than {_MAX_SECONDS} s of CPU time")


if __name__ == "__main__":
    sys.exit(main())
