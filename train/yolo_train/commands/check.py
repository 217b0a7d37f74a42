"""Read a dataset as training would, and report what is wrong with it and what is in it.

The report goes to stdout. The exit code is 1 when training would refuse the dataset. Nothing is written
beside the data.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from yolo_edge.commands.json_output import add_json, check_outputs, put_report
from yolo_edge.options import DEFAULT_SIZE

if TYPE_CHECKING:
    from yolo_train.datasets.scan import Scan, ScanProgress

_SHOWN = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``check``."""
    parser.add_argument("dataset", metavar="DATASET.yaml", type=Path, help="the dataset YAML")
    add_scan(parser)
    parser.add_argument(
        "--show",
        type=int,
        metavar="N",
        default=_SHOWN,
        help="problems of one kind to list (default: %(default)s)",
    )
    add_json(parser, "the report")


def add_scan(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of every command that reads a whole dataset."""
    parser.add_argument(
        "--imgsz",
        type=int,
        metavar="N",
        default=DEFAULT_SIZE,
        help="side of the network's input, in whose pixels boxes are measured (default: %(default)s)",
    )
    parser.add_argument(
        "--full", action="store_true", help="decode every image, and compare the contents of train and val"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="threads to read with (default: one a CPU)")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> int:
    """Runs the command; returns 1 when the dataset has faults."""
    from yolo_train.datasets.report import as_dict, as_text, make_report

    check_outputs(args.json)
    if args.show < 0:
        raise ValueError(f"--show is {args.show}; it must not be negative")
    report = make_report(scan(args), args.imgsz)
    put_report(args.json, as_dict(report), as_text(report, args.show))
    return 0 if report.passed else 1


def scan(args: argparse.Namespace) -> Scan:
    """Reads the dataset with the flags of :func:`add_scan`, and shows progress.

    Raises:
        DatasetError: Not a dataset YAML.
    """
    if args.imgsz < 1:
        raise ValueError(f"--imgsz is {args.imgsz}; it must be a positive number of pixels")
    with shown_reading(args.dataset, quiet=args.quiet) as progress:
        from yolo_train.datasets.scan import scan_dataset

        return scan_dataset(args.dataset, full=args.full, threads=args.threads, progress=progress)


@contextmanager
def shown_reading(dataset: Path, *, quiet: bool) -> Iterator[ScanProgress]:
    """Shows how far the reading of a dataset is; what OpenCV says of damaged files is kept silent."""
    # OpenCV prints about damaged files on its own; the report says what matters.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "FATAL")
    from yolo_edge.progress import Progress

    progress = Progress(quiet=quiet)

    def show(done: int, count: int) -> None:
        if progress.due():
            progress.status(f"{dataset}: {done} of {count} images read")

    try:
        yield show
    finally:
        progress.clear()
