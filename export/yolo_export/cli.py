"""The command ``yolo-export``. torch is not imported before the arguments are known to be right.

A first word ``info`` or ``sensitivity`` is the subcommand; a checkpoint of that name is given as ``./info``.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from yolo_edge.command_line import explain, interrupted_code, run_command
from yolo_edge.commands.arguments import split_list
from yolo_edge.commands.import_arguments import add_import_facts, given_import_facts, import_options
from yolo_edge.options import DEFAULT_SIZE
from yolo_edge.packages import require
from yolo_export.commands.calibration_arguments import (
    add_calibration,
    calibration_options,
    given_calibration,
)
from yolo_export.gate_options import DEFAULT_MAX_DROP, CalibrationOptions, GateOptions

if TYPE_CHECKING:
    from yolo_export.export import ExportReport

_EPILOG = """\
examples:
  yolo-export --to ncnn best.pt                  writes best.edge, for a Raspberry Pi or RK board
  yolo-export --to onnx,ncnn best.pt --imgsz 320
  yolo-export --to ncnn best.pt --precision fp16    half the size, next to what the bundle holds
  yolo-edge run --model best.edge cam0           runs it
  yolo-export --cfg yolov5s                      an untrained network, for measuring
  yolo-export --to ncnn other.onnx --names coco.names    exported by another tool, to another engine
  yolo-export info best.pt                       its layers, what they cost, anchors and names
  yolo-export sensitivity best.pt --calib DIR    what each layer loses in int8

A bundle of the same checkpoint that is already there keeps its other targets. Every target is run in its
real engine and compared with the checkpoint before anything is replaced.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code: 0 fine, 1 failed, 2 usage, 130 Ctrl-C, 143 SIGTERM."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["info"]:
        return _info(words[1:])
    if words[:1] == ["sensitivity"]:
        return _sensitivity(words[1:])
    args = _export_parser().parse_args(words)
    steps = Steps(sys.stderr, quiet=args.quiet)
    return _guarded(lambda: _export(args, steps), steps, verbose=args.verbose)


