"""Flags that several commands share, and what bad arguments look like."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager


def add_model(parser: argparse.ArgumentParser, *, positional: bool) -> None:
    """Adds the bundle to run, as ``--model BUNDLE`` or as the argument ``[BUNDLE]``."""
    text = "the bundle; default: $YOLO_EDGE_MODEL, else the only *.edge of the working folder"
    if positional:
        parser.add_argument("model", metavar="BUNDLE", nargs="?", help=text)
    else:
        parser.add_argument("--model", metavar="BUNDLE", help=text)


def add_engine(parser: argparse.ArgumentParser, default: str, more: str = "") -> None:
    """Adds ``--engine`` and ``--threads``."""
    parser.add_argument(
        "--engine",
        metavar="NAME",
        default=default,
        help=f"onnxruntime, ncnn{more} or {default} (default: %(default)s)",
    )
    parser.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="threads of one inference (default: the CPUs this process may use)",
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="tell more, and show where an error came from"
    )


@contextmanager
def bad_arguments(args: argparse.Namespace) -> Iterator[None]:
    """Turns a ValueError into a usage error: one line and exit code 2."""
    try:
        yield
    except ValueError as error:
        if args.verbose:
            raise
        args.parser.exit(2, f"{args.parser.prog}: error: {error}\n")
