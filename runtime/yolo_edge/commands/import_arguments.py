"""Flags that tell what a file of another tool does not say; for ``import``, ``run`` and ``yolo-export``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from yolo_edge.options import parse_size

if TYPE_CHECKING:
    from pathlib import Path

    from yolo_edge.bundle import Bundle
    from yolo_edge.importing import ImportOptions
    from yolo_edge.progress import Progress

_FLAGS = ("names", "anchors", "strides", "channels", "mean", "scale")


def add_import_facts(
    parser: argparse.ArgumentParser, files: str = ".onnx or .param file"
) -> argparse._ArgumentGroup:
    """Adds the flags; :func:`import_options` reads them.

    Args:
        parser: Of the command.
        files: What they are for.
    """
    facts = parser.add_argument_group(f"what an {files} of another tool does not say")
    facts.add_argument(
        "--names",
        metavar="FILE|LIST",
        help="class names: a file with one a line, a dataset YAML, or between commas",
    )
    facts.add_argument(
        "--anchors",
        metavar="W,H,…/…",
        help="anchors in pixels, a group per head between /, smallest stride first",
    )
    facts.add_argument(
        "--strides",
        metavar="LIST",
        help="strides in the order of the anchors, if that is another, as in 32,16,8",
    )
    facts.add_argument(
        "--channels", choices=("rgb", "bgr"), help="channel order of the network (default: rgb)"
    )
    facts.add_argument(
        "--mean", metavar="X", help="subtracted from 0..255 values; one number or three (default: 0)"
    )
    facts.add_argument("--scale", metavar="X", help="multiplied then; one number or three (default: 1/255)")
    return facts


def given_import_facts(args: argparse.Namespace) -> list[str]:
    """Those of the flags that the user gave."""
    return [f"--{name}" for name in _FLAGS if getattr(args, name) is not None]


def import_options(args: argparse.Namespace) -> ImportOptions:
    """What the user said.

    Raises:
        ValueError: A value that cannot be read.
    """
    from yolo_edge.importing.options import (
        ImportOptions,
        parse_anchors,
        parse_channel_values,
        parse_names,
        parse_strides,
    )

    defaults = ImportOptions()
    return ImportOptions(
        names=parse_names(args.names) if args.names is not None else None,
        anchors_px=parse_anchors(args.anchors) if args.anchors is not None else None,
        strides=parse_strides(args.strides) if args.strides is not None else None,
        size_hw=parse_size(args.imgsz) if args.imgsz else None,
        channels=args.channels or defaults.channels,
        mean=parse_channel_values(args.mean, "mean") if args.mean is not None else defaults.mean,
        scale=parse_channel_values(args.scale, "scale") if args.scale is not None else defaults.scale,
    )


def open_model(path: Path, args: argparse.Namespace, progress: Progress) -> Bundle:
    """Reads a bundle, or describes another tool's file as one, and says so.

    Raises:
        ValueError: Flags for such a file, but a bundle; or a value that cannot be read.
        BundleError: It cannot be used.
    """
    from yolo_edge.bundle import IMPORTED_SUFFIXES, load_bundle

    if path.suffix not in IMPORTED_SUFFIXES or path.is_dir():
        given = given_import_facts(args)
        if given:
            raise ValueError(
                f"{', '.join(given)} is for .onnx and .param files; the bundle {path} says it itself"
            )
        return load_bundle(path)
    from yolo_edge.importing import open_imported

    bundle, notes = open_imported(path, import_options(args))
    if args.quiet:
        return bundle
    progress.message(f"{path} is no bundle and is imported for this run only: {'; '.join(notes)}")
    progress.message(f"to keep it, and to start faster: yolo-edge import {path}")
    return bundle
