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


def check_writable(path: Path) -> None:
    """Fails before the work is done, not after it.

    Raises:
        SinkError: The file could not be written.
    """
    if path.is_dir():
        raise SinkError(f"{path}: cannot be written: it is a folder")
    if not path.parent.is_dir():
        raise SinkError(f"{path}: cannot be written: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise SinkError(f"{path}: cannot be written: the folder {path.parent} is read-only")


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
