"""``--json PATH``: a command's results as one JSON object."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from yolo_edge.errors import SinkError
from yolo_edge.file_replacement import replace_text

_NUMBERS = re.compile(r"\[\n[-+\d.eE,nul\s]+\n\s*\]")
"""A list of numbers and nulls with indentation."""


def add_json(group: argparse._ActionsContainer, what: str) -> None:
    """Adds ``--json PATH``."""
    group.add_argument(
        "--json",
        metavar="PATH",
        help=f"everything as JSON; - is standard output, in place of {what}",
    )


def check_outputs(*places: str | Path | None) -> None:
    """Fails before the work is done, not after it; None is no output, ``-`` standard output.

    Raises:
        SinkError: A file could not be written.
    """
    for place in places:
        if place not in (None, "-"):
            _check_writable(Path(place))


def _check_writable(path: Path) -> None:
    if path.is_dir():
        raise SinkError(f"{path}: cannot be written: it is a folder")
    if path.exists() and not path.is_file():  # /dev/null, a pipe
        if not os.access(path, os.W_OK):
            raise SinkError(f"{path}: cannot be written: it is read-only")
        return
    folder = path.resolve().parent if path.is_symlink() else path.parent
    if not folder.is_dir():
        raise SinkError(f"{path}: cannot be written: there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise SinkError(f"{path}: cannot be written: the folder {folder} is read-only")


def write_json(path: Path, report: dict[str, Any]) -> None:
    """Writes beside the file and moves into place; each list of numbers is one line.

    Raises:
        SinkError: The file cannot be written.
    """
    text = json.dumps(report, ensure_ascii=False, indent=1)
    # No string of JSON holds a line break, so that what matches is never inside one.
    text = _NUMBERS.sub(lambda match: "".join(match[0].split()), text)
    try:
        replace_text(path, text + "\n")
    except OSError as error:
        raise SinkError(f"{path}: cannot be written: {error.strerror}") from None


def put_report(place: str | None, report: dict[str, Any], text: str) -> None:
    """Shows the text, or the JSON where ``--json -`` asks for it; writes the file that ``--json`` names.

    Raises:
        SinkError: The file cannot be written.
    """
    if place == "-":
        sys.stdout.write(json.dumps(report, ensure_ascii=False) + "\n")
        return
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
    if place is not None:
        write_json(Path(place), report)
