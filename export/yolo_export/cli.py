"""The command ``yolo-export``. torch is not imported before the arguments are known to be right."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from yolo_edge.options import parse_size
from yolo_edge.packages import require

if TYPE_CHECKING:
    from yolo_export.export import ExportReport

_EPILOG = """\
examples:
  yolo-export --to ncnn best.pt                  writes best.edge, for a Raspberry Pi or RK board
  yolo-export --to onnx,ncnn best.pt --imgsz 320
  yolo-edge run --model best.edge cam0           runs it

A bundle of the same checkpoint that is already there keeps its other targets. Every target is run in its
real engine and compared with the checkpoint before anything is replaced.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code: 0 fine, 1 failed, 2 wrong usage, 130 interrupted."""
    parser = argparse.ArgumentParser(
        prog="yolo-export",
        description="Turns a trained YOLOv5 or YOLOv5-Lite checkpoint into a bundle that yolo-edge runs. "
        "The training repository is not needed, and nothing in the file is executed.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", type=Path, help="best.pt, as training saved it")
    parser.add_argument(
        "--to",
        metavar="LIST",
        default="onnx,ncnn",
        help="targets, separated by commas (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        metavar="NAME.edge",
        type=Path,
        help="the bundle (default: CHECKPOINT's name, in this folder)",
    )
    parser.add_argument(
        "--imgsz", metavar="SIZE", help="default network size, N or HEIGHTxWIDTH (default: as trained)"
    )
    parser.add_argument("--opset", type=int, metavar="N", help="ONNX operator set (default: the target's)")
    parser.add_argument(
        "--force", action="store_true", help="replace a bundle of another checkpoint, or a damaged one"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress, only the result and errors")
    parser.add_argument("-v", "--verbose", action="store_true", help="show where an error came from")
    args = parser.parse_args(argv)
    steps = Steps(sys.stderr, quiet=args.quiet)
    try:
        report = _export(args, steps)
    except KeyboardInterrupt:
        steps.finish()
        sys.stderr.write("yolo-export: interrupted; nothing was replaced\n")
        return 130
    except (RuntimeError, ValueError, OSError) as error:
        steps.finish()
        if args.verbose or not _is_ours(error):
            traceback.print_exc()
        sys.stderr.write(f"yolo-export: error: {error}\n")
        return 2 if isinstance(error, ValueError) else 1
    steps.finish()
    for note in report.notes:
        sys.stderr.write(f"note: {note}\n")
    sys.stdout.write(_table(report) + f"\nwrote {report.bundle}\n")
    return 0


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


def _export(args: argparse.Namespace, steps: Steps) -> ExportReport:
    from yolo_export.targets import create_target

    targets = [name.strip() for name in args.to.split(",") if name.strip()]
    for name in targets:
        create_target(name)
    size_hw = parse_size(args.imgsz) if args.imgsz else None
    # Only now: torch takes seconds to import, and a wrong argument should not.
    require("torch", "yolo-export", "pip install torch==2.13.0, then pip install 'yolo-edge[export]'")
    from yolo_export.export import export_bundle

    return export_bundle(
        args.checkpoint,
        targets,
        out=args.out,
        size_hw=size_hw,
        opset=args.opset,
        force=args.force,
        progress=steps,
    )


def _table(report: ExportReport) -> str:
    from yolo_edge.table import format_table

    rows = [
        [
            row.engine,
            row.weights,
            f"{report.sizes[row.engine] / 1e6:.1f} MB",
            f"{row.max_head_error:.1e}",
            f"{row.box_agreement:.1%}",
            f"{row.inference_ms:.1f} ms at {row.timed_hw[0]}x{row.timed_hw[1]}",
        ]
        for row in report.verifications
    ]
    return format_table(["target", "precision", "size", "max head error", "boxes equal", "inference"], rows)


def _is_ours(error: Exception) -> bool:
    """Whether an error is one whose message says all; others come with their traceback."""
    return type(error).__module__.startswith(("yolo_edge", "yolo_export")) or isinstance(
        error, (ValueError, OSError)
    )


if __name__ == "__main__":
    sys.exit(main())
