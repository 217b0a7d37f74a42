"""The flags that say what int8 is calibrated with, as ``yolo-export`` and its subcommands take them."""

from __future__ import annotations

import argparse
from pathlib import Path

from yolo_export.gate_options import DEFAULT_COUNT, DEFAULT_METHOD, DEFAULT_SEED, CalibrationOptions

__all__ = ["add_calibration", "calibration_options", "given_calibration"]


def add_calibration(parser: argparse._ActionsContainer, *, required: bool = False) -> None:
    """Adds the flags; `calibration_options` reads them."""
    parser.add_argument(
        "--calib",
        metavar="DIR|LIST",
        type=Path,
        required=required,
        help="images that the ranges of the maps are measured on, such as some of the training's: a folder, "
        "a dataset's folder or YAML, or a text file that names an image in each line",
    )
    parser.add_argument(
        "--calib-method",
        metavar="NAME",
        help="how a range follows from the values; an unknown name lists them; not for openvino (default: "
        f"{DEFAULT_METHOD})",
    )
    parser.add_argument(
        "--calib-count", metavar="N", type=int, help=f"images that are drawn (default: {DEFAULT_COUNT})"
    )
    parser.add_argument(
        "--seed", metavar="N", type=int, help=f"another seed draws other images (default: {DEFAULT_SEED})"
    )


def given_calibration(args: argparse.Namespace) -> list[str]:
    """Those of the flags that the user gave."""
    names = ("calib", "calib_method", "calib_count", "seed")
    return [f"--{name.replace('_', '-')}" for name in names if getattr(args, name) is not None]


def calibration_options(args: argparse.Namespace) -> CalibrationOptions:
    """What the flags say; ``--calib`` must be among them."""
    return CalibrationOptions(args.calib, args.calib_method, args.calib_count, args.seed)
