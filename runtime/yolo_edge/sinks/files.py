"""Names of output files, and writing them so that a reader never sees half of one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from yolo_edge.errors import SinkError
from yolo_edge.file_replacement import replace_file

_LONGEST_NAME = 100
"""Of a stream's address, in a file name."""


class OutputFolder:
    """A folder that gives every source its own file name.

    Two sources of the same name (``a/x.jpg`` and ``b/x.jpg``) get ``x.jpg`` and ``x_2.jpg``. A stream
    (``rtsp://user:secret@host:554/live``) is called by its address without credentials, ``host_554_live``.

    Args:
        path: Made if missing.
        sources: Files of the run's sources, which may lie in this folder; none is replaced.

    Raises:
        SinkError: The folder cannot be made.
    """

    def __init__(self, path: Path, sources: Iterable[Path] = ()) -> None:
        self.path = path
        self._sources = _places(sources)
        self._names: dict[tuple[str, str], str] = {}
        self._taken: set[str] = set()
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(f"{path}: cannot be made a folder for output: {error.strerror}") from None
        if not os.access(path, os.W_OK | os.X_OK):
            raise SinkError(f"{path}: no permission to write into this folder")

    def file_for(
        self, source: str, suffix: str, source_path: Path | None = None, *, keep_existing: bool = False
    ) -> Path:
        """The output file of a source, always the same for the same source and suffix.

        Args:
            source: The source's name.
            suffix: What the file's name ends with.
            source_path: The file that the source is, None for a camera or stream.
            keep_existing: Choose a name that no file of an earlier run has.

        Raises:
            SinkError: It would be the source itself, or another one.
        """
        key = (source, suffix)
        if key not in self._names:
            stem = Path(source).stem if source_path is not None else _live_stem(source)
            name, number = stem + suffix, 1
            while name in self._taken or (keep_existing and (self.path / name).exists()):
                number += 1
                name = f"{stem}_{number}{suffix}"
            self._taken.add(name)
            self._names[key] = name
        path = self.path / self._names[key]
        itself = source_path is not None and path.resolve() == source_path.resolve()
        if itself or (self.path.resolve() / path.name) in self._sources:
            raise SinkError(f"{path}: the output would overwrite the source; choose another folder")
        return path

    def forget(self, source: str, suffix: str) -> None:
        """Frees the memory of a name that will not be asked for again; the name stays taken."""
        self._names.pop((source, suffix), None)


def _places(files: Iterable[Path]) -> frozenset[Path]:
    """Where directory entries are, links of folders followed: writing replaces an entry, not its target."""
    folders: dict[Path, Path] = {}
    return frozenset(
        (folders.get(file.parent) or folders.setdefault(file.parent, file.parent.resolve())) / file.name
        for file in files
    )


def _live_stem(source: str) -> str:
    # Whatever stands before the last @, and all parameters: any of it may be a password.
    address = re.sub(r"[?#&].*", "", re.sub(r"^\w+://", "", source).rpartition("@")[2])
    return re.sub(r"[^\w.-]+", "_", address).strip("._")[:_LONGEST_NAME] or "camera"


def replace_output(path: Path, data: bytes) -> None:
    """Writes a file beside and renames it, so that an old file stays whole until the new one is.

    Raises:
        SinkError: It cannot be written.
    """
    try:
        replace_file(path, data)
    except OSError as error:
        raise SinkError(f"{path}: cannot be written: {error.strerror}") from None
