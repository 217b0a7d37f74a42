"""The command ``yolo-train``. Nothing heavy is imported before a command is known to need it.

A first word that names a command is that command; a dataset of that name is given as ``./check``.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import traceback
from collections.abc import Sequence

from yolo_edge.command_line import explain, interrupted_code, run_command

_COMMANDS = {
    "check": "read a dataset and report what is wrong with it and what is in it",
    "card": "write a dataset's card, with pictures of labelled samples",
    "convert": "turn datasets of other tools into YOLO's form, and back",
    "anchors": "how well anchors fit a dataset, and better ones",
    "scenes": "draw labelled scenes with QR codes, markers and barcodes",
}
"""Commands beside training, each a module of the same name in ``yolo_train.commands``."""

_EPILOG = """\
examples:
  yolo-train data.yaml --weights v5lite-e.pt            goes on from a trained network, for new classes
  yolo-train data.yaml --cfg v5lite-e --epochs 100      starts from random weights
  yolo-train --resume runs/train/exp                    goes on where that run was interrupted
  yolo-export runs/train/exp/best.pt                    makes the bundle that yolo-edge runs
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code: 0 fine, 1 failed, 2 usage, 130 Ctrl-C, 143 SIGTERM."""
    words = list(sys.argv[1:] if argv is None else argv)
    name = words[0] if words and words[0] in _COMMANDS else "train"
    module = importlib.import_module(f"yolo_train.commands.{name}")
    parser = argparse.ArgumentParser(
        prog="yolo-train" if name == "train" else f"yolo-train {name}",
        description=module.__doc__,
        epilog=_EPILOG + _command_list() if name == "train" else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    if name == "train":
        parser.add_argument("--version", action=_Version)
    parser.add_argument("-v", "--verbose", action="store_true", help="show where an error came from")
    args = parser.parse_args(words if name == "train" else words[1:])
    try:
        return run_command(lambda: int(module.run(args)))
    except KeyboardInterrupt as error:
        return interrupted_code(error)
    except (RuntimeError, ValueError, OSError, MemoryError) as error:
        if args.verbose or not _is_ours(error):
            traceback.print_exc()
        sys.stderr.write(f"{parser.prog}: error: {explain(error)}\n")
        return 2 if isinstance(error, ValueError) else 1


def _command_list() -> str:
    width = max(map(len, _COMMANDS))
    lines = [f"  {name.ljust(width)}  {summary}" for name, summary in _COMMANDS.items()]
    return "\nother commands (yolo-train COMMAND --help):\n" + "\n".join(lines) + "\n"


def _is_ours(error: Exception) -> bool:
    """Whether an error is one whose message says all; others come with their traceback."""
    return type(error).__module__.startswith(("yolo_edge", "yolo_export", "yolo_train")) or isinstance(
        error, (ValueError, OSError, MemoryError)
    )


class _Version(argparse.Action):
    """Prints the version, which is compiled into the core, only when asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from yolo_edge import __version__

        sys.stdout.write(f"yolo-train {__version__}\n")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
