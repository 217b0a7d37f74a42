"""``yolo-export sensitivity``: what each layer loses in int8, and what leaving it in float gains."""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from yolo_edge.commands.import_arguments import add_import_facts, given_import_facts, import_options
from yolo_edge.options import DEFAULT_SIZE
from yolo_edge.packages import require, require_matplotlib
from yolo_export.commands.calibration_arguments import add_calibration, calibration_options
from yolo_export.gate_options import DEFAULT_LIMIT_S

if TYPE_CHECKING:
    from yolo_export.cli import Steps
    from yolo_export.quantize import LayerNoise
    from yolo_export.targets import Quantization
    from yolo_export.trial import Trial
    from yolo_export.yardstick import Yardstick

__all__ = ["add_arguments", "run"]

_TARGET = "onnx"
_FIGURES = {"ap": "AP@[.50:.95]", "agreement": "share of boxes that agree with the checkpoint's"}


@dataclass(frozen=True)
class Scores:
    """What the network is worth as a whole."""

    figure: str
    fp32: float
    int8: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument(
        "checkpoint", metavar="CHECKPOINT", type=Path, help="best.pt, or another tool's .onnx file"
    )
    parser.add_argument(
        "--imgsz",
        metavar="SIZE",
        help=f"network size, N or HEIGHTxWIDTH (default: as trained, else {DEFAULT_SIZE})",
    )
    add_calibration(parser.add_argument_group("calibration"), required=True)
    parser.add_argument(
        "--data",
        metavar="DATASET",
        type=Path,
        help="also measure what leaving each layer in float gains: average precision on a labelled dataset "
        "(folder or YAML), or agreement with the checkpoint's boxes on a folder of images",
    )
    parser.add_argument(
        "--limit",
        metavar="SECONDS",
        type=float,
        help="for --data: no further layer is tried then; the noisiest come first "
        f"(default: {DEFAULT_LIMIT_S:g})",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--chart", metavar="OUT.png", type=Path, help="also draw a chart")
    add_import_facts(parser, ".onnx file")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.add_argument("-v", "--verbose", action="store_true", help="show where an error came from")


def run(args: argparse.Namespace, steps: Steps) -> int:
    """Print the report; returns the exit code.

    Raises:
        ValueError: A bad argument.
        CheckpointError: The checkpoint cannot be read.
        CalibrationError: The calibration images cannot be read.
        DatasetError: The images of ``--data`` cannot be read.
        OSError: The chart cannot be written.
    """
    if args.chart is not None and args.chart.suffix.lower() != ".png":
        raise ValueError(f"--chart is {args.chart}; it must end in .png")
    if args.limit is not None and args.data is None:
        raise ValueError("--limit is for the measurements on --data")
    if args.limit is not None and not 0 <= args.limit < math.inf:
        raise ValueError(f"--limit is {args.limit:g}; it must be a number of seconds, 0 or more")
    calibration = calibration_options(args)
    facts = import_options(args)
    require("torch", "yolo-export", "pip install torch==2.13.0, then pip install 'yolo-edge[export]'")
    from yolo_export.opening import choose_size, draw_calibration, open_source
    from yolo_export.quantize import draw_sensitivity, layer_noise, sensitivity_rows, sensitivity_table
    from yolo_export.targets import Quantization, create_target
    from yolo_export.trial import Trial
    from yolo_export.yardstick import open_yardstick

    if args.chart is not None:
        require_matplotlib("--chart")  # here, not after minutes of measuring
    given = given_import_facts(args)
    foreign = args.checkpoint.suffix.lower() == ".onnx"
    if given and not foreign:
        raise ValueError(f"{', '.join(given)}: only for .onnx files; a checkpoint says it itself")
    source = open_source(args.checkpoint, facts.size_hw, facts if foreign else None, steps)
    size_hw, notes = choose_size(facts.size_hw, source, None)
    model_input = source.model_input(size_hw)
    drawn, method = draw_calibration(calibration, source, model_input)
    yardstick = open_yardstick(args.data, source, model_input) if args.data is not None else None
    with tempfile.TemporaryDirectory() as workshop:
        trial = Trial(
            create_target(_TARGET), source, model_input, source.intermediate(None), None, Path(workshop)
        )
        steps("making the ONNX form")
        model = trial.model
        rows = layer_noise(model, drawn, method, steps)
        scores = None
        if yardstick is not None:
            how = Quantization(drawn, method)
            limit_s = DEFAULT_LIMIT_S if args.limit is None else args.limit
            rows, scores = _with_scores(rows, trial, how, yardstick, limit_s, steps)
    steps.finish()
    for note in [*source.notes, *notes]:
        sys.stderr.write(f"note: {note}\n")
    if args.chart is not None:
        draw_sensitivity(rows, args.chart)
        sys.stderr.write(f"wrote {args.chart}\n")
    if args.json:
        content = {
            "model": args.checkpoint.name,
            "size_hw": list(size_hw),
            "method": method,
            "calibration_images": len(drawn),
            "score": None if scores is None else vars(scores),
            "layers": sensitivity_rows(rows),
        }
        sys.stdout.write(json.dumps(content, indent=1) + "\n")
    else:
        sys.stdout.write(sensitivity_table(rows) + "\n")
        if scores is not None:
            sys.stdout.write(
                f"\n{_FIGURES[scores.figure]}: {scores.fp32:.4f} in float32, "
                f"{scores.int8:.4f} with every layer in int8\n"
            )
    return 0


def _with_scores(
    rows: list[LayerNoise],
    trial: Trial,
    how: Quantization,
    yardstick: Yardstick,
    limit_s: float,
    progress: Callable[[str], None],
) -> tuple[list[LayerNoise], Scores]:
    """The rows with what each layer gains in float, and the network's figures."""
    from yolo_export.quantize import with_gains
    from yolo_export.yardstick import figure_of

    def in_int8(keep_float: tuple[str, ...]) -> float:
        return figure_of(yardstick, trial.quantized(how, keep_float), "int8")

    progress("measuring float32")
    fp32 = figure_of(yardstick, trial.exact(), "fp32")
    progress("measuring int8")
    int8 = in_int8(())
    return with_gains(rows, in_int8, int8, progress, limit_s=limit_s), Scores(yardstick.figure, fp32, int8)
