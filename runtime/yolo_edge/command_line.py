"""What the commands share at their start and their end: the standard streams, and errors in one line."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from yolo_edge.errors import SinkError


def run_command(work: Callable[[], int]) -> int:
    """Runs a command between a sound start and an end at which all that it printed is out.

    A standard stream that was closed, as with ``>&-``, is one that nobody reads; otherwise the next file
    opened would take its number, and get what libraries print. Text that the terminal's encoding lacks is
    shown as escapes. SIGTERM ends it as Ctrl-C does. When the reader of our output has enough, as ``head``
    has, the exit code is 0.

    Raises:
        KeyboardInterrupt: :func:`interrupted_code` is the exit code.
        SinkError: Standard output cannot be written.
        OSError: Of a file; :func:`explain` says which.
    """
    _open_standard_streams()
    try:
        with _terminated_like_interrupted():
            code = work()
        sys.stdout.flush()
    except BrokenPipeError:
        discard(sys.stdout)
        return 0
    except OSError:
        _raise_if_of_output()
        raise
    return code


class Terminated(KeyboardInterrupt):
    """SIGTERM: whatever Ctrl-C tidies up is tidied up before the command ends."""


def interrupted_code(error: KeyboardInterrupt) -> int:
    """The exit code of a command that was interrupted, as shells have it."""
    return 128 + (signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT)


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    def terminate(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one ends it at once
        raise Terminated

    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return
    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def explain(error: BaseException) -> str:
    """An error in one line that says where it happened, as far as the error knows."""
    if isinstance(error, OSError) and error.strerror:
        places = [str(name) for name in (error.filename, error.filename2) if name is not None]
        return f"{' -> '.join(places) or 'a file or standard output'}: {error.strerror}"
    if isinstance(error, MemoryError):
        return "out of memory" + (f": {error}" if str(error) else "")
    return str(error)


def _open_standard_streams() -> None:
    for number, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # takes the lowest number that is free, which is this one
    # Python has none of those that were closed when it started.
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115  (open as long as the program runs)
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115  (as above)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _raise_if_of_output() -> None:
    """Whether an error was one of standard output: what could not be written is still in its buffer."""
    try:
        sys.stdout.flush()
    except OSError as error:
        discard(sys.stdout)
        raise SinkError(f"standard output: cannot be written: {error.strerror}") from None


def discard(stream: TextIO) -> None:
    """Sends what a stream still holds, and gets later, nowhere: Python writes the rest at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
