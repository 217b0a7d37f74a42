"""Keeps what C libraries print away from stdout, which belongs to our data."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Caught", "catch_c_stdout"]

_UNBUFFERED = 2  # _IONBF
_lock = threading.RLock()
_file: tuple[int, int] | None = None
"""Descriptor and ``FILE *`` of the file in memory that catches. It is never closed: another thread may be
printing into it."""


class Caught:
    """What was printed.

    Attributes:
        text: Complete once the ``with`` block has ended, and then on one line.
    """

    def __init__(self) -> None:
        self.text = ""


@contextmanager
def catch_c_stdout() -> Iterator[Caught]:
    """Catches what C code prints with ``printf`` and its like, on whatever thread.

    glibc's variable ``stdout`` is pointed elsewhere meanwhile. The descriptor 1 stays as it is, so what
    Python code of other threads writes arrives. With another C library nothing is caught.

    Example:
        >>> with catch_c_stdout() as caught:
        ...     _ = ctypes.CDLL(None).puts(b"chatter")
        >>> caught.text
        'chatter'
    """
    caught = Caught()
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        yield caught
        return
    with _lock:
        descriptor, file = _opened(libc)
        stdout = ctypes.c_void_p.in_dll(libc, "stdout")
        before, start = stdout.value, os.fstat(descriptor).st_size
        stdout.value = file
        try:
            yield caught
        finally:
            stdout.value = before
            size = os.fstat(descriptor).st_size
            said = os.pread(descriptor, size - start, start).decode(errors="replace")
            caught.text = "; ".join(line.strip() for line in said.splitlines() if line.strip())
            os.ftruncate(descriptor, start)


def _opened(libc: ctypes.CDLL) -> tuple[int, int]:
    global _file
    if _file is None:
        libc.fdopen.restype = ctypes.c_void_p
        libc.setvbuf.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
        descriptor = os.memfd_create("c-stdout")
        file = libc.fdopen(descriptor, b"a")
        libc.setvbuf(file, None, _UNBUFFERED, 0)
        _file = descriptor, file
    return _file
