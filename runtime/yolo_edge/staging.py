"""A folder is built beside its place and moved into it whole, or not at all."""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from yolo_edge.bundle import is_bundle
from yolo_edge.errors import BundleError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


class Staging:
    """A temporary folder beside its place; removed on leaving unless it was moved there.

    Args:
        place: Where the finished folder goes.
        kind: What it is, for messages.
        recognise: Whether a folder is of that kind, so that a new one may stand in its place.
        error: What is raised.
        durable: Wait until all of it is on the disk before it is moved. Of many files, that takes long.

    Raises:
        BundleError: The folder cannot be made, or something of another kind stands in its place.
    """

    def __init__(
        self,
        place: Path,
        *,
        kind: str = "a bundle",
        recognise: Callable[[Path], bool] = is_bundle,
        error: type[RuntimeError] = BundleError,
        durable: bool = True,
    ) -> None:
        self.place = place
        self._error = error
        self._durable = durable
        if (place.exists() or place.is_symlink()) and not recognise(place):
            raise error(f"{place} exists and is not {kind}; it is left alone. Choose another --out")
        self.folder = place.parent / f".{place.name}.{os.getpid()}-{secrets.token_hex(3)}.tmp"

    def __enter__(self) -> Staging:
        try:
            self.folder.mkdir(parents=True)
        except OSError as error:
            raise self._error(f"{self.place.parent}: cannot be written: {error.strerror}") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError) and self._is_of_it(error):
            raise self._error(
                f"{self.place}: cannot be written: {error.strerror}; what was there is as it was"
            ) from error

    def _is_of_it(self, error: OSError) -> bool:
        """Whether an error is of a file in the folder; one of a full disk names no file."""
        return error.filename is None or str(error.filename).startswith(str(self.folder))

    def move_into_place(self) -> None:
        """Puts the folder where it belongs; what stood there is removed only afterwards."""
        if self._durable:
            for path in [*self.folder.rglob("*"), self.folder]:
                _sync(path)
        if not self.place.exists():
            self.folder.rename(self.place)
        elif not self._exchange():
            # Without an atomic exchange there is a moment with no bundle, but never half of one.
            old = self.folder.with_suffix(".old")
            self.place.rename(old)
            self.folder.rename(self.place)
            shutil.rmtree(old)
        if self._durable:
            _sync(self.place.parent)

    def _exchange(self) -> bool:
        """Swaps both folders in one step with Linux's renameat2; False where that is not to be had."""
        libc = ctypes.CDLL(None, use_errno=True)
        renameat2 = getattr(libc, "renameat2", None)
        if renameat2 is None:
            return False
        first, second = os.fsencode(self.folder), os.fsencode(self.place)
        if renameat2(_AT_FDCWD, first, _AT_FDCWD, second, _RENAME_EXCHANGE) == 0:
            return True
        number = ctypes.get_errno()
        if number in (errno.ENOSYS, errno.EINVAL):
            return False
        raise self._error(f"{self.place}: cannot be replaced: {os.strerror(number)}")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def bundle_place(path: Path, out: Path | None) -> Path:
    """Where the bundle of a model file goes.

    Args:
        path: The model, ``best.pt`` or ``model.ncnn.param``.
        out: What the user said: a bundle, a folder to put it in, or None for the working folder.

    Raises:
        ValueError: ``out`` is neither.
    """
    name = f"{path.stem.removesuffix('.ncnn')}.edge"
    if out is None:
        return Path(name)
    if out.suffix == ".edge":
        return out
    if out.is_dir():
        return out / name
    raise ValueError(f"out is {out}; it must be NAME.edge or an existing folder")
