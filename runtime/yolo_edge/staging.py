"""A bundle folder is built beside its place and moved into it whole, or not at all."""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import shutil
from pathlib import Path
from types import TracebackType

from yolo_edge.bundle import is_bundle
from yolo_edge.errors import BundleError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


class Staging:
    """A temporary folder beside a bundle's place; removed on leaving unless it was moved there.

    Args:
        place: Where the finished bundle goes.

    Raises:
        BundleError: The folder cannot be made, or something that is not a bundle stands in its place.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        if (place.exists() or place.is_symlink()) and not is_bundle(place):
            raise BundleError(f"{place} exists and is not a bundle; it is left alone. Choose another --out")
        self.folder = place.parent / f".{place.name}.{os.getpid()}-{secrets.token_hex(3)}.tmp"

    def __enter__(self) -> Staging:
        try:
            self.folder.mkdir(parents=True)
        except OSError as error:
            raise BundleError(f"{self.place.parent}: cannot be written: {error.strerror}") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def move_into_place(self) -> None:
        """Puts the folder where it belongs; what stood there is removed only afterwards."""
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
        raise BundleError(f"{self.place}: cannot be replaced: {os.strerror(number)}")


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
