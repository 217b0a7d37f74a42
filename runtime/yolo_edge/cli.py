"""The command ``yolo-edge``. Nothing heavy is imported before a command is known to need it."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from yolo_edge.commands import check, info, run
from yolo_edge.errors import BundleError, EngineError, MissingExtraError, SinkError, SourceError

_COMMANDS = {"run": run, "check": check, "info": info}

_EPILOG = """\
examples:
  yolo-edge run cam0                              the only bundle of this folder on a camera
  yolo-edge run --model best.edge street.mp4 --save out
  yolo-edge run images/ --jsonl - | jq .detections
  yolo-edge check best.edge                       does it compute on this machine what the checkpoint did?
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code: 0 fine, 1 failed, 2 wrong usage, 130 interrupted."""
    parser = argparse.ArgumentParser(
        prog="yolo-edge",
        description="Runs YOLOv5 and YOLOv5-Lite bundles, made by yolo-export, on images, video and cameras.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module in _COMMANDS.items():
        summary = (module.__doc__ or "").strip().splitlines()[0]
        command = commands.add_parser(
            name,
            help=summary,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(execute=module.execute, parser=command)
    args = parser.parse_args(argv)
    try:
        return int(args.execute(args))
    except (BundleError, EngineError, MissingExtraError, SinkError, SourceError) as error:
        if getattr(args, "verbose", False):
            traceback.print_exc()
        sys.stderr.write(f"yolo-edge {args.command}: error: {error}\n")
        return 1
    except BrokenPipeError:
        # Whoever read our output has enough, as in `yolo-edge run ... --jsonl - | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


class _Version(argparse.Action):
    """Prints the version, which is compiled into the core, only when asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="print the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from yolo_edge import __version__

        print(f"yolo-edge {__version__}")  # noqa: T201
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())
