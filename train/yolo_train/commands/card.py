"""Write a dataset's card: a README.md with counts, classes, sizes of boxes, and pictures of labelled samples.

The exit code is 1 when the dataset has faults; they are in the card too. Needs the extra [train].
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from yolo_train.commands.check import add_scan, scan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``card``."""
    parser.add_argument("dataset", metavar="DATASET.yaml", type=Path, help="the dataset YAML")
    parser.add_argument("--out", metavar="FOLDER", type=Path, required=True, help="where the card goes")
    add_scan(parser)
    parser.add_argument(
        "--samples",
        type=int,
        metavar="N",
        default=12,
        help="labelled images to show of each split (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", default=0, help="decides which images (default: %(default)s)"
    )
    parser.add_argument("--force", action="store_true", help="replace a README.md that is no card")


def run(args: argparse.Namespace) -> int:
    """Runs the command; returns 1 when the dataset has faults."""
    from yolo_edge.packages import require_matplotlib
    from yolo_train.datasets.card import write_card
    from yolo_train.datasets.report import make_report

    require_matplotlib("a dataset card")
    report = make_report(scan(args), args.imgsz)
    files = write_card(report, args.out, samples=args.samples, seed=args.seed, force=args.force)
    sys.stdout.write("\n".join(map(str, files)) + "\n")
    faults = report.scan.problems.fault_count
    if faults:
        sys.stderr.write(
            f"{args.dataset}: {faults} fault{'' if faults == 1 else 's'}; see {files[0]}, or "
            f"`yolo-train check {args.dataset}` for all of them\n"
        )
    return 0 if report.passed else 1
