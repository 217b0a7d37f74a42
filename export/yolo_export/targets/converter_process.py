"""Runs the converters that are programs of others."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from yolo_export.errors import ConversionError

__all__ = ["run_converter"]

_TIMEOUT_S = 1800
_TAIL_LINES = 15


def run_converter(
    name: str, package: str, command: Sequence[str], workshop: Path, outputs: Sequence[str]
) -> None:
    """Runs a converter; what it prints is shown only if it fails.

    Args:
        name: What to call it in messages.
        package: Python package that it comes in.
        command: Program and arguments.
        workshop: Folder that it runs in, of its own: some leave a dozen files there.
        outputs: Names of the files that it has to write there.

    Raises:
        ConversionError: It failed. Converters can fail with exit code 0, so their files are looked at.
    """
    try:
        done = subprocess.run(
            command,
            cwd=workshop,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT_S,
            check=False,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise ConversionError(
            f"{name} cannot be run: {error}; install it again: pip install {package}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ConversionError(f"{name} did not finish within {_TIMEOUT_S} s") from error
    missing = [
        output
        for output in outputs
        if not (workshop / output).is_file() or not (workshop / output).stat().st_size
    ]
    if done.returncode or missing:
        wrote = f"did not write {' and '.join(missing)}" if missing else "wrote its files"
        tail = "\n".join(done.stdout.splitlines()[-_TAIL_LINES:])
        raise ConversionError(
            f"{name} ended with exit code {done.returncode} and {wrote}; it said last:\n{tail}"
        )
