"""Make a bundle of an ONNX or ncnn file that another tool exported from a YOLOv5 or YOLOv5-Lite model.

FILE is .onnx, or .param with its .bin beside. How its outputs are meant is found by running it on two
pictures; what a file cannot tell (class names, anchors of outputs that are not decoded) has to be given,
unless its metadata does.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from yolo_edge.commands.arguments import bad_arguments
from yolo_edge.commands.import_arguments import add_import_facts, import_options
from yolo_edge.options import DEFAULT_SIZE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``import``."""
    parser.add_argument("file", metavar="FILE", type=Path, help="the .onnx or .param file")
    facts = add_import_facts(parser)
    facts.add_argument(
        "--imgsz",
        metavar="SIZE",
        help=f"network size in pixels, N or HEIGHTxWIDTH (default: the file's, else {DEFAULT_SIZE})",
    )
    parser.add_argument(
        "--out", metavar="NAME.edge", type=Path, help="the bundle, or a folder to put it in (default: here)"
    )
    parser.add_argument(
        "--force", action="store_true", help="replace a bundle that was made of something else"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show where an error came from")


def execute(args: argparse.Namespace) -> int:
    """Runs the command."""
    from yolo_edge.importing import import_model
    from yolo_edge.progress import Progress
    from yolo_edge.table import format_table

    progress = Progress(quiet=False)
    with bad_arguments(args):
        report = import_model(
            args.file,
            import_options(args),
            out=args.out,
            force=args.force,
            progress=progress.message,
        )
    for note in report.notes:
        sys.stderr.write(f"yolo-edge import: note: {note}\n")
    header = ["bundle", "engine", "form", "classes", "size", "boxes in the golden picture"]
    row = [
        str(report.bundle),
        report.engine,
        report.form,
        str(report.classes),
        report.shapes,
        str(report.boxes),
    ]
    sys.stdout.write(format_table(header, [row]) + "\n")
    return 0