def _export_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="yolo-export",
        description="Turns a trained YOLOv5 or YOLOv5-Lite checkpoint, or the ONNX file that another tool "
        "exported from one, into a bundle that yolo-edge runs. The training repository is not needed, and "
        "nothing in a checkpoint is executed.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        type=Path,
        nargs="?",
        help="best.pt, as training saved it, or another tool's .onnx file",
    )
    parser.add_argument(
        "--cfg",
        metavar="NAME",
        help="a network by name (such as yolov5s) or YAML file: untrained, or with the weights of CHECKPOINT "
        "where that is a state dict or safetensors file",
    )
    parser.add_argument(
        "--to",
        metavar="LIST",
        default="onnx,ncnn",
        help="targets, separated by commas (default: %(default)s)",
    )
    parser.add_argument(
        "--precision",
        metavar="LIST",
        default="fp32",
        help="number types of the stored weights, separated by commas: fp32, fp16 (half the size), "
        "int8 (computed in 8 bits too), int8-weights (mnn: 0.3 of the size, computed in float32) "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        metavar="NAME.edge",
        type=Path,
        help="the bundle (default: CHECKPOINT's name, in this folder)",
    )
    parser.add_argument(
        "--imgsz",
        metavar="SIZE",
        help=f"default network size, N or HEIGHTxWIDTH (default: as trained, else {DEFAULT_SIZE})",
    )
    add_import_facts(parser, ".onnx file")
    parser.add_argument("--opset", type=int, metavar="N", help="ONNX operator set (default: the target's)")
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace a bundle of another model, or a damaged one; write what the gate refuses",
    )
    quantise = parser.add_argument_group("int8")
    add_calibration(quantise)
    quantise.add_argument(
        "--float-layers",
        metavar="auto|LIST",
        help="convolutions that stay in float: names, separated by commas, as yolo-export sensitivity lists "
        "them; auto finds the fewest with which the gate opens (default: none)",
    )
    gate = parser.add_argument_group(
        "gate", "8-bit and fp16 weights are compared with float32 in the engine before anything is written"
    )
    gate.add_argument(
        "--data",
        metavar="DATASET",
        type=Path,
        help="what they are compared on: a labelled dataset (folder or YAML), or a folder of images, where "
        "the boxes are compared with the checkpoint's own (default for int8: calibration images that are "
        "held out)",
    )
    gate.add_argument(
        "--max-drop",
        metavar="X",
        type=float,
        help=f"average precision that they may lose (default: {DEFAULT_MAX_DROP})",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress, only the result and errors")
    parser.add_argument("-v", "--verbose", action="store_true", help="show where an error came from")
    return parser


def _info(words: list[str]) -> int:
    from yolo_export.commands import info

    parser = argparse.ArgumentParser(
        prog="yolo-export info",
        description="Prints the layers of a checkpoint or of a network YAML with parameters, FLOPs and "
        "memory access, and the totals, strides, anchors, class names, and how it was trained.",
    )
    info.add_arguments(parser)
    args = parser.parse_args(words)
    return _guarded(lambda: info.run(args), Steps(sys.stderr, quiet=True), verbose=args.verbose)


def _sensitivity(words: list[str]) -> int:
    from yolo_export.commands import sensitivity

    parser = argparse.ArgumentParser(
        prog="yolo-export sensitivity",
        description="Measures what each convolution loses when it is quantised to int8 for onnxruntime: the "
        "signal-to-noise ratio of the heads when it alone is, and that of its output when all are.",
    )
    sensitivity.add_arguments(parser)
    args = parser.parse_args(words)
    steps = Steps(sys.stderr, quiet=args.quiet)
    return _guarded(lambda: sensitivity.run(args, steps), steps, verbose=args.verbose)


def _guarded(work: Callable[[], int], steps: Steps, *, verbose: bool) -> int:
    """Runs a command; errors become one line and an exit code."""
    try:
        return run_command(work)
    except KeyboardInterrupt as error:
        steps.finish()
        sys.stderr.write("yolo-export: interrupted; nothing was replaced\n")
        return interrupted_code(error)
    except (RuntimeError, ValueError, OSError, MemoryError) as error:
        steps.finish()
        if verbose or not _is_ours(error):
            traceback.print_exc()
        sys.stderr.write(f"yolo-export: error: {explain(error)}\n")
        return 2 if isinstance(error, ValueError) else 1


class Steps:
    """Shows the steps of an export with the time that each took."""

    def __init__(self, stream: TextIO, *, quiet: bool) -> None:
        self._stream = stream
        self._quiet = quiet
        self._started: float | None = None

    def __call__(self, text: str) -> None:
        """Finishes the step before and shows the next."""
        self.finish()
        if not self._quiet:
            self._stream.write(f"{text} ...")
            self._stream.flush()
            self._started = time.monotonic()

    def finish(self) -> None:
        """Ends the line of the current step."""
        if self._started is not None:
            self._stream.write(f" {time.monotonic() - self._started:.1f} s\n")
            self._stream.flush()
            self._started = None


def _export(args: argparse.Namespace, steps: Steps) -> int:
    from yolo_export.targets import create_target

    if args.checkpoint is None and args.cfg is None:
        raise ValueError("give a CHECKPOINT, --cfg NAME, or both for weights without a network")
    targets = [name.strip() for name in args.to.split(",") if name.strip()]
    precisions = [word for word in split_list(args.precision) or [] if word]
    for target in [create_target(name) for name in targets]:
        for weights in precisions:
            target.check_weights(weights)
    if not precisions:
        raise ValueError("no precision was given")
    gate = _gate_options(args, precisions)
    calibration = _calibration_options(args, precisions)
    facts = import_options(args)
    foreign = args.checkpoint is not None and args.checkpoint.suffix.lower() == ".onnx"
    if foreign and args.cfg is not None:
        raise ValueError(f"--cfg is for weights without a network; {args.checkpoint} has its network")
    given = given_import_facts(args)
    if given and not foreign:
        raise ValueError(
            f"{', '.join(given)}: only for .onnx files; a checkpoint and a network say it themselves"
        )
    # Only now: torch takes seconds to import, and a wrong argument should not.
    require("torch", "yolo-export", "pip install torch==2.13.0, then pip install 'yolo-edge[export]'")
    from yolo_export.export import export_bundle
    from yolo_export.gate import gate_table

    source = args.checkpoint
    if args.cfg is not None and args.checkpoint is not None:
        from yolo_export.checkpoint import read_checkpoint

        steps(f"reading the weights of {args.checkpoint} into {args.cfg}")
        source = read_checkpoint(args.checkpoint, cfg=args.cfg)
    elif args.cfg is not None:
        from yolo_export.untrained import untrained_checkpoint

        steps(f"building {args.cfg}")
        source = untrained_checkpoint(args.cfg)
    report = export_bundle(
        source,
        targets,
        precisions=precisions,
        out=args.out,
        size_hw=facts.size_hw,
        opset=args.opset,
        import_options=facts if foreign else None,
        calibration=calibration,
        gate=gate,
        force=args.force,
        progress=steps,
    )
    steps.finish()
    for note in report.notes:
        sys.stderr.write(f"note: {note}\n")
    judged = [row.gate for row in report.verifications if row.gate is not None]
    if judged:
        sys.stdout.write(gate_table(judged) + "\n\n")
    sys.stdout.write(_table(report) + f"\nwrote {report.bundle}\n")
    return 0


def _gate_options(args: argparse.Namespace, precisions: list[str]) -> GateOptions | None:
    """What the gate is told.

    Raises:
        ValueError: Flags that would do nothing.
    """
    if args.data is None:
        if "int8-weights" in precisions:
            raise ValueError("int8-weights need images to be judged on, labelled ones best: --data DATASET")
        if args.max_drop is not None:
            raise ValueError("--max-drop is for the gate's labelled images, which --data names")
        return None
    if set(precisions) <= {"fp32"}:
        raise ValueError("--data is for the gate of other precisions than fp32; --precision names none")
    return GateOptions(args.data, DEFAULT_MAX_DROP if args.max_drop is None else args.max_drop)


def _calibration_options(args: argparse.Namespace, precisions: list[str]) -> CalibrationOptions | None:
    """What int8 is calibrated with.

    Raises:
        ValueError: It is missing, or not needed.
    """
    if "int8" not in precisions:
        flags = given_calibration(args) + ([] if args.float_layers is None else ["--float-layers"])
        if flags:
            raise ValueError(f"{', '.join(flags)}: for int8 weights, which --precision does not name")
        return None
    if args.calib is None:
        raise ValueError("int8 weights need images to calibrate with, some of the training's: --calib DIR")
    names = tuple(name for name in split_list(args.float_layers or "") or [] if name)
    if args.float_layers is not None and not names:
        raise ValueError("--float-layers names no layers; give auto, or names separated by commas")
    return replace(calibration_options(args), float_layers="auto" if names == ("auto",) else names)


def _table(report: ExportReport) -> str:
    from yolo_edge.table import format_table

    rows = [
        [
            row.engine,
            row.weights,
            f"{report.sizes[row.engine, row.weights] / 1e6:.1f} MB",
            f"{row.max_head_error:.1e}",
            f"{row.box_agreement:.1%}",
            f"{row.inference_ms:.1f} ms at {row.timed_hw[0]}x{row.timed_hw[1]}",
        ]
        for row in report.verifications
    ]
    return format_table(["target", "weights", "size", "max head error", "boxes equal", "inference"], rows)


def _is_ours(error: Exception) -> bool:
    """Whether an error is one whose message says all; others come with their traceback."""
    return type(error).__module__.startswith(("yolo_edge", "yolo_export")) or isinstance(
        error, (ValueError, OSError, MemoryError)
    )


if __name__ == "__main__":
    sys.exit(main())
