"""Draw labelled scenes with QR codes, ArUco and AprilTag markers and 1-D bar codes as a YOLO dataset.

The default model is trained on them. The same arguments and photographs give the same files.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of ``scenes``."""
    from yolo_train.scenes.options import SceneOptions
    from yolo_train.scenes.settings import SETTINGS

    defaults = SceneOptions()
    parser.add_argument("out", metavar="OUT", type=Path, help="folder to write; it must not be there yet")
    parser.add_argument(
        "--count",
        type=int,
        default=defaults.train,
        metavar="N",
        help="scenes for training (default: %(default)s)",
    )
    parser.add_argument(
        "--val",
        type=int,
        default=defaults.val,
        metavar="N",
        help="scenes for validation (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=defaults.seed,
        metavar="S",
        help="another seed, other scenes (default: %(default)s)",
    )
    parser.add_argument(
        "--setting",
        choices=sorted(SETTINGS),
        default=defaults.setting,
        help="clutter is mostly without codes; harder is printed-and-photographed style, for measuring "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--imgsz",
        type=int,
        default=defaults.imgsz,
        metavar="PX",
        help="width and height of the scenes (default: %(default)s)",
    )
    parser.add_argument(
        "--photographs",
        type=Path,
        metavar="DIR",
        help="photographs for backgrounds, as scripts/photographs gathers them (default: all is drawn)",
    )
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes that draw (default: %(default)s)"
    )
    parser.add_argument("--force", action="store_true", help="replace a folder of scenes")
    parser.add_argument("--quiet", action="store_true", help="no progress, errors only")


def run(args: argparse.Namespace) -> int:
    """Runs the command; prints the dataset YAML's path."""
    from yolo_edge.progress import Progress
    from yolo_train.scenes.dataset import write_scenes
    from yolo_train.scenes.options import SceneOptions

    options = SceneOptions(args.count, args.val, args.seed, args.setting, args.imgsz)
    written = write_scenes(
        args.out,
        options,
        photographs=args.photographs,
        workers=args.workers,
        force=args.force,
        progress=Progress(quiet=args.quiet),
    )
    sys.stdout.write(f"{written}\n")
    return 0
