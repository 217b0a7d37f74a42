"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def replace_file(path: Path, data: bytes) -> None:
    """Writes beside the file and moves into place, so that the old one stays whole until the new one is.

    What is no file, such as ``/dev/null`` or a pipe, is written to and stays what it is; so does a link.

    Raises:
        OSError: It cannot be written; what was there is still there, and nothing is left beside it.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    path = path.resolve()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        try:
            file.write(data)
            file.close()  # where a full disk shows
            temporary.replace(path)
        except BaseException:  # Ctrl-C too
            temporary.unlink(missing_ok=True)
            raise


def replace_text(path: Path, text: str) -> None:
    """The same with text, as UTF-8."""
    replace_file(path, text.encode())
